"""Identities to try a policy with: users of the local IAM, each with an access key of its own."""

from __future__ import annotations

from collections.abc import Mapping

import boto3
from botocore.exceptions import ClientError
from botocore.loaders import create_loader
from botocore.session import get_session

POLICY_NAME = "read-momento-token"
# The descriptions of AWS's services, as files: reading them again for each identity takes longest.
_MODELS = create_loader()


def new_identity(name: str, policy: str = "") -> boto3.Session:
    """Create a user with this policy, JSON text, and return a session that has the user's credentials.

    If there is a user of this name, it gets another access key, and this policy in place of its old one. Raises what
    boto3 raises if IAM does not accept the policy.
    """
    iam = boto3.client("iam")
    try:
        iam.create_user(UserName=name)
    except iam.exceptions.EntityAlreadyExistsException:
        _remove_policies(iam, name)
    if policy:
        iam.put_user_policy(UserName=name, PolicyName=POLICY_NAME, PolicyDocument=policy)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    session = get_session()
    session.register_component("data_loader", _MODELS)
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], botocore_session=session)


def attempt(identity: boto3.Session, secret: str, region: str | None = None) -> str:
    """Read the secret as this identity, and return "allowed" or the code of AWS's error."""
    try:
        identity.client("secretsmanager", region_name=region).get_secret_value(SecretId=secret)
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


def attempts(identities: Mapping[str, boto3.Session], *secrets: str) -> list[tuple[str, ...]]:
    """Let each identity try each secret, and return a row for each identity: its name, and the outcomes."""
    return [(name, *(attempt(one, secret) for secret in secrets)) for name, one in identities.items()]


def remove_identity(name: str) -> None:
    """Delete this user with its policies and access keys; its credentials are denied from then on."""
    iam = boto3.client("iam")
    _remove_policies(iam, name)
    for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
        iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=name)


def _remove_policies(iam, name: str) -> None:
    for policy_name in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy_name)
