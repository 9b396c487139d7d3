"""The trials of the last notebook: what a service does at its start, in its log, on silence, on rotation, on a no."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import Protocol
from uuid import uuid4

import boto3

from .cloud import Cloud
from .drill import ROTATIONS, run_drill
from .measure import OVERLAP, THREADS, at_once
from .show import Table

# Seconds that no answer comes, and by when a service should have given up.
SILENCE, DEADLINE = 4.0, 3.0
TTL = 0.2  # seconds, where a trial must see a copy expire
PATIENCE = 2.0  # seconds in which a service must notice that it may not read any more


class Service(Protocol):
    """What is on trial: serves one request of a user, and returns what Momento answered."""

    def serve(self, user: str) -> object: ...


@dataclass(frozen=True)
class Finding:
    """The outcome of one trial: what a sound service does, what this one did instead (None: just that), and a hint."""

    wanted: str
    seen: str | None
    hint: str


def findings(
    cloud: Cloud, secret_name: str, make_service: Callable[..., Service]
) -> Iterator[Finding]:
    """Try out services made by `make_service(ttl=seconds)`, five times. An exception of theirs is a finding too."""
    for trial, wanted, hint in _TRIALS:
        try:
            with _everything_said():
                seen = trial(cloud, secret_name, make_service)
        except Exception as error:
            seen = f"it raised {type(error).__name__}"
            hint = 'Run Service(ttl=300).serve("a user") in a cell of its own to see why.'
        finally:
            cloud.clear_faults()
        yield Finding(wanted, seen, hint)


def trial_table(found: Sequence[Finding]) -> Table:
    """What a sound service does, and what this one did."""
    passed = sum(one.seen is None for one in found)
    rows = [(one.wanted, f"✗ {one.seen}" if one.seen else "✓ it does") for one in found]
    return Table(("A sound service", "This one"), rows, f"{passed} of {len(found)} trials passed")


def rotate(cloud: Cloud, secret_name: str) -> None:
    """A new version of the secret with a new key; the old key is revoked at once."""
    client = boto3.client("secretsmanager")
    old = client.get_secret_value(SecretId=secret_name, VersionStage="AWSCURRENT")["SecretString"]
    client.put_secret_value(SecretId=secret_name, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(old)


def _start(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> str | None:
    service = make_service(ttl=300)
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("start") as page:
        answers = at_once(lambda: service.serve(_user()), THREADS)
    reads = page.count("GetSecretValue")
    if failed := [answer for answer in answers if _is_failure(answer)]:
        return f"{len(failed)} of {THREADS} requests failed"
    return None if reads == 1 else f"the ledger counted {reads} reads"


def _log(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> str | None:
    token = boto3.client("secretsmanager").get_secret_value(
        SecretId=secret_name, VersionStage="AWSCURRENT"
    )["SecretString"]
    with _everything_said() as said:
        service = make_service(ttl=300)
        service.serve(_user())
        print(service)
    return "the token stands there" if token in said.getvalue() else None


def _silence(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> str | None:
    cloud.add_fault("aws", delay=SILENCE)
    answers = []
    request = threading.Thread(
        target=lambda: answers.extend(at_once(lambda: make_service(ttl=300).serve(_user()), 1)),
        daemon=True,
    )
    request.start()
    request.join(DEADLINE)
    in_time = bool(answers)
    cloud.clear_faults()
    request.join(SILENCE)  # leaves nothing behind that the next trial would count
    return None if in_time else f"it was still waiting after {DEADLINE:g} s"


def _rotation(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> str | None:
    service, run = make_service(ttl=300), uuid4()
    drill = run_drill(
        cloud,
        "your service",
        lambda number: service.serve(f"{run}/{number % 100}"),
        lambda number: None,
        lambda: rotate(cloud, secret_name),
    )
    return "operations failed" if drill.failed else None


def _refusal(cloud: Cloud, secret_name: str, make_service: Callable[..., Service]) -> str | None:
    service = make_service(ttl=TTL)
    if _is_failure(service.serve(_user())):
        return "it failed before"
    cloud.add_fault("aws", error="AccessDeniedException")
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        time.sleep(TTL)
        if any(_is_failure(answer) for answer in at_once(lambda: service.serve(_user()), 1)):
            return None
    return f"it went on for {PATIENCE:g} s, with a copy that lives for {TTL:g} s"


_TRIALS = [
    (
        _start,
        f"{THREADS} first requests at once read the secret once",
        "Requests that come together should wait for the one that reads.",
    ),
    (_log, "nothing it says or prints holds the token", "Log that it was read, never what."),
    (
        _silence,
        f"when Secrets Manager doesn't answer, the first request ends within {DEADLINE:g} s",
        "boto3's own timeouts are 60 s: give the client a Config.",
    ),
    (
        _rotation,
        f"while the token is replaced {ROTATIONS} times, no operation fails",
        "A client keeps the token it was made with: when Momento refuses it, somebody has to make a new one.",
    ),
    (
        _refusal,
        "when it may not read the secret any more, it stops",
        "An old copy is right when nobody answers, and wrong when the answer is no.",
    ),
]


@contextmanager
def _everything_said() -> Iterator[StringIO]:
    """What is printed, and what is logged from INFO up, as in production."""
    said, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(said):
            yield said
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


def _is_failure(answer: object) -> bool:
    return isinstance(answer, Exception) or answer is None or hasattr(answer, "error_code")


def _user() -> str:
    return f"user-{uuid4()}"
