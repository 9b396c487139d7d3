"""An AWS Lambda function that counts visits in Momento Cache. What lasts is made once, when the file loads.

A warm function outlives rotations of its token: when Momento refuses the one that it holds, it reads the secret again.

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT. Permission: secretsmanager:GetSecretValue on that secret.
Packages: momento, and the folder `momento_token`; `make lambda` puts all into a zip.
"""

import os
import time
from contextlib import suppress
from datetime import timedelta

import boto3
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

from momento_token.shared_client import SharedClient
from momento_token.token_source import TokenSource, TokenUnavailable

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]


def make_cache_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClient(Configurations.Lambda.latest(), credentials, timedelta(minutes=10))


# Lambda freezes the process between two invocations, and a monotonic clock may stand still meanwhile.
source = TokenSource(boto3.client("secretsmanager"), os.environ["SECRET_NAME"], clock=time.time)
caches = SharedClient(source, make_cache_client)


def handler(event, context):
    answer = caches.call(lambda cache: cache.increment(CACHE_NAME, f"visits/{event['user']}"))
    if isinstance(answer, CacheIncrement.Error):
        raise RuntimeError(f"Momento answered {answer.error_code.name}")
    return {"visits": answer.value}


def start_over():
    caches.reset()
    source.reset()


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    # What is read now is in the snapshot, and in all that start from it. So nothing is, and what somebody adds is dropped.
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    register_before_snapshot(start_over)
    register_after_restore(start_over)
else:
    with suppress(TokenUnavailable):  # the first invocation asks again, and says what is wrong
        source.get()
