"""Exercise of 06, let only the right identity read it: a policy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError, ParamValidationError

from drills.who_may_read import new_identity, remove_identity
from helpers.cloud import Cloud

from .common import Check, exercise

READER = ("secretsmanager:getsecretvalue", "secretsmanager:describesecret")  # IAM ignores the case


@exercise("policy")
def check_policy(cloud: Cloud, policy: str, secret_name: str) -> Check:
    """Does this IAM policy, JSON text, let an identity read the secret, and nothing else?

    A new identity with this policy makes the two calls of a reader; what else it may do is read from the policy.
    """
    arn = boto3.client("secretsmanager").describe_secret(SecretId=secret_name)["ARN"]
    denied, accepted, why = [], isinstance(policy, str) and policy.strip() != "", ""
    try:
        with _identity(policy if accepted else "") as identity:
            client = identity.client("secretsmanager")
            for operation in (client.get_secret_value, client.describe_secret):
                try:
                    operation(SecretId=secret_name)
                except ClientError:
                    denied.append(operation.__name__)
    except ClientError as error:
        accepted, why = False, f": {error.response['Error'].get('Message', '')}"
    except ParamValidationError:
        accepted = False
    if accepted and (found := _what_aws_rejects(json.loads(policy))):
        accepted, why = False, f": {found}"
    hint = "Is every brace and quotation mark in its place? json.dumps(…) makes a string of JSON from a dict."
    yield not accepted, f"IAM does not accept this policy, a {type(policy).__name__}{why}".rstrip(".") + ".", hint
    hint = "Compare its resource with `six_marks`, character by character; a reader needs both of these actions."
    yield denied, f"The policy allows too little. Denied: {', '.join(denied)}.", hint
    allowed = [one for one in _listed(json.loads(policy)["Statement"]) if one.get("Effect") == "Allow"]
    # A statement may name the exceptions instead: then it allows all others.
    actions = {action for one in allowed for action in _listed(one.get("Action", "*"))}
    extra = ", ".join(sorted(action for action in actions if action.lower() not in READER))
    hint = "Allow the two actions that a reader needs, by name, and no others."
    yield extra, f"The secret is read, but the policy allows too much: {extra}.", hint
    resources = {resource for one in allowed for resource in _listed(one.get("Resource", "*"))}
    others = ", ".join(sorted(one for one in resources if one[:-6] != arn[:-6] or "*" in one))
    hint = "Name this secret alone: its whole ARN, with six question marks in place of the last six characters."
    yield others, f"The secret is read, but the resource {others} can match other secrets.", hint
    solved = "The identity reads this secret, and the policy allows nothing else."
    if arn in resources:
        solved += "\nIt names the exact ARN, so it allows nothing once the secret is created again."
    return solved


def _what_aws_rejects(policy: dict[str, Any]) -> str:
    """Return what AWS would not accept in an identity's policy, and MiniStack does."""
    if policy.get("Version") not in ("2012-10-17", "2008-10-17"):
        return "its Version must be 2012-10-17"
    with_principal = any("Principal" in one or "NotPrincipal" in one for one in _listed(policy["Statement"]))
    return "a policy of an identity has no Principal" if with_principal else ""


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


@contextmanager
def _identity(policy: str) -> Iterator[boto3.Session]:
    """Yield a session of a new identity that has this policy. Raises what IAM raises if it does not accept the policy."""
    name = f"exercise-{uuid4()}"
    try:
        yield new_identity(name, policy)
    finally:
        with suppress(ClientError):
            remove_identity(name)
