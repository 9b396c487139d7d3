"""Exercises of 08, rotate without downtime: a service that goes on, and the way back."""

from __future__ import annotations

from collections.abc import Callable
from random import randint
from typing import NamedTuple
from uuid import uuid4

import boto3

from drills.learner_code import Run, secrets_now
from helpers.cloud import Cloud
from helpers.ledger import is_error

from .common import (
    REQUESTS,
    Check,
    Counted,
    Mistake,
    counted_as,
    counting,
    exercise,
    function_of,
    harmless,
    misbehaved,
    momento,
    new_key,
    number_at,
    refusal_of,
    run_learner,
    unfinished,
)


@exercise("revoked")
def check_survives_rotation(
    cloud: Cloud,
    secret_name: str,
    cache_name: str,
    make_service: Callable[[], Callable[[str], object]],
) -> Check:
    """Does a service go on, without a failed request, when its token is replaced and revoked, twice?

    `make_service()` gives a function that serves one request, a visit of a user that Momento counts, and returns what
    Momento answered.
    """
    serve = yield from function_of(make_service, "make_service")
    before = _served(cloud, secret_name, cache_name, serve)
    yield from before.harm
    new_key(cloud, secret_name, revoke=True)
    after = _served(cloud, secret_name, cache_name, serve)
    yield from after.harm
    new_key(cloud, secret_name, revoke=True)
    again = _served(cloud, secret_name, cache_name, serve)
    for served in (before, after, again):
        yield from misbehaved(served.run, "The service")
        for answer in served.answers:
            yield from unfinished(answer, "The service")
    yield (
        any(answer is None for served in (before, after, again) for answer in served.answers),
        "The service returns nothing.",
        "Return what Momento answered.",
    )
    failed, reads, clients = after.failed, after.counted.reads, after.counted.clients
    seen = f"After the rotation {failed} of {REQUESTS} requests failed; {counted_as(reads, 'read')} of the secret, {counted_as(clients, 'new client')}."
    yield (
        before.failed,
        "Requests failed before the rotation already.",
        "Keep the operation as it was.",
    )
    yield (
        before.lost,
        f"{REQUESTS} requests, and Momento counted {REQUESTS - before.lost} of them.",
        "What a service answers doesn't count a visit: let it increment the user's counter.",
    )
    yield (
        failed and not reads,
        seen,
        "Nobody asked for the new token: when Momento refuses the old one, something has to.",
    )
    yield (
        failed == REQUESTS,
        seen,
        "The new token was read, and not used: a client keeps the one it was made with.",
    )
    yield (
        failed,
        seen,
        "The request that met the refusal should be done again with the new token.",
    )
    yield (
        after.lost,
        f"After a rotation no request failed, and Momento counted {REQUESTS - after.lost} of {REQUESTS}.",
        "A refused call has done nothing: do it again, once, with the new token, and return the answer to that.",
    )
    yield (
        again.failed or again.lost,
        f"It survives one rotation; after a second {again.failed or again.lost} requests failed.",
        "The next refusal comes: what replaces the client has to work more than once.",
    )
    yield (
        any(served.numbers != served.wanted for served in (before, after, again)),
        "The answers aren't those of Momento.",
        "Return what Momento answered to this request.",
    )
    yield (
        reads >= REQUESTS,
        seen,
        "It survives, and reads the secret for each request: keep the token.",
    )
    yield clients > 1, seen, "It survives, and makes a client for each request: share one."
    return f"{seen} One for the old token, one for the new."


class Served(NamedTuple):
    """What came of some requests, what arrived meanwhile, what Momento should have answered, and how many it counted wrong."""

    run: Run
    counted: Counted
    wanted: list[int]
    lost: int
    harm: list[Mistake]

    @property
    def answers(self) -> list[object]:
        return self.run.returned or []

    @property
    def numbers(self) -> list[object]:
        return [getattr(answer, "value", answer) for answer in self.answers]

    @property
    def failed(self) -> int:
        return sum(map(is_error, self.answers))


def _served(cloud: Cloud, secret_name: str, cache_name: str, serve: Callable[[str], object]) -> Served:
    """Send some requests of users who have been here before, which only Momento knows."""
    users = {f"user-{uuid4()}": randint(100, 999) for _ in range(REQUESTS)}
    with momento(cloud, secret_name) as client:
        for user, visits in users.items():
            client.increment(cache_name, user, visits)
        with harmless(cloud) as harm, counting(cloud) as counted:
            run = run_learner(lambda: [serve(user) for user in users])
        wanted = [visits + 1 for visits in users.values()]
        right = [number_at(client, cache_name, user) == number for user, number in zip(users, wanted, strict=True)]  # fmt: skip
    return Served(run, counted, wanted, right.count(False), harm)


@exercise("roll-back")
def check_roll_back(cloud: Cloud, secret_name: str, roll_back: Callable[[], object]) -> Check:
    """After a rotation to a key that Momento refuses, does `roll_back()` make the one before current?"""
    yield (
        not callable(roll_back),
        "`roll_back` is no function.",
        "Define it with `def roll_back():`.",
    )
    client = boto3.client("secretsmanager")
    good, refused = cloud.issue_api_key(), cloud.issue_api_key()
    cloud.revoke_api_key(refused)
    old = client.put_secret_value(SecretId=secret_name, SecretString=good)["VersionId"]
    new = client.put_secret_value(SecretId=secret_name, SecretString=refused)["VersionId"]
    before = secrets_now()
    run = run_learner(roll_back)
    after = secrets_now()
    yield from misbehaved(
        run,
        "roll_back",
        "A label has one version: say from which it goes (RemoveFromVersionId) and to which (MoveToVersionId).",
    )
    yield from unfinished(run.returned, "roll_back")
    secret = after.get(secret_name)
    yield (
        secret is None or secret.deleted,
        "The secret is gone, and with it the token for every service.",
        "Delete nothing: the version before is there, so move the label to it.",
    )
    assert secret is not None
    labels, values = dict(secret.labels), dict(secret.values)
    current = labels.get("AWSCURRENT", "")
    yield (
        current == new,
        "AWSCURRENT is still on the token that Momento refuses.",
        "At the start of this notebook update_secret_version_stage moved it forward: now move it back.",
    )
    yield (
        values.get(current) != good,
        "AWSCURRENT is on a token that is neither of the two.",
        "The one before is there already, under the label AWSPREVIOUS.",
    )
    yield (
        current != old,
        "The old token is current, but as a new version, and AWSPREVIOUS is now the refused one.",
        "Store nothing: the version is there, so move the label to it.",
    )
    stored = len(secret.versions - before[secret_name].versions)
    yield (
        stored,
        f"The label is back, but {stored} new version was stored besides.",
        "Store nothing: moving the label is all.",
    )
    expected = {**dict(before[secret_name].labels), "AWSCURRENT": old, "AWSPREVIOUS": new}
    yield (
        labels != expected,
        "The label is back, but other labels were changed too.",
        "Move AWSCURRENT: AWSPREVIOUS follows by itself, and the others are not yours to move.",
    )
    others = {name: one for name, one in before.items() if name != secret_name}
    touched = (secret.tags, secret.description, secret.policy) != (
        before[secret_name].tags,
        before[secret_name].description,
        before[secret_name].policy,
    )
    yield (
        touched or others != {name: one for name, one in after.items() if name != secret_name},
        "The label is back, but something else was changed: a tag, a policy, or another secret.",
        "Move the label, and leave everything else.",
    )
    refusal = refusal_of(cloud, good)
    yield refusal, f"The version is back, but Momento answers {refusal}.", "Revoke nothing here."
    return "The label is back on the version before, nothing was stored, and Momento takes it."
