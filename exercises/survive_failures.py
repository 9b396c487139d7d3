"""Exercises of 09, survive failures: keep a deadline, and tell a trouble from a no."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from random import random
from typing import Any

import boto3
from botocore.config import Config

from drills.fault_lab import OLD_COPY, REFUSED, Trouble, errors_of_boto3
from drills.retry_waits import longest_waits
from helpers.cloud import Cloud

from .common import Check, counting, exercise, harmless, misbehaved, run_learner, unfinished

HUNG, SLOW = 2.0, 0.2  # seconds that an answer takes longer


@exercise("bounded-wait")
def check_timeouts(cloud: Cloud, secret_name: str, config: Any, deadline: float) -> Check:
    """Does a client with this botocore `Config` keep a deadline, in seconds, and bear what is normal?

    The longest wait is worked out from the settings; what happens is tried out on a sandbox with faults.
    """
    yield (
        not isinstance(config, Config),
        "my_config is no Config of botocore.",
        "Make it one with Config(…).",
    )
    timeouts = (config.connect_timeout, config.read_timeout)
    yield (
        not all(one is None or (type(one) in (int, float) and one > 0) for one in timeouts),
        "A timeout is no number of seconds above 0.",
        "Give connect_timeout and read_timeout in seconds, such as 0.5.",
    )
    made = run_learner(lambda: boto3.client("secretsmanager", config=config))
    yield from misbehaved(made, "A client with this Config")
    client = made.returned
    mode, attempts, pauses, longest = longest_waits(client)
    said = f"Up to {attempts} attempts (mode {mode}): with no answer, the longest wait is {longest:g} s."

    def outcome() -> str:
        run = run_learner(lambda: client.get_secret_value(SecretId=secret_name))
        return "no end" if run.hung else run.raised or "ok"

    plain = outcome()
    yield (
        plain != "ok",
        f"Without any trouble a read ends with {plain}.",
        "Set timeouts and retries only: all else is as the notebook has it.",
    )
    yield attempts == 1, said, "One lost connection, and the read fails: allow a second attempt."
    between = " and ".join(f"{pause:g} s" for pause in pauses[:3])
    yield (
        longest > deadline,
        said,
        f"The deadline is {deadline:g} s. Each attempt may take both timeouts, and between them are pauses of up to {between}.",
    )
    with _fault(cloud, delay=SLOW):
        slow = outcome()
    yield (
        slow != "ok",
        said,
        f"An answer that takes {SLOW:g} s is normal at times, and was given up: wait longer for it.",
    )
    with _fault(cloud, error="CONNECTION_LOST", times=1):
        dropped = outcome()
    yield (dropped != "ok", said, "One lost connection made the read fail: allow a second attempt.")
    with _fault(cloud, delay=HUNG), counting(cloud) as counted:
        hung = outcome()
    yield (
        hung != "ReadTimeoutError" or counted.reads != attempts,
        said,
        f"With no answer at all it ended with {hung}: set read_timeout too.",
    )
    return f"{said} A slow answer was waited for, a lost connection made good, and no answer given up in time."


UNHEARD_OF = "TokenVaultSealedException"  # no code of AWS's: what nobody has seen before


@exercise("denial")
def check_stale_rule(cloud: Cloud, may_serve_old_copy: Callable[[Exception], object]) -> Check:
    """Does `may_serve_old_copy(error)` tell a trouble from a no, for all that boto3 raises in the lab, and some more?"""
    yield (
        not callable(may_serve_old_copy),
        "`may_serve_old_copy` is no function.",
        "Define it with `def may_serve_old_copy(error):`.",
    )
    raised = [*errors_of_boto3(cloud), *_more_errors(cloud)]
    order = sorted(raised, key=lambda _: random())  # so that no answer depends on the order
    with harmless(cloud) as harm:
        runs = {trouble.title: run_learner(may_serve_old_copy, error) for trouble, error in order}
    for trouble, error in raised:
        seen = f"{trouble.title[0].upper()}{trouble.title[1:]}, a {type(error).__name__}:"
        run = runs[trouble.title]
        said = run.returned
        yield from misbehaved(
            run,
            f"{seen} your function",
            "Not every error is an answer of AWS: a timeout has no response and no code.",
        )
        yield from unfinished(said, f"{seen} your function")
        yield (
            not isinstance(said, bool),
            f"{seen} your function says {said if said is None else type(said).__name__}.",
            "Let it return True or False.",
        )
        choice = "serve the old copy" if said else "stop"
        yield said != (trouble.right == OLD_COPY), f"{seen} you would {choice}.", trouble.why
    yield from harm
    return f"Right for all {len(raised)} errors that boto3 really raised."


def _more_errors(cloud: Cloud) -> list[tuple[Trouble, Exception]]:
    """What boto3 raises at answers that the lab doesn't have."""
    once = Config(retries={"total_max_attempts": 1})
    client = boto3.client("secretsmanager", config=once)
    raised = []
    for trouble, error in (
        (
            Trouble(
                "a refusal of a kind that you have not seen before",
                lambda *_: None,
                REFUSED,
                "What you don't know should stop you: name what passes, and take all else for a no.",
            ),
            UNHEARD_OF,
        ),
        (
            Trouble(
                "HTTP 503",
                lambda *_: None,
                OLD_COPY,
                "The service is away for a moment: any status from 500 up says so.",
            ),
            "ServiceUnavailableException",
        ),
    ):
        with _fault(cloud, error=error):
            run = run_learner(lambda: client.get_secret_value(SecretId="tutorial/lab/errors"))
        assert isinstance(run.error, Exception)
        raised.append((trouble, run.error))
    return raised


@contextmanager
def _fault(cloud: Cloud, delay: float = 0.0, error: str = "", times: int | None = None):
    """A fault on AWS's side for as long as the `with` block runs."""
    cloud.add_fault("aws", delay=delay, error=error, times=times)
    try:
        yield
    finally:
        cloud.clear_faults()
