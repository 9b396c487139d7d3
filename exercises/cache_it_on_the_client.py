"""Exercise of 03, cache it on the client: a reader that makes few calls, and whose copies grow old."""

from __future__ import annotations

from collections.abc import Callable

from helpers.cloud import Cloud

from .common import Check, current_token, exercise, function_of, misbehaved, run_learner


@exercise("reader")
def check_reader(cloud: Cloud, name: str, make_reader: Callable[[], Callable[[], str]]) -> Check:
    """Does a reader from `make_reader()` make few calls, notice a new token in time, and stop when it is denied?"""
    read = yield from function_of(make_reader, "make_reader")
    run = run_learner(read)
    yield from misbehaved(run, "Your function")
    yield run.returned != current_token(name), "It didn't return the token.", "Return the SecretString that was read."
    return "It reads well."
