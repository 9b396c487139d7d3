"""Exercise of 02, retrieve it naively: one read for each request."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any
from uuid import uuid4

from momento import CacheClient, Configurations
from momento.responses import CacheGet

from helpers.cloud import Cloud

from .common import Check, Mistake, counting, current_token, exercise, fault, misbehaved, new_key, put_back, run_learner

Handle = Callable[[str], object]
REQUESTS = 5


@exercise("one-read")
def check_reads_per_request(cloud: Cloud, secret_name: str, cache_name: str, handle: Handle) -> Check:
    """Does `handle(user)` make its three Momento calls with one read of the secret for each request?"""
    users = [f"user-{uuid4()}" for _ in range(REQUESTS - 1)]
    users.append(users[-1])  # comes twice
    visits_before = held(cloud, secret_name, cache_name, ["visits"])[0]
    returned, counted = yield from send(cloud, handle, users, "Your handler")
    reads, sets, increments = (counted[name] for name in ("aws.GetSecretValue", "momento.Set", "momento.Increment"))
    seen = f"{REQUESTS} requests: {reads} reads of the secret, {sets} sets, {increments} increments."
    keys = ["last-visitor", "visits", f"{users[0]}/visits", f"{users[-1]}/visits"]
    wanted = [users[-1], str(int(visits_before or 0) + REQUESTS), "1", "2"]
    others = held(cloud, secret_name, cache_name, keys) != wanted
    hint = "Do what handle_naively does, each once: set, increment, increment, and return the last `.value`."
    yield (sets, increments) != (REQUESTS, 2 * REQUESTS) or others, seen, hint
    kind, last = type(returned[-1]).__name__, returned[-1]
    what = str(last) if kind == "int" else f"a {kind}"
    seen_last = f"For a user's second visit your handler returned {what}; Momento counted 2."
    yield returned != [1] * (REQUESTS - 1) + [2], seen_last, hint
    unnoticed = ""
    for call in ("Set", "Increment"):  # the first of each
        with fault(cloud, "momento", call, error="INVALID_ARGUMENT", times=1):
            unnoticed = unnoticed or call.lower() * (not run_learner(handle, users[0]).failed)
    hint = "Put `checked` around each call: Momento's SDK returns errors, and doesn't raise them."
    yield unnoticed, f"{seen} But when the first {unnoticed} failed, your handler went on as if it hadn't.", hint
    stale = reads == REQUESTS and not _uses_what_it_reads(cloud, secret_name, handle)
    hint = "Make the client from the token that this request has just read; keeping it longer is for notebook 03."
    yield reads == 0 or stale, seen + " But a new token in the secret was not used." * stale, hint
    hint = "Read once for each request: make the client once, and use it for all three calls."
    yield reads != REQUESTS, seen, hint
    return f"{seen} That is a third of the reads."


def send(
    cloud: Cloud, handle: Handle, users: list[str], who: str
) -> Generator[Mistake, None, tuple[list[Any], Counter[str]]]:
    """Send a request of each user, each in a thread of its own; return what was returned, and what arrived."""
    returned = []
    with counting(cloud) as counted:
        for user in users:
            done = run_learner(handle, user)
            yield from misbehaved(done, who)
            returned.append(done.returned)
    return returned, counted


def _uses_what_it_reads(cloud: Cloud, secret_name: str, handle: Handle) -> bool:
    """Try whether it serves a request with a token that came into the secret since, the one before being revoked."""
    with put_back(secret_name):
        second = new_key(cloud, secret_name)
        with counting(cloud) as counted:
            run_learner(handle, f"user-{uuid4()}")
        new_key(cloud, secret_name, revoke=second)
        return run_learner(handle, f"user-{uuid4()}").returned == 1 and counted["clients"] > 0


def held(cloud: Cloud, secret_name: str, cache_name: str, keys: list[str]) -> list[str | None]:
    """Return what Momento holds under these keys."""
    credentials = cloud.credentials_from(current_token(secret_name))
    with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=10)) as client:
        responses = [client.get(cache_name, key) for key in keys]
    return [one.value_string if isinstance(one, CacheGet.Hit) else None for one in responses]
