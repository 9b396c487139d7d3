"""Exercise of 03, cache it on the client: a reader that makes few calls, sees a new token, and stops when denied."""

from __future__ import annotations

import time
from collections.abc import Callable

from drills.learner_code import Run
from helpers.cloud import Cloud

from .common import Check, counting, current_token, exercise, fault, function_of, misbehaved, new_key, put_back
from .common import run_learner as run

MOST_SECONDS = 5  # for a hundred reads
SOON, STEP = 2.25, 0.25  # seconds: the two of the task and the check's own, and from read to read
BUGS = (NameError, AttributeError, TypeError)


@exercise("reader")
def check_reader(cloud: Cloud, name: str, make_reader: Callable[[], Callable[[], str]]) -> Check:
    """Does a reader from `make_reader()` make few calls, see a new token in time, and stop when it is denied?"""
    token = current_token(name)
    read = yield from function_of(make_reader, "make_reader")
    with counting(cloud) as counted:
        end = time.monotonic() + MOST_SECONDS
        for _ in range(100):
            last = run(read)
            yield from misbehaved(last, "Your function")
            if time.monotonic() > end:  # each of them is slow
                break
    calls = counted["aws.GetSecretValue"] + counted["aws.DescribeSecret"]
    yield str(last.returned).strip() != token, "It didn't return the token.", "Return the SecretString that was read."
    few = f"Calls of a hundred reads: {calls}"
    with counting(cloud) as of_another:
        run(lambda: make_reader()())
    shared = calls and not of_another["aws.GetSecretValue"]
    what = f"{few}." + " But a second reader made none: they share a cache." * bool(shared)
    hint = "Make one cache in make_reader, outside read, with a TTL of two seconds: a copy must outlive the call."
    yield calls > 2 or shared, what, hint
    with put_back(name):
        new = new_key(cloud, name)
        seen = _until(read, lambda one: one.failed or str(one.returned).strip() == new)
        yield from misbehaved(seen, "Your function")
        old = str(seen.returned).strip() != new
        hint = "Let the copy expire: give the cache a TTL of two seconds at most, so that it reads the secret again."
        yield old, f"{few}. But after {SOON:g} s it still returned the old token.", hint
        with fault(cloud, error="AccessDeniedException"):
            denied = _until(read, lambda one: one.failed)
            again = run(read) if denied.failed else denied
    for one in (denied, again):
        yield from misbehaved(one if one.hung or isinstance(one.error, BUGS) else Run(), "Your function")
    served = (
        "raised once, then returned something again" if denied.failed else f"still returned something after {SOON:g} s"
    )
    hint = "Don't keep the old copy after an error, as AWS's library does: let the error of boto3 through."
    yield not again.failed, f"{few}; it sees a new token. But when access was denied, it {served}.", hint
    return f"{few}. It sees a new token within two seconds, and stops when access is denied."


def _until(read: Callable[[], str], enough: Callable[[Run], object]) -> Run:
    """Read every quarter of a second until a read is enough, or the time is over; return the last one."""
    end = time.monotonic() + SOON
    while not enough(last := run(read)) and time.monotonic() < end:
        time.sleep(STEP)
    return last
