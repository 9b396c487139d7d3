"""Exercises of 06, lock it down: a policy, and its proof."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from random import randrange, shuffle
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError, ParamValidationError
from botocore.loaders import create_loader
from botocore.session import get_session

from helpers.cloud import Cloud
from helpers.ledger import error_code

from .common import (
    Check,
    counting,
    exercise,
    harmless,
    misbehaved,
    run_learner,
    secrets,
    unfinished,
)


@exercise("policy")
def check_policy(cloud: Cloud, policy: object, secret_name: str) -> Check:
    """Does this IAM policy, JSON text, let an identity read the secret, and nothing besides?

    Gives it to a new identity and sends real requests with that identity's credentials.
    """
    yield (
        not isinstance(policy, str),
        f"The policy is a {type(policy).__name__}.",
        "Make it a string with JSON, such as json.dumps(…) gives.",
    )
    neighbour, stranger = f"{secret_name}-of-production", f"exercise/{uuid4()}"
    with secrets({neighbour: [], stranger: []}), _identity(str(policy)) as identity:
        yield (
            identity is None,
            "IAM does not take this policy.",
            "Is it valid JSON still, every brace and quotation mark in its place?",
        )
        assert identity is not None
        client = identity.client("secretsmanager")
        reads, describes = client.get_secret_value, client.describe_secret
        yield (
            not _is_allowed(reads, SecretId=secret_name),
            "The policy allows too little: GetSecretValue was denied.",
            "Compare its resource with the secret's ARN, character by character.",
        )
        yield (
            not _is_allowed(describes, SecretId=secret_name),
            "The policy allows too little: DescribeSecret was denied.",
            "AWS's caching library needs that action too.",
        )
        too_much = "The secret is read, but the policy allows too much:"
        yield (
            _is_allowed(reads, SecretId=stranger),
            f"{too_much} a secret of another name.",
            "Name the one secret in its resource.",
        )
        yield (
            _is_allowed(reads, SecretId=neighbour),
            f"{too_much} {neighbour} too.",
            "An asterisk matches the rest of any name: write six question marks.",
        )
        yield (
            _is_allowed(client.update_secret, SecretId=secret_name, Description="read by the tutorial"),
            f"{too_much} a change of the secret.",
            "Allow the two actions that a reader needs, by name.",
        )
        for what, call, arguments in _more_requests(identity, secret_name):
            yield (
                _is_allowed(call, **arguments),
                f"{too_much} {what}.",
                "Allow the two actions that a reader needs, by name.",
            )
    extra = sorted(_actions(str(policy)) - READING)
    yield (
        extra,
        f"{too_much} {', '.join(extra)}.",
        "Allow the two actions that a reader needs, by name, and nothing besides.",
    )
    return "The identity reads this secret, and was refused everything else that it tried."


READING = {"secretsmanager:getsecretvalue", "secretsmanager:describesecret"}


def _more_requests(identity: boto3.Session, secret_name: str) -> list[tuple[str, Callable[..., Any], dict[str, Any]]]:
    """Requests that a reader must not get through, in an order that does the least if one does."""
    secret, iam = identity.client("secretsmanager"), identity.client("iam")
    return [
        ("a list of the account's identities", iam.list_users, {}),
        ("a look at the secret's own policy", secret.get_resource_policy, {"SecretId": secret_name}),
        ("a list of its versions", secret.list_secret_version_ids, {"SecretId": secret_name}),
        ("a list of all secrets", secret.list_secrets, {}),
        ("a new value", secret.put_secret_value, {"SecretId": secret_name, "SecretString": "-"}),
        ("the secret's deletion", secret.delete_secret, {"SecretId": secret_name}),
    ]  # fmt: skip


def _actions(policy: str) -> set[str]:
    """The actions that a policy allows by name, in lower case as IAM compares them; "NotAction" for all but some."""
    statements = json.loads(policy)["Statement"]
    allowed: set[str] = set()
    for one in statements if isinstance(statements, list) else [statements]:
        if one["Effect"] == "Allow":
            actions = one.get("Action", "NotAction")
            allowed |= {actions} if isinstance(actions, str) else set(actions)
    return {action.lower() for action in allowed}


class Stranger(NamedTuple):
    """An identity as a learner's proof meets it: which actions it may do on which of the two secrets."""

    who: str
    right: bool
    request: str
    statements: list[tuple[str, str]]  # actions, resource


READ, LOOK = "GetSecretValue", "DescribeSecret"
# `{}` is the secret's ARN without its last six characters, `{other}` that of the other secret.
IDENTITIES = [
    Stranger(
        "one that may read this secret and no other",
        True,
        "The request that must pass",
        [(READ, "{}??????"), (LOOK, "{}??????")],
    ),
    Stranger(
        "one that may read this secret, and look at the description of both",
        True,
        "The read that must pass",
        [(READ, "{}??????"), (LOOK, "*")],
    ),
    Stranger("one that may not read it", False, "The request that must pass", [(READ, "{}-not")]),
    Stranger(
        "one that may only look at its description",
        False,
        "A read that must pass, not a look at the description,",
        [(LOOK, "{}??????")],
    ),
    Stranger("one that may read every secret", False, "One that must not", [(READ, "*"), (LOOK, "*")]),
    Stranger(
        "one that may read the other secret only", False, "The request that must pass", [(READ, "{other}??????")]
    ),
]  # fmt: skip


@exercise("proof")
def check_proof(
    cloud: Cloud,
    secret_name: str,
    other_name: str,
    is_just_right: Callable[[boto3.Session], object],
) -> Check:
    """Does `is_just_right(identity)` tell by requests who may read the one secret, and not the other?"""
    yield (
        not callable(is_just_right),
        "`is_just_right` is no function.",
        "Define it with `def is_just_right(identity):`.",
    )
    admin = boto3.client("secretsmanager")
    arns = [admin.describe_secret(SecretId=name)["ARN"][:-6] for name in (secret_name, other_name)]
    # In an order that nobody can know, as the answers must not depend on it; the first is one to be refused.
    last = [shown for shown in IDENTITIES if shown.right]
    order = [*(shown for shown in IDENTITIES if not shown.right), *last]
    first = order.pop(randrange(4))
    shuffle(order)
    runs = {}
    with harmless(cloud) as harm:
        for shown in (first, *order):
            with _identity(_policy(shown, *arns)) as identity, counting(cloud) as counted:
                runs[shown.who] = run_learner(is_just_right, identity), counted
    for shown in IDENTITIES:
        run, counted = runs[shown.who]
        said = run.returned
        yield from misbehaved(run, f"For {shown.who} it", "A refusal is an answer: attempt() gives it as text.")
        yield from unfinished(said, f"For {shown.who} it")
        yield (
            not isinstance(said, bool),
            f"For {shown.who} it says {_short(said)}.",
            "Let it return True or False.",
        )
        yield (
            not counted.reads,
            f"For {shown.who} it says {said}, without a read.",
            "Only an answer of AWS is a proof.",
        )
        yield (
            said != shown.right,
            f"For {shown.who} it says {said}.",
            f"{shown.request} tells the difference.",
        )
    yield from harm
    return "Two requests tell the right policy from one that is too small or too large."


def _short(said: object) -> str:
    return repr(said) if said is None or type(said) in (str, int, float) else f"a {type(said).__name__}"


def _policy(shown: Stranger, arn: str, other: str) -> str:
    statements = [
        {
            "Effect": "Allow",
            "Action": f"secretsmanager:{action}",
            "Resource": resource.format(arn, other=other),
        }
        for action, resource in shown.statements
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _is_allowed(call: Callable[..., Any], **arguments: str) -> bool:
    try:
        call(**arguments)
    except ClientError as error:
        return error_code(error) not in ("AccessDeniedException", "AccessDenied")  # IAM's own name
    return True


# The models of AWS's services, as files: to parse them again for each identity takes longest.
_MODELS = create_loader()


def _session(key: str, secret: str) -> boto3.Session:
    made = get_session()
    made.register_component("data_loader", _MODELS)
    return boto3.Session(key, secret, botocore_session=made)


@contextmanager
def _identity(policy: str) -> Iterator[boto3.Session | None]:
    """A session of a new identity that has this policy, or None if IAM refuses the policy."""
    iam, name = boto3.client("iam"), f"exercise-{uuid4()}"
    iam.create_user(UserName=name)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = _session(key["AccessKeyId"], key["SecretAccessKey"])
    try:
        with suppress(iam.exceptions.MalformedPolicyDocumentException, ParamValidationError):
            iam.put_user_policy(UserName=name, PolicyName="exercise", PolicyDocument=policy)
        given = iam.list_user_policies(UserName=name)["PolicyNames"]
        yield session if given else None
    finally:
        for policy_name in iam.list_user_policies(UserName=name)["PolicyNames"]:
            iam.delete_user_policy(UserName=name, PolicyName=policy_name)
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
        iam.delete_user(UserName=name)
