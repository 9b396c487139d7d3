"""Exercises of 08, survive failures: distinguish a denial from a transient error, and keep a deadline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, NoCredentialsError

from drills.fault_lab import OLD_COPY, errors_of_boto3
from drills.retry_waits import longest_waits
from helpers.cloud import Cloud
from momento_token.secrets_manager import ALSO_TRANSIENT, TRANSIENT

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
    many = "1 attempt" if attempts == 1 else f"up to {attempts} attempts"
    said = f"{many[0].upper()}{many[1:]} (mode {mode}): with no response, the longest wait is {longest:g} s."
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


NO_RESPONSE = "Only a response of AWS can be a denial: a timeout or missing credentials have no response and no code."
WHERE = 'Let it return True or False. This error has a response: its code is error.response["Error"]["Code"].'
STOP = "An error that you don't know should stop you: name those that pass, and treat every other as a denial."
PASSES = "It says nothing about your permission: serve the copy if the status or the code is one of those listed above."


def _more_errors() -> Iterator[tuple[str, bool, str, Exception]]:
    """Yield errors that the lab doesn't cause: what happened, whether the old copy may be served, why, and the error."""
    yield "no AWS credentials", True, NO_RESPONSE, NoCredentialsError()
    yield "an unknown denial", False, STOP, _error("TokenVaultSealedException", 400)
    for status in (408, 429, 500, 502, 503):
        yield f"HTTP {status}", True, PASSES, _error(str(status), status)  # as botocore names a response without a code
    for code in sorted(TRANSIENT | ALSO_TRANSIENT):
        yield code, True, PASSES, _error(code, 400)


def _error(code: str, status: int) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": ""}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, "GetSecretValue")


@exercise("denial")
def check_stale_rule(cloud: Cloud, may_serve_old_copy: Callable[[Exception], object]) -> Check:
    """Does `may_serve_old_copy(error)` distinguish transient errors from denials, in the lab and beyond it?"""
    of_the_lab = [(one.title, one.right == OLD_COPY, one.why, error) for one, error in errors_of_boto3(cloud)]
    raised = [*of_the_lab, *_more_errors()]
    for title, right, why, error in raised:
        seen = f"{title[0].upper()}{title[1:]} ({type(error).__name__}):"
        where = WHERE if getattr(error, "response", None) else NO_RESPONSE
        run = run_learner(may_serve_old_copy, error)
        yield run.error is error, f"{seen} your function raised it.", "Let it return True or False, and raise nothing."
        hints = [where] if isinstance(run.error, (AttributeError, LookupError, TypeError)) else []
        yield from misbehaved(run, f"{seen} your function", *hints)
        said = run.returned
        yield not isinstance(said, bool), f"{seen} your function returned no bool.", "Let it return True or False."
        yield said != right, f"{seen} you would {'serve the old copy' if said else 'stop'}.", why
    return f"Right for all {len(raised)} errors."
