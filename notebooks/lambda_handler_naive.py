"""The same function with everything inside the handler. Works, and is here to be measured; deploy the other one."""

import os
from datetime import timedelta

import boto3
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement


def handler(event, context):
    secrets = boto3.client("secretsmanager")
    token = secrets.get_secret_value(SecretId=os.environ["SECRET_NAME"], VersionStage="AWSCURRENT")[
        "SecretString"
    ]
    credentials = CredentialProvider.from_api_key_v2(token.strip(), os.environ["MOMENTO_ENDPOINT"])
    with CacheClient(
        Configurations.Lambda.latest(), credentials, default_ttl=timedelta(minutes=10)
    ) as cache_client:
        answer = cache_client.increment(os.environ["CACHE_NAME"], f"visits/{event['user']}")
    if isinstance(answer, CacheIncrement.Error):
        raise RuntimeError(f"Momento answered {answer.error_code.name}")
    return {"visits": answer.value}
