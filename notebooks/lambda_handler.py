"""An AWS Lambda function that counts visits in Momento Cache: everything that lasts is made once, when the file loads.

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT. Permissions: secretsmanager:GetSecretValue and
secretsmanager:DescribeSecret on that secret. Packages: momento, aws-secretsmanager-caching.
"""

import os
from datetime import timedelta

import boto3
from aws_secretsmanager_caching import SecretCache
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

CACHE_NAME = os.environ["CACHE_NAME"]

secrets = SecretCache(client=boto3.client("secretsmanager"))
token = secrets.get_secret_string(os.environ["SECRET_NAME"]).strip()
cache_client = CacheClient(
    Configurations.Lambda.latest(),
    CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"]),
    default_ttl=timedelta(minutes=10),
)


def handler(event, context):
    answer = cache_client.increment(CACHE_NAME, f"visits/{event['user']}")
    if isinstance(answer, CacheIncrement.Error):
        raise RuntimeError(f"Momento answered {answer.error_code.name}")
    return {"visits": answer.value}
