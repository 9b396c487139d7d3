"""A drill: Momento traffic from many threads while the token is rotated, and the outcome of every operation.

Rotations depend on the operations done, not on the clock, so the drill is the same on a slow machine.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import boto3

from helpers.cloud import Cloud
from helpers.ledger import is_error

THREADS, OPERATIONS, ROTATIONS, MESSAGES = 32, 3_200, 10, 200


@dataclass
class Drill:
    """What happened. Times in seconds since the start."""

    name: str
    finished: list[tuple[float, bool]] = field(default_factory=list)  # when, and whether it succeeded
    rotations: list[float] = field(default_factory=list)
    refused: int = 0  # attempts that Momento refused, including those that were repeated then
    reads: int = 0  # of the secret, by the traffic and by the rotations

    @property
    def failed(self) -> int:
        """Count the operations whose failure reached the caller."""
        return sum(not succeeded for _, succeeded in self.finished)


def run_drill(
    cloud: Cloud,
    name: str,
    operate: Callable[[int], object],
    publish: Callable[[int], object],
    rotate: Callable[[], None],
    step: Callable[[str], None] = lambda text: None,
) -> Drill:
    """Do the operations from 32 threads and publish the messages from another, while the token is rotated ten times.

    `operate` and `publish` take a number and return Momento's response; an exception and a response with an error code are
    failures. `step` is called with a line of progress after each rotation.
    """
    drill, started = Drill(name), time.perf_counter()

    def do(number: int) -> None:
        succeeded = _succeeds(operate, number)
        drill.finished.append((time.perf_counter() - started, succeeded))

    def wait_for(share: float) -> None:
        while len(drill.finished) < share * OPERATIONS:
            time.sleep(0.002)

    def publish_all() -> None:
        for number in range(MESSAGES):
            wait_for(number / MESSAGES)
            _succeeds(publish, number)

    publisher = threading.Thread(target=publish_all)
    with cloud.ledger.page(name) as page, ThreadPoolExecutor(THREADS) as pool:
        publisher.start()
        for number in range(OPERATIONS):
            pool.submit(do, number)
        for rotation in range(1, ROTATIONS + 1):
            wait_for(rotation / (ROTATIONS + 1))
            drill.rotations.append(time.perf_counter() - started)
            rotate()
            step(f"rotation {rotation}: {len(drill.finished):,} operations, {drill.failed:,} failed")
    publisher.join()
    drill.refused = page.count(service="Momento", outcome="UNAUTHENTICATED")
    drill.reads = page.count("GetSecretValue")
    return drill


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


def _succeeds(operation: Callable[[int], object], number: int) -> bool:
    try:
        return not is_error(operation(number))
    except Exception:
        return False
