"""The same function with everything inside the handler. Works, and is here to be measured; deploy the other one."""

import os
from datetime import timedelta

import boto3
from botocore.config import Config
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

TIMEOUTS = Config(
    connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}
)


def handler(event, context):
    secrets = boto3.client("secretsmanager", config=TIMEOUTS)
    secret = secrets.get_secret_value(SecretId=os.environ["SECRET_NAME"], VersionStage="AWSCURRENT")
    credentials = CredentialProvider.from_api_key_v2(
        secret["SecretString"].strip(), os.environ["MOMENTO_ENDPOINT"]
    )
    with CacheClient(
        Configurations.Lambda.latest(), credentials, default_ttl=timedelta(minutes=10)
    ) as cache_client:
        response = cache_client.increment(os.environ["CACHE_NAME"], f"visits/{event['user']}")
    if isinstance(response, CacheIncrement.Error):
        raise RuntimeError(f"Momento responded {response.error_code.name}")
    return {"visits": response.value}
