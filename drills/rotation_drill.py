"""Drills: Momento traffic while the token is rotated, and the outcome of every operation.

Rotations depend on the operations done, not on the clock, so the drill is the same on a slow machine.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import boto3

from helpers.cloud import Cloud
from helpers.ledger import is_error

THREADS, OPERATIONS, ROTATIONS = 32, 3_200, 10


@dataclass
class Drill:
    """What happened. Times in seconds since the start."""

    name: str
    finished: list[tuple[float, bool]] = field(default_factory=list)  # when, and whether it succeeded
    rotations: list[float] = field(default_factory=list)
    denied: int = 0  # attempts that Momento denied, including those that were repeated then
    reads: int = 0  # of the secret, by the traffic and by the rotations

    @property
    def failed(self) -> int:
        """Count the operations whose failure reached the caller."""
        return sum(not succeeded for _, succeeded in self.finished)


def run_drill(
    cloud: Cloud,
    name: str,
    operate: Callable[[str], object],
    rotate: Callable[[], object],
    step: Callable[[str], None] = lambda text: None,
) -> Drill:
    """Do 3,200 operations from 32 threads, while the token is rotated ten times.

    `operate` takes the name of a user and returns Momento's response; an exception and a response with an error code are
    failures. `step` is called with a line of progress after each rotation.
    """
    drill, started = Drill(name), time.perf_counter()

    def do(number: int) -> None:
        try:
            succeeded = not is_error(operate(f"user-{number % 100}"))
        except Exception:
            succeeded = False
        drill.finished.append((time.perf_counter() - started, succeeded))

    with cloud.ledger.page(name) as page, ThreadPoolExecutor(THREADS) as pool:
        for number in range(OPERATIONS):
            pool.submit(do, number)
        for rotation in range(1, ROTATIONS + 1):
            while len(drill.finished) < rotation * OPERATIONS / (ROTATIONS + 1):
                time.sleep(0.002)
            drill.rotations.append(time.perf_counter() - started)
            rotate()
            step(f"rotation {rotation}: {len(drill.finished):,} operations, {drill.failed:,} failed")
    drill.denied = page.count(service="Momento", outcome="UNAUTHENTICATED")
    drill.reads = page.count("GetSecretValue")
    return drill


def denied_calls(cloud: Cloud, secret_name: str, call: Callable[[], object], overlap: float) -> int:
    """Rotate while `call` is repeated, revoke the old token after `overlap` seconds; count what Momento denies."""
    with cloud.ledger.page("one rotation") as page:
        call()
        old = current_token(secret_name)
        store_new_token(cloud, secret_name)
        end = time.monotonic() + overlap
        while time.monotonic() < end:
            call()
            time.sleep(0.02)
        cloud.revoke_api_key(old)
        call()
    return page.count(service="Momento", outcome="UNAUTHENTICATED")


def current_token(secret_name: str) -> str:
    client = boto3.client("secretsmanager")
    return str(client.get_secret_value(SecretId=secret_name, VersionStage="AWSCURRENT")["SecretString"])


def store_new_token(cloud: Cloud, secret_name: str) -> str:
    """Put a new token into the secret, and return it; the old one stays valid."""
    new = cloud.issue_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=secret_name, SecretString=new)
    return new


def rotate(cloud: Cloud, secret_name: str) -> str:
    """Put a new token into the secret, revoke the old one immediately, and return the new one."""
    old, new = current_token(secret_name), store_new_token(cloud, secret_name)
    cloud.revoke_api_key(old)
    return new
