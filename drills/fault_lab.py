"""A fault lab: sixteen failures, and how each way of reading a secret reacts.

Each failure has a secret of its own. All copies are made at the start, so that they expire together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from momento import CacheClient, Configurations, CredentialProvider

from helpers.cloud import TAGS, Cloud
from helpers.display import Table
from helpers.ledger import error_code

NEW, OLD_COPY, ERROR = "new token", "old copy", "error"
# One attempt, so that a lab shows each failure and not the retries after it.
ONCE = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 1})


class Failure(NamedTuple):
    """The right reaction to a failure, why, and what causes it."""

    title: str
    right: str
    why: str
    fault: Mapping[str, Any] = {}  # of the sandbox, on Secrets Manager if it names no other service
    value: str = ""  # the secret gets this value; KEY stands for a new key
    revoke: bool = False  # Momento denies that new key
    delete: Mapping[str, Any] = {}  # the secret is deleted in this way


class Outcome(NamedTuple):
    kind: str  # NEW, OLD_COPY or ERROR
    text: str
    error: Exception | None = None


Outcomes = Mapping[str, Mapping[str, Outcome]]  # by failure and way

FAILURES = [
    Failure("a slow response", NEW, "It arrives within the timeout, so wait for it.", {"delay": 0.1}, value="KEY"),
    Failure("no response", OLD_COPY, "A timeout says nothing about the token.", {"delay": 3.0}),
    Failure("throttled", OLD_COPY, "There were too many calls; the token is still good.", {"error": "ThrottlingException"}),
    Failure("throttled after a rotation", OLD_COPY, "The new token can't be read yet, and the old one works until it is revoked.",
            {"operation": "GetSecretValue", "error": "ThrottlingException"}, value="KEY"),
    Failure("HTTP 500", OLD_COPY, "The failure is on AWS's side; the token is still good.", {"error": "InternalServiceError"}),
    Failure("connection lost", OLD_COPY, "Secrets Manager can't be reached: read again later.", {"error": "CONNECTION_LOST"}),
    Failure("response cut off", OLD_COPY, "The value is missing from what arrived: read again later.", {"error": "CONNECTION_DROPPED"}),
    Failure("AWS credentials expired", OLD_COPY, "Nothing can be read until they are renewed. That doesn't mean that you have lost the "
            "permission.", {"error": "ExpiredTokenException"}),
    Failure("replaced by JSON", OLD_COPY, "A mistake in the console: the last good token still works, so use it and report what is "
            "wrong.", value='{"apiKey": "..."}'),
    Failure("a new token with a line break", NEW, "White space is never part of a key: strip it.", value="KEY\n"),
    Failure("access denied", ERROR, "The permission has been revoked: an old copy would outlive it.", {"error": "AccessDeniedException"}),
    Failure("access to KMS denied", ERROR, "An identity without kms:Decrypt on the secret's key may not read the secret.",
            {"operation": "GetSecretValue", "error": "AccessDeniedException", "message": "Access to KMS is not allowed"}),
    Failure("scheduled for deletion", ERROR, "The recovery window gives people time to notice, and they notice only if readers fail.",
            delete={"RecoveryWindowInDays": 7}),
    Failure("deleted", ERROR, "It was deleted on purpose, or by a mistake that should be noticed.",
            delete={"ForceDeleteWithoutRecovery": True}),
    Failure("replaced by a revoked key", ERROR, "Momento denies the only key that the secret holds: no reader can fix that, so the "
            "failure must be visible.", value="KEY", revoke=True),
    Failure("Momento unavailable", ERROR, "The token is good. Momento's SDK retries, and then returns an error.",
            {"service": "momento", "error": "UNAVAILABLE"}),
]  # fmt: skip


def run_lab(
    cloud: Cloud,
    ways: Mapping[str, Callable[[str], Callable[[], str]]],
    ttl: float,
    step: Callable[[str], None] = lambda title: None,
) -> Outcomes:
    """Cause every failure for every way of reading, use at Momento what each of them reads, and return the outcomes.

    A way makes a reader of a named secret, whose copy lives `ttl` seconds. No fault and no secret is left behind.
    """
    client, readers, outcomes = boto3.client("secretsmanager"), {}, {}
    names = {failure.title: f"tutorial/lab/{number}" for number, failure in enumerate(FAILURES)}
    try:
        for title, name in names.items():
            _delete(client, name)
            client.create_secret(Name=name, SecretString=cloud.issue_api_key(), Tags=TAGS)
            readers[title] = {way: make(name) for way, make in ways.items()}
        copies = {title: {way: read() for way, read in of_ways.items()} for title, of_ways in readers.items()}
        time.sleep(ttl + 0.05)
        for failure, (title, of_ways) in zip(FAILURES, readers.items(), strict=True):
            step(title)
            _cause(failure, cloud, client, names[title])
            outcomes[title] = {way: _outcome(cloud, read, copies[title][way]) for way, read in of_ways.items()}
            cloud.clear_faults()
        return outcomes
    finally:
        cloud.clear_faults()
        for name in names.values():
            _delete(client, name)


def errors_of_boto3(cloud: Cloud) -> list[tuple[Failure, Exception]]:
    """Return what a boto3 client raises in each failure, for those in which no new token can be read."""
    client = boto3.client("secretsmanager", config=ONCE)

    def reader(name: str) -> Callable[[], str]:
        return lambda: client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")["SecretString"]

    outcomes = run_lab(cloud, {"boto3": reader}, ttl=0)
    errors = [(failure, outcomes[failure.title]["boto3"].error) for failure in FAILURES if failure.right != NEW]
    return [(failure, error) for failure, error in errors if isinstance(error, (BotoCoreError, ClientError))]


def lab_tables(outcomes: Outcomes) -> tuple[Table, Table]:
    """Return two tables: the failures in which the call should succeed, and those in which it should fail."""
    ways = next(iter(outcomes.values()))

    def table(caption: str, *kinds: str) -> Table:
        failures = [failure for failure in FAILURES if failure.right in kinds]
        rows = [
            (
                one.title,
                one.right,
                *[f"{'✗✓'[did.kind == one.right]} {did.kind}" for did in outcomes[one.title].values()],
            )
            for one in failures
        ]
        counts = ", ".join(f"{way} {right_ones(outcomes, way, failures)}" for way in ways)
        return Table(("Failure", "Right", *ways), rows, f"{caption}. Right of {len(rows)}: {counts}.")

    return table("The call should succeed", NEW, OLD_COPY), table("The call should fail", ERROR)


def right_ones(outcomes: Outcomes, way: str, failures: list[Failure] = FAILURES) -> int:
    """Count the failures in which this way did the right thing."""
    return sum(outcomes[failure.title][way].kind == failure.right for failure in failures)


def _delete(client: Any, name: str) -> None:
    with suppress(ClientError):  # it is gone already
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _cause(failure: Failure, cloud: Cloud, client: Any, name: str) -> None:
    if failure.value:
        key = cloud.issue_api_key()
        client.put_secret_value(SecretId=name, SecretString=failure.value.replace("KEY", key))
        if failure.revoke:
            cloud.revoke_api_key(key)
    if failure.delete:
        client.delete_secret(SecretId=name, **failure.delete)
    if failure.fault:
        cloud.add_fault(**{"service": "aws", **failure.fault})


def _outcome(cloud: Cloud, read: Callable[[], str], copy: str) -> Outcome:
    """Read, and use at Momento what was read; `copy` is what the reader had before."""
    when = ""
    try:
        token = read()
        when = ", when used"
        # The SDK's own check, as a service has it: `credentials_from` strips white space.
        CredentialProvider.from_api_key_v2(token, cloud.momento_endpoint)
        with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)) as client:
            response = client.get("tutorial", "key")
    except Exception as error:
        return Outcome(ERROR, error_code(error.__cause__ or error) + when, error)
    if code := getattr(response, "error_code", None):  # Momento's SDK returns errors
        return Outcome(ERROR, code.name + when)
    kind = OLD_COPY if token == copy else NEW
    return Outcome(kind, kind)
