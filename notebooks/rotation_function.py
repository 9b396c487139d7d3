"""An AWS Lambda function that rotates a Momento API key. Secrets Manager calls it four times for each rotation.

Environment: NEXT_KEY_SECRET, the secret that holds the next key; MOMENTO_ENDPOINT and CACHE_NAME, to try that key with a
write and a read; READ_ONLY=yes, if your services only read, to leave out the write.
Permissions: DescribeSecret, GetSecretValue, PutSecretValue and UpdateSecretVersionStage on the secret that is rotated,
GetSecretValue on the other. Packages: boto3, momento, and the folder `momento_token`; `make lambda` puts all into a zip.

The contract: https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

import os
from datetime import timedelta

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError
from momento import CacheClient, Configurations, CredentialProvider

from momento_token import PlainError, check

# A call takes about 6 s at most, and no step makes more than six: each ends within the template's timeout of 60 s.
PATIENCE = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
)
sm = boto3.client("secretsmanager", config=PATIENCE)


class RotationError(PlainError):
    """The rotation can't go on. The message is a sentence with cause and fix, and holds no key."""


def handler(event, context):
    try:
        return run_step(event)
    except (ConnectionError, HTTPClientError) as error:
        raise RotationError(
            f"Secrets Manager can't be reached ({type(error).__name__}): a function in a VPC needs "
            "an interface endpoint for secretsmanager, or a NAT gateway."
        ) from None
    except ClientError as error:
        if "KMS" not in str(error):
            raise
        raise RotationError(
            f"{error.operation_name} was refused because of the secret's KMS key: "
            "allow this function's role kms:Decrypt and kms:GenerateDataKey on it, and check that it is enabled."
        ) from None


def run_step(event):
    secret, version, step = (event.get(it) for it in ("SecretId", "ClientRequestToken", "Step"))
    if not (secret and version and step in STEPS):
        raise RotationError(
            f"This is no event of a rotation (its Step is {step!r}): call RotateSecret, "
            f"and Secrets Manager invokes this function with the steps {', '.join(STEPS)}."
        )
    described = sm.describe_secret(SecretId=secret)
    if not described.get("RotationEnabled"):
        raise RotationError(
            f"{described['Name']} has no rotation: call RotateSecret with the ARN of this function."
        )
    its_labels = described.get("VersionIdsToStages", {}).get(version, [])
    if "AWSCURRENT" in its_labels and step != "finishSecret":
        return "is current already"
    if not {"AWSCURRENT", "AWSPENDING"} & set(its_labels):
        raise RotationError(
            f"Version {version} of {described['Name']} is not pending: this rotation was given up, so start another."
        )
    return STEPS[step](event)


def create_secret(event):
    """Give the pending version its value. It was made without one; if it has one, an earlier attempt got this far."""
    secret, version = event["SecretId"], event["ClientRequestToken"]
    if read(secret, VersionId=version, VersionStage="AWSPENDING") is not None:
        return "has its key already"  # if it is none, testSecret says so
    current = read(secret, VersionStage="AWSCURRENT")
    if not current:
        raise RotationError(
            "The secret holds no key yet: put its first one there yourself, then rotate."
        )
    key = next_key()
    if key in (current, read(secret, VersionStage="AWSPREVIOUS")):
        raise RotationError(
            "The next key is spent: the secret that is rotated holds it already. "
            f"Put a new key into {os.environ['NEXT_KEY_SECRET']}."
        )
    try_it(key)  # before it is stored, as the value of a version can't be changed
    # An event has a RotationToken where the secret is another account's, or a role is assumed: it must be passed on.
    origin = {"RotationToken": event["RotationToken"]} if event.get("RotationToken") else {}
    try:
        sm.put_secret_value(
            SecretId=secret,
            ClientRequestToken=version,
            SecretString=key,
            VersionStages=["AWSPENDING"],
            **origin,
        )
    except sm.exceptions.ResourceExistsException:
        return "has its key already"  # an earlier attempt stored one, and the read above did not see it yet
    return "has its key"


def set_secret(event):
    """Nothing to do: Momento knows its keys."""
    return "nothing to set"


def test_secret(event):
    """Use the pending key as the services will, before they do."""
    try:
        try_it(pending_key(event))
    except PlainError as error:
        raise RotationError(
            f"{error} If that is for good, take the label off the pending version and start another rotation: "
            f"aws secretsmanager update-secret-version-stage --secret-id {event['SecretId']} "
            f"--version-stage AWSPENDING --remove-from-version-id {event['ClientRequestToken']}"
        ) from None
    return "accepted by Momento"


def finish_secret(event):
    """Move AWSCURRENT. AWSPREVIOUS moves by itself; AWSPENDING may stay on this version, which hinders no rotation."""
    secret, version = event["SecretId"], event["ClientRequestToken"]
    (current,) = [one for one, its in labels(secret).items() if "AWSCURRENT" in its]
    if current != version:
        check_kind(pending_key(event))  # what is no key must not become the current one
        sm.update_secret_version_stage(
            SecretId=secret,
            VersionStage="AWSCURRENT",
            MoveToVersionId=version,
            RemoveFromVersionId=current,
        )
    return "is current"


STEPS = {
    "createSecret": create_secret,
    "setSecret": set_secret,
    "testSecret": test_secret,
    "finishSecret": finish_secret,
}


def read(secret, **which):
    """Return the value of a version, without white space around it; None if there is none. Bytes are no key."""
    try:
        response = sm.get_secret_value(SecretId=secret, **which)
    except sm.exceptions.ResourceNotFoundException:
        return None
    return response.get("SecretString", response.get("SecretBinary", "")).strip()


def labels(secret):
    return sm.describe_secret(SecretId=secret).get("VersionIdsToStages", {})


def pending_key(event):
    version = event["ClientRequestToken"]
    key = read(event["SecretId"], VersionId=version, VersionStage="AWSPENDING")
    if key is None:
        raise RotationError(
            f"The pending version {version} has no value: createSecret comes first."
        )
    return key


def check_kind(key):
    if check(key).name != "v2":
        raise RotationError(
            "The key is not a v2 API key, as the services expect: make one of that kind."
        )


def try_it(key):
    """Write and read an item of the cache with this key. Raises a `PlainError`, which says why, if it can't serve."""
    check_kind(key)
    provider = CredentialProvider.from_api_key_v2(key, os.environ["MOMENTO_ENDPOINT"])
    cache, item = os.environ["CACHE_NAME"], "tried-by-the-rotation"
    with CacheClient(Configurations.Lambda.latest(), provider, timedelta(minutes=1)) as momento:
        if os.environ.get("READ_ONLY") != "yes":
            raise_if_failed("write", momento.set(cache, item, "a value"))
        raise_if_failed("read", momento.get(cache, item))


def raise_if_failed(what, response):
    if code := getattr(response, "error_code", None):
        meaning = MEANINGS.get(code.name, "this may pass, and Secrets Manager tries again")
        raise RotationError(f"Momento responds {code.name} to a {what} with the key: {meaning}.")


MEANINGS = {
    "AUTHENTICATION_ERROR": "the key was revoked, has expired, or was not copied whole",
    "PERMISSION_ERROR": "the role of the key does not allow it for the cache in CACHE_NAME",
    "NOT_FOUND_ERROR": "there is no cache of the name in CACHE_NAME",
    "TIMEOUT_ERROR": "this may pass, but a function in a VPC needs a NAT gateway, or PrivateLink",
}


def next_key():
    """Return the key that a person or a job has stored in NEXT_KEY_SECRET. They revoke the one before after the overlap."""
    key = read(os.environ["NEXT_KEY_SECRET"])
    if not key:
        raise RotationError(f"There is no next key: put one into {os.environ['NEXT_KEY_SECRET']}.")
    return key
