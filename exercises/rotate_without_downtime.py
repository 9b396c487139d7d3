"""Exercises of 07, rotate without downtime: a service that goes on, and the way back."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from uuid import uuid4

import boto3

from helpers.cloud import Cloud

from .common import (
    Check,
    Mistake,
    counting,
    current_token,
    exercise,
    fault,
    function_of,
    misbehaved,
    new_key,
    put_back,
    run_learner,
)
from .retrieve_it_naively import REQUESTS, held
from .reuse_your_clients import accepted_again

APART = 1.1  # seconds between two rotations: a service may read again once in a second, as momento_client.py does
LOST = "DEADLINE_EXCEEDED", "UNAVAILABLE", "INTERNAL"  # after which Momento may have done what it was called for
_issued: list[str] = []  # by earlier runs of the check, too: a client made outside make_service may keep one
Serve = Callable[[str], object]


@exercise("revoked")
def check_survives_rotation(cloud: Cloud, name: str, cache_name: str, make_service: Callable[[], Serve]) -> Check:
    """Does a service go on, without a failed request, when its token is replaced and revoked, twice?

    `make_service()` returns a function that serves one request, a visit of a user that Momento counts, and returns
    Momento's response or the number in it: without a check, `.value` of an error raises, so no failure is hidden.
    """
    again = "When Momento denies the token, and only then: read the secret again, make a new client, and repeat the denied call."
    with accepted_again(cloud, name) as held_before:
        _issued.append(new_key(cloud, name))
        serve = yield from function_of(make_service, "make_service")
        failed, seen, _ = yield from _served(cloud, name, cache_name, serve)
        hint = 'Call make_service()("anna") in a cell of its own. SharedClient takes a TokenSource and a function of the token, its `call` a function of the client.'
        if "(returned" in seen:
            hint = "Increment the user's counter once for each request, and return Momento's response."
        yield failed, f"Before any rotation {seen}", again if "AUTHENTICATION" in seen.upper() else hint
        for which in ("a rotation", "a second rotation"):
            time.sleep(APART)
            _issued.append(new_key(cloud, name))
            for key in (held_before, *_issued[:-1]):
                cloud.revoke_api_key(key)
            failed, seen, most = yield from _served(cloud, name, cache_name, serve)
            yield failed, f"After {which} {seen}", again
        after = f"After the second rotation {seen}"
        yield most >= REQUESTS, after, again
        for code in LOST:
            with fault(cloud, "momento", "Increment", error=code, times=1), counting(cloud) as lost:
                run_learner(serve, f"user-{uuid4()}")
            seen = f"An Increment ended with {code}, and the service sent it again: the visit may count twice."
            hint = "Repeat only a call that Momento denied, with AUTHENTICATION_ERROR: that one has done nothing."
            yield lost["momento.Increment"] > 1, seen, hint
    return after


def _served(cloud: Cloud, name: str, cache_name: str, serve: Serve) -> Generator[Mistake, None, tuple[int, str, int]]:
    """Send requests of new users. Return how many failed, what was seen, and the larger of reads and new clients."""
    users, done, failures = [f"user-{uuid4()}" for _ in range(REQUESTS)], [], []
    with counting(cloud) as counted:
        for user in users:
            done.append(run_learner(serve, user))
            if done[-1].error is None:  # else the request has failed
                yield from misbehaved(done[-1], "The service")
    for one, counter in zip(done, held(cloud, name, cache_name, users), strict=True):
        returned = one.returned
        if getattr(returned, "value", returned) != 1 or counter != "1":
            code = getattr(returned, "error_code", None)
            what = returned if isinstance(returned, int) else type(returned).__name__
            failures.append(one.raised or (code.name if code else f"returned {what}"))
    reads, clients = counted["aws.GetSecretValue"], counted["clients"]
    seen = f"{len(failures)} of {REQUESTS} requests failed" + (f" ({failures[0]})" if failures else "")
    return len(failures), f"{seen}; reads of the secret: {reads}, new clients: {clients}.", max(reads, clients)


@exercise("roll-back")
def check_roll_back(cloud: Cloud, name: str, roll_back: Callable[[], object]) -> Check:
    """After a rotation to a key that Momento denies, does `roll_back()` make the one before current?"""
    with put_back(name):
        good = new_key(cloud, name)
        cloud.revoke_api_key(new_key(cloud, name))
        before = _versions(name)
        old, new = before["AWSPREVIOUS"], before["AWSCURRENT"]
        run = run_learner(roll_back)
        labels = _versions(name)
        lost = "AWSCURRENT" not in labels  # AWS would not have allowed that
        value = new_key(cloud, name) if lost else current_token(name)
    hint = "Inside roll_back, which takes no argument, look up the versions of SECRET_NAME with AWSCURRENT (RemoveFromVersionId) and AWSPREVIOUS (MoveToVersionId)."
    yield from misbehaved(run, "roll_back", hint)
    yield lost, "No version has the label AWSCURRENT any more.", hint
    hint = "At the start of this notebook update_secret_version_stage moved it forward: now move it back."
    yield labels["AWSCURRENT"] == new, "AWSCURRENT is still on the token that Momento denies.", hint
    hint = "The one before is still there, under the label AWSPREVIOUS: move AWSCURRENT to it."
    yield value != good, "AWSCURRENT is on a token that is neither of the two.", hint
    seen = "The old token is current, but not by moving the one label from the new version to the old one."
    hint = "Store nothing and move nothing else: AWSPREVIOUS follows by itself."
    yield labels["AWSCURRENT"] != old or labels.get("AWSPREVIOUS") != new, seen, hint
    return "AWSCURRENT is back on the version before, and nothing was stored."


def _versions(name: str) -> dict[str, str]:
    """Return the version that each label is on."""
    versions = boto3.client("secretsmanager").describe_secret(SecretId=name)["VersionIdsToStages"]
    return {label: version for version, labels in versions.items() for label in labels}
