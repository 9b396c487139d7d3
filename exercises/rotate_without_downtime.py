"""Exercises of 07, rotate without downtime: a service that goes on, and the way back."""

from __future__ import annotations

import time
from collections import Counter
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
from .retrieve_it_naively import REQUESTS, held, send

APART = 1.1  # seconds between two rotations: a service may read again once in a second, as momento_client.py does
Serve = Callable[[str], object]


@exercise("revoked")
def check_survives_rotation(cloud: Cloud, name: str, cache_name: str, make_service: Callable[[], Serve]) -> Check:
    """Does a service go on, without a failed request, when its token is replaced and revoked, twice?

    `make_service()` returns a function that serves one request, a visit of a user that Momento counts, and returns
    Momento's response.
    """
    with put_back(name):
        first = new_key(cloud, name)
        serve = yield from function_of(make_service, "make_service")
        before = yield from _served(cloud, name, cache_name, serve)
        second = new_key(cloud, name, revoke=first)
        after = yield from _served(cloud, name, cache_name, serve)
        time.sleep(0 if after["failed"] else APART)
        new_key(cloud, name, revoke=second)
        again = yield from _served(cloud, name, cache_name, serve)
        with fault(cloud, "momento", "Increment", error="DEADLINE_EXCEEDED", times=1), counting(cloud) as lost:
            run_learner(serve, f"user-{uuid4()}")
    hint = "Increment the user's counter once for each request, and return Momento's response."
    yield before["failed"], f"Before any rotation {_outcome(before)}", hint
    hint = "When Momento refuses the token: read the secret again, make a new client, and repeat the refused call."
    yield after["failed"], f"After a rotation {_outcome(after)}", hint
    yield again["failed"], f"After a second rotation {_outcome(again)}", hint
    seen = "Momento's response to an Increment did not arrive, and the service sent it again: that may count twice."
    hint = "Repeat only a call that Momento refused, with AUTHENTICATION_ERROR: that one has done nothing."
    yield lost["momento.Increment"] > 1, seen, hint
    wasteful = max(after["aws.GetSecretValue"], after["clients"]) >= REQUESTS
    hint = "Keep the token and share the client until Momento refuses the token."
    yield wasteful, f"After a rotation {_outcome(after)}", hint
    return f"After a rotation {_outcome(after)}"


def _served(cloud: Cloud, name: str, cache_name: str, serve: Serve) -> Generator[Mistake, None, Counter[str]]:
    """Send requests of new users; return what arrived, and how many `failed`."""
    users = [f"user-{uuid4()}" for _ in range(REQUESTS)]
    returned, counted = yield from send(cloud, serve, users, "The service")
    for response, counter in zip(returned, held(cloud, name, cache_name, users), strict=True):
        counted["failed"] += getattr(response, "value", response) != 1 or counter != "1"
    return counted


def _outcome(counted: Counter[str]) -> str:
    made = f"reads of the secret: {counted['aws.GetSecretValue']}, new clients: {counted['clients']}"
    return f"{counted['failed']} of {REQUESTS} requests failed; {made}."


@exercise("roll-back")
def check_roll_back(cloud: Cloud, name: str, roll_back: Callable[[], object]) -> Check:
    """After a rotation to a key that Momento refuses, does `roll_back()` make the one before current?"""
    with put_back(name):
        good = new_key(cloud, name)
        cloud.revoke_api_key(new_key(cloud, name))
        before = _versions(name)
        old, new = before["AWSPREVIOUS"], before["AWSCURRENT"]
        run = run_learner(roll_back)
        labels, value = _versions(name), current_token(name)
    hint = "A label is on one version: say from which it goes (RemoveFromVersionId) and to which (MoveToVersionId)."
    yield from misbehaved(run, "roll_back", hint)
    hint = "At the start of this notebook update_secret_version_stage moved it forward: now move it back."
    yield labels["AWSCURRENT"] == new, "AWSCURRENT is still on the token that Momento refuses.", hint
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
