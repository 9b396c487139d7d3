"""Exercise of 02, retrieve it naively: one read for each request."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from helpers.cloud import Cloud

from .common import (
    REQUESTS,
    Check,
    counted_as,
    current_value,
    exercise,
    new_key,
    run_learner,
    serve,
)


@exercise("one-read")
def check_reads_per_request(cloud: Cloud, secret_name: str, cache_name: str, handle: Callable[[str], object]) -> Check:
    """Does `handle(user)` do its three Momento calls with one read of the secret for each request?"""
    counted = yield from serve(cloud, secret_name, cache_name, handle)
    seen = (
        f"{REQUESTS} requests made {counted_as(counted.reads, 'read')} of the secret and {3 * REQUESTS} Momento calls."
    )
    yield (
        counted.reads == 0,
        seen,
        "The token has to come from Secrets Manager: keeping it longer is for notebook 03.",
    )
    yield (
        counted.reads == 3 * REQUESTS,
        seen,
        "That is still one read for each Momento call: make the client once, then use it three times.",
    )
    yield counted.reads != REQUESTS, seen, "Make it one read for each request: no fewer, no more."
    if cloud.mode == "sandbox":
        yield (
            not _uses_what_it_reads(cloud, secret_name, handle),
            f"{seen} But when the secret has a new token, the handler goes on with an old one.",
            "Make the client from the token that this request has read.",
        )
    return f"{seen} A third of the reads, by moving one line."


def _uses_what_it_reads(cloud: Cloud, secret_name: str, handle: Callable[[str], object]) -> bool:
    """Does it serve a request with a token that the secret has had only since, the one before being revoked?"""
    first = current_value(secret_name)
    for _ in range(2):
        new_key(cloud, secret_name, revoke=True)
        done = run_learner(handle, f"user-{uuid4()}")
        if done.failed or done.returned != 1:
            break
    else:
        cloud.accept_api_key(first)
        return True
    cloud.accept_api_key(first)
    return False
