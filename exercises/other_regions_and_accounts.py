"""Exercise of deeper/, other regions and accounts: a resource policy for two readers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from typing import Any
from uuid import uuid4

import boto3

from drills.who_may_read import attempt, new_identity, remove_identity
from helpers.cloud import Cloud

from .common import Check, exercise

EVERY = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
CHANGES = "secretsmanager:putresourcepolicy"  # IAM ignores the case


@exercise("two-readers")
def check_two_readers(
    cloud: Cloud, policy: str, secret_name: str, service: boto3.Session, rotation: boto3.Session
) -> Check:
    """Does this resource policy, JSON text, let both identities read the secret, and no other?"""
    why = _malformed(policy)
    hint = "`json.loads(all_but(service_arn))` is a policy to start from, and `json.dumps` makes text of it."
    yield why, f"Secrets Manager does not accept this policy: {why}.", hint
    other = f"exercise-{uuid4()}"
    try:
        every = new_identity(other, json.dumps({"Version": "2012-10-17", "Statement": [EVERY]}))
        with _attached(policy, secret_name):
            readers = {"the service": service, "the rotation function": rotation}
            denied = [who for who, identity in readers.items() if attempt(identity, secret_name) != "allowed"]
            read = attempt(every, secret_name) == "allowed"
    finally:
        remove_identity(other)
    hint = "Is there one `Deny`, whose `ArnNotEquals` has a list of both ARNs? Of two statements, each denies the other's identity."
    yield denied, f"The policy denies {' and '.join(denied)}.", hint
    hint = "Deny the read to each identity whose `aws:PrincipalArn` is none of the two."
    yield read, "An identity that may read every secret reads this one too.", hint
    actions = {
        action for one in _statements(policy) if one.get("Effect") == "Deny" for action in _listed(one["Action"])
    }
    wide = ", ".join(sorted(action for action in actions if fnmatch(CHANGES, action.lower())))
    hint = "Deny `secretsmanager:GetSecretValue` only. Otherwise no administrator can change this policy."
    yield wide, f"Both read it, and no other identity does. But the policy denies {wide}.", hint
    return "The service and the rotation function read the secret, and no other identity does."


def _malformed(policy: Any) -> str:
    """Return what AWS would not accept in a resource policy, and MiniStack does."""
    if not isinstance(policy, str):
        return f"it is no JSON text, but a {type(policy).__name__}"
    try:
        content = json.loads(policy)
    except ValueError:
        return "it is no JSON"
    if not isinstance(content, dict) or content.get("Version") not in ("2012-10-17", "2008-10-17"):
        return "its Version must be 2012-10-17"
    for one in _statements(policy):
        missing = [name for name in ("Effect", "Principal", "Action", "Resource") if name not in one]
        if missing:
            return f"a statement has no {missing[0]}"
    return "" if _statements(policy) else "it has no Statement"


def _statements(policy: str) -> list[Any]:
    return _listed(json.loads(policy).get("Statement", []))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@contextmanager
def _attached(policy: str, secret_name: str) -> Iterator[None]:
    """Attach the policy to the secret while the block runs; then the secret has the one that it had before."""
    client = boto3.client("secretsmanager")
    before = client.get_resource_policy(SecretId=secret_name).get("ResourcePolicy")
    try:
        client.put_resource_policy(SecretId=secret_name, ResourcePolicy=policy)
        yield
    finally:
        client.delete_resource_policy(SecretId=secret_name)
        if before:
            client.put_resource_policy(SecretId=secret_name, ResourcePolicy=before)
