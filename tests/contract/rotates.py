"""A rotation function that stores NEW_VALUE. Without that variable each rotation fails."""

import os

import boto3

sm = boto3.client("secretsmanager")


def handler(event, context):
    secret, version = event["SecretId"], event["ClientRequestToken"]
    value = os.environ["NEW_VALUE"]
    if event["Step"] == "createSecret":
        new = {"ClientRequestToken": version, "SecretString": value, "VersionStages": ["AWSPENDING"]}
        sm.put_secret_value(SecretId=secret, **new)
    if event["Step"] == "finishSecret":
        current = sm.get_secret_value(SecretId=secret, VersionStage="AWSCURRENT")["VersionId"]
        move = {"MoveToVersionId": version, "RemoveFromVersionId": current}
        sm.update_secret_version_stage(SecretId=secret, VersionStage="AWSCURRENT", **move)
