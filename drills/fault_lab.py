"""A fault lab: sixteen things that can happen to a secret, and how each way of reading it reacts.

Each trouble has its own secret. All copies are made at the start, so that they expire together.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NamedTuple

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from helpers.cloud import TAGS, Cloud
from helpers.display import Table
from helpers.ledger import error_code, is_error

WORKS, OLD_COPY, REFUSED = "works", "old copy", "refused"
SLOW, HANGS = 0.2, 3.0  # seconds that a response takes longer

Read = Callable[[], str]
Happen = Callable[[Cloud, Any, str], object]  # is given the cloud, boto3's client, and the secret's name


class Trouble(NamedTuple):
    """Something that happens to a secret, the right reaction, and why."""

    title: str
    happen: Happen
    right: str
    why: str


class Outcome(NamedTuple):
    kind: str  # WORKS, OLD_COPY or REFUSED
    text: str


def _fault(operation: str = "*", service: str = "aws", *, delay: float = 0.0, error: str = "") -> Happen:
    return lambda cloud, client, name: cloud.add_fault(service, operation, delay=delay, error=error)


def _put(**value: Any) -> Happen:
    return lambda cloud, client, name: client.put_secret_value(SecretId=name, **value)


def _delete(**how: Any) -> Happen:
    return lambda cloud, client, name: client.delete_secret(SecretId=name, **how)


def _put_with_line_break(cloud: Cloud, client: Any, name: str) -> None:
    client.put_secret_value(SecretId=name, SecretString=cloud.issue_api_key() + "\n")


def _move_label_back(cloud: Cloud, client: Any, name: str) -> None:
    versions = client.describe_secret(SecretId=name)["VersionIdsToStages"]
    by_label = {label: version for version, labels in versions.items() for label in labels}
    move = {"MoveToVersionId": by_label["AWSPREVIOUS"], "RemoveFromVersionId": by_label["AWSCURRENT"]}
    client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", **move)


TROUBLES = [
    Trouble("a slow answer", _fault(delay=SLOW), WORKS, "It comes within the timeout: wait for it."),
    Trouble("no answer", _fault(delay=HANGS), OLD_COPY, "A timeout says nothing about the token."),
    Trouble("throttling", _fault(error="ThrottlingException"), OLD_COPY,
            "Too many calls at once; the token is still good."),
    Trouble("HTTP 500", _fault(error="InternalServiceError"), OLD_COPY,
            "The failure is on AWS's side; the token is still good."),
    Trouble("connection lost", _fault(error="CONNECTION_LOST"), OLD_COPY,
            "Secrets Manager can't be reached: ask again later."),
    Trouble("connection dropped half way", _fault(error="CONNECTION_DROPPED"), OLD_COPY,
            "Half an answer is no answer: ask again later."),
    Trouble("AWS credentials expired", _fault(error="ExpiredTokenException"), OLD_COPY,
            "You can't ask until they are renewed. That doesn't mean that you have lost the permission."),
    Trouble("access denied", _fault(error="AccessDeniedException"), REFUSED,
            "Somebody has revoked the permission: an old copy would outlive it."),
    Trouble("KMS refuses to decrypt", _fault("GetSecretValue", error="DecryptionFailure"), REFUSED,
            "Disabling the KMS key is a way to close a secret, so it should take effect."),
    Trouble("scheduled for deletion", _delete(RecoveryWindowInDays=7), REFUSED,
            "The recovery window gives people time to notice, and they notice only if readers fail."),
    Trouble("deleted", _delete(ForceDeleteWithoutRecovery=True), REFUSED,
            "It was deleted on purpose, or by a mistake that should be noticed."),
    Trouble("replaced by JSON", _put(SecretString='{"MOMENTO_API_KEY": "..."}'), OLD_COPY,
            "A slip in the console: the last good token still works, so use it and report what is wrong."),
    Trouble("replaced by binary", _put(SecretBinary=b"..."), OLD_COPY, "The same slip in another form."),
    Trouble("a new token with a line break", _put_with_line_break, WORKS,
            "White space is never part of a key: strip it."),
    Trouble("label moved to a revoked key", _move_label_back, REFUSED,
            "The secret holds a key that Momento refuses: no reader can fix that, so it must fail visibly."),
    Trouble("Momento away", _fault("Get", "momento", error="UNAVAILABLE"), REFUSED,
            "The token is good, but Momento can't be reached: its SDK retries, then returns an error."),
]  # fmt: skip


def run_lab(
    cloud: Cloud,
    ways: Mapping[str, Callable[[str], Read]],
    use: Callable[[str], object],
    ttl: float,
    step: Callable[[str], None] = lambda title: None,
) -> dict[str, dict[str, Outcome]]:
    """Cause every trouble for every way; return the outcomes by trouble and way.

    `ways` make a reader of a named secret whose copy lives `ttl` seconds; `use` takes what a reader gave to Momento and
    returns its response. Faults are cleared and secrets deleted at the end.
    """
    client = boto3.client("secretsmanager")
    names = {trouble: f"tutorial/lab/{number}" for number, trouble in enumerate(TROUBLES)}
    try:
        for name in names.values():
            _store(cloud, client, name)
        readers = {(trouble, way): make(name) for trouble, name in names.items() for way, make in ways.items()}
        copies = {key: read() for key, read in readers.items()}
        time.sleep(ttl + 0.05)
        outcomes = {}
        for trouble, name in names.items():
            step(trouble.title)
            trouble.happen(cloud, client, name)
            attempts = {way: _attempt(cloud, readers[trouble, way], use) for way in ways}
            cloud.clear_faults()
            value = None if trouble.right == REFUSED else _value(client, name)
            outcomes[trouble.title] = {
                way: _outcome(*attempt, copies[trouble, way], value) for way, attempt in attempts.items()
            }
        return outcomes
    finally:
        cloud.clear_faults()
        for name in names.values():
            _delete_if_there(client, name)


def errors_of_boto3(cloud: Cloud) -> list[tuple[Trouble, Exception]]:
    """Return what a boto3 client raises in each trouble, for those in which it raises something."""
    client, name = boto3.client("secretsmanager"), "tutorial/lab/errors"
    once = Config(connect_timeout=0.5, read_timeout=0.5, retries={"total_max_attempts": 1})
    reader = boto3.client("secretsmanager", config=once)
    raised = []
    for trouble in TROUBLES:
        _store(cloud, client, name)
        trouble.happen(cloud, client, name)
        try:
            reader.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        except (BotoCoreError, ClientError) as error:
            raised.append((trouble, error))
        finally:
            cloud.clear_faults()
            _delete_if_there(client, name)
    return raised


def lab_table(outcomes: Mapping[str, Mapping[str, Outcome]]) -> Table:
    ways = list(next(iter(outcomes.values())))
    rows = []
    for trouble in TROUBLES:
        of_ways = [outcomes[trouble.title][way] for way in ways]
        marked = [f"{'✓' if outcome.kind == trouble.right else '✗'} {outcome.text}" for outcome in of_ways]
        rows.append((trouble.title, *marked, trouble.right))
    rows.append(("right, of all", *[f"{right_ones(outcomes, way)} of {len(rows)}" for way in ways], ""))
    return Table(("Trouble", *ways, "Right is"), rows, "The fault lab, in this run")


def right_ones(outcomes: Mapping[str, Mapping[str, Outcome]], way: str) -> int:
    """Count the troubles in which this way did the right thing."""
    return sum(outcomes[trouble.title][way].kind == trouble.right for trouble in TROUBLES)


def _store(cloud: Cloud, client: Any, name: str) -> None:
    """Create the secret with a good key, and a revoked one as the version before."""
    revoked = cloud.issue_api_key()
    _delete_if_there(client, name)
    client.create_secret(Name=name, SecretString=revoked, Tags=TAGS)
    client.put_secret_value(SecretId=name, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(revoked)


def _delete_if_there(client: Any, name: str) -> None:
    with suppress(ClientError):
        client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


def _value(client: Any, name: str) -> str | None:
    with suppress(ClientError):
        return client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT").get("SecretString")
    return None


def _attempt(cloud: Cloud, read: Read, use: Callable[[str], Any]) -> tuple[str, str, int]:
    """Read and use the token: return it, the error if there was one, and the number of failed calls."""
    then = ""
    try:
        with cloud.ledger.page("one trouble") as page:
            token = read()
        then = "then "
        response = use(token)
    except Exception as error:
        return "", then + error_code(error.__cause__ or error), 0
    return (
        token,
        f"then {response.error_code.name}" if is_error(response) else "",
        page.count() - page.count(outcome="ok"),
    )


def _outcome(token: str, error: str, failed_calls: int, copy: str, value: str | None) -> Outcome:
    """`copy` is what the reader had before, `value` what the secret holds now; None if it should get nothing."""
    if error:
        return Outcome(REFUSED, error)
    kind = OLD_COPY if token == copy and (failed_calls or copy != value) else WORKS
    return Outcome(kind, kind)
