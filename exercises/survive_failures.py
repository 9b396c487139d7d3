"""Exercises of 08, survive failures: distinguish a denial from a transient error, and keep a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
from botocore.config import Config

from drills.fault_lab import OLD_COPY, errors_of_boto3
from drills.retry_waits import longest_waits
from helpers.cloud import Cloud

from .common import Check, exercise, fault, misbehaved, run_learner

SLOW = 0.2  # seconds that a connection or a response may take


@exercise("bounded-wait")
def check_timeouts(cloud: Cloud, secret_name: str, config: Any, deadline: float) -> Check:
    """Does a client with this botocore `Config` keep a deadline, in seconds, and bear what is normal?

    The longest wait is calculated from the settings; the rest is tried on a sandbox with faults.
    """
    timeouts = [getattr(config, name, "") for name in ("connect_timeout", "read_timeout")]
    valid = isinstance(config, Config) and all(isinstance(one, int | float | None) for one in timeouts)
    seen = "my_config is no Config of botocore with timeouts in seconds."
    yield not valid, seen, "Make it Config(connect_timeout=…, read_timeout=…, retries=…)."
    read = run_learner(_read, secret_name, config)
    yield from misbehaved(read, "A read with this Config", "Set timeouts, in seconds above 0, and retries only.")
    mode, attempts, pauses, longest = longest_waits(boto3.client("secretsmanager", config=config))
    said = f"Up to {attempts} attempts (mode {mode}): with no response, the longest wait is {longest:g} s."
    between = ", ".join(f"{pause:g} s" for pause in pauses[:3]) or "0 s"
    hint = f"The deadline is {deadline:g} s. Each attempt may take both timeouts, and the longest pauses are {between}."
    yield longest > deadline, said, hint
    with fault(cloud, delay=SLOW):
        slow = run_learner(_read, secret_name, config)
    hint = (
        f"A connection or a response that takes {SLOW:g} s is normal at times, and is given up: wait longer for both."
    )
    # Also by the numbers: on a busy machine a thread may look late, and find the response there.
    yield slow.failed or config.connect_timeout < SLOW or config.read_timeout < SLOW, said, hint
    with fault(cloud, error="CONNECTION_LOST", times=1):
        lost = run_learner(_read, secret_name, config)
    yield lost.failed, said, "One lost connection made the read fail: allow a second attempt."
    return f"{said} A slow response arrived, and a read succeeded after a lost connection."


def _read(secret_name: str, config: Config) -> object:
    return boto3.client("secretsmanager", config=config).get_secret_value(SecretId=secret_name)


# Two errors that the lab doesn't have: the code, what happened, whether the old copy may be served, and why.
STOP = "An error that you don't know should stop you: name those that pass, and treat every other as a denial."
MORE_ERRORS = [
    ("TokenVaultSealedException", "an unknown denial", False, STOP),
    ("ServiceUnavailableException", "HTTP 503", True, "The service is away for a moment: any status from 500 up says so."),
]  # fmt: skip


@exercise("denial")
def check_stale_rule(cloud: Cloud, may_serve_old_copy: Callable[[Exception], object]) -> Check:
    """Does `may_serve_old_copy(error)` distinguish transient errors from denials, for all that boto3 raises in the lab?"""
    raised: list[Any] = [(one.title, one.right == OLD_COPY, one.why, error) for one, error in errors_of_boto3(cloud)]
    for code, *told in MORE_ERRORS:
        with fault(cloud, error=code):
            raised.append((*told, run_learner(_read, "any name", Config(retries={"total_max_attempts": 1})).error))
    for title, right, why, error in raised:
        seen = f"{title[0].upper()}{title[1:]} ({type(error).__name__}):"
        run = run_learner(may_serve_old_copy, error)
        hint = "Not every error is a response from AWS: a timeout has no response and no code."
        yield from misbehaved(run, f"{seen} your function", hint)
        said = run.returned
        yield not isinstance(said, bool), f"{seen} your function returned no bool.", "Let it return True or False."
        yield said != right, f"{seen} you would {'serve the old copy' if said else 'stop'}.", why
    return f"Right for all {len(raised)} errors that boto3 raised."
