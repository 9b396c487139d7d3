"""An AWS Lambda function that rotates a Momento API key: Secrets Manager calls it four times for each rotation.

The next key lies in a secret of its own, which only this function may read: a person or a job that may create keys at
Momento puts it there. Setting: NEXT_KEY_SECRET, MOMENTO_ENDPOINT. Permissions: GetSecretValue, DescribeSecret,
PutSecretValue and UpdateSecretVersionStage on the secret, GetSecretValue on the next key's. Packages: momento.
"""

import os
from datetime import timedelta

import boto3
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import ListCaches

client = boto3.client("secretsmanager")


def handler(event, context):
    steps = {
        "createSecret": create_secret,
        "setSecret": set_secret,
        "testSecret": test_secret,
        "finishSecret": finish_secret,
    }
    secret, version = event["SecretId"], event["ClientRequestToken"]
    return steps[event["Step"]](secret, version)


def create_secret(secret, version):
    """Store the next key as AWSPENDING. Each step may be called again after a failure, so look first."""
    if "AWSPENDING" in labels(secret).get(version, []):
        return "was pending already"
    key = client.get_secret_value(SecretId=os.environ["NEXT_KEY_SECRET"])["SecretString"].strip()
    client.put_secret_value(
        SecretId=secret, ClientRequestToken=version, SecretString=key, VersionStages=["AWSPENDING"]
    )
    return "pending"


def set_secret(secret, version):
    """Nothing to do: Momento accepts a key from the moment it was created."""
    return "nothing to set"


def test_secret(secret, version):
    """Use the pending key, before anybody else does."""
    key = client.get_secret_value(SecretId=secret, VersionId=version, VersionStage="AWSPENDING")[
        "SecretString"
    ]
    provider = CredentialProvider.from_api_key_v2(key, os.environ["MOMENTO_ENDPOINT"])
    with CacheClient(Configurations.Lambda.latest(), provider, timedelta(minutes=1)) as momento:
        answer = momento.list_caches()
    if isinstance(answer, ListCaches.Error):
        raise RuntimeError(f"Momento answered {answer.error_code.name}")
    return "accepted by Momento"


def finish_secret(secret, version):
    """Move AWSCURRENT to the new version; AWSPREVIOUS moves to the old one by itself."""
    (current,) = [one for one, its in labels(secret).items() if "AWSCURRENT" in its]
    if current != version:
        client.update_secret_version_stage(
            SecretId=secret,
            VersionStage="AWSCURRENT",
            MoveToVersionId=version,
            RemoveFromVersionId=current,
        )
    return "current"


def labels(secret):
    return client.describe_secret(SecretId=secret)["VersionIdsToStages"]
