"""An AWS Lambda function that counts visits in Momento Cache. What lasts is made once, when the file loads.

A warm function outlives rotations of its token: when Momento refuses the one that it holds, it reads the secret again.

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT. Permission: secretsmanager:GetSecretValue on that secret.
Packages: momento, and the folder `momento_token`; `make lambda` puts all into a zip.
"""

import os
from contextlib import suppress
from datetime import timedelta

from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

from momento_token import SharedClient, TokenSource, TokenUnavailable

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]


def make_cache_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClient(Configurations.Lambda.latest(), credentials, timedelta(minutes=10))


source = TokenSource(os.environ["SECRET_NAME"])
caches = SharedClient(source, make_cache_client)


def handler(event, context):
    answer = caches.call(lambda cache: cache.increment(CACHE_NAME, f"visits/{event['user']}"))
    if isinstance(answer, CacheIncrement.Error):
        raise RuntimeError(f"Momento answered {answer.error_code.name}")
    return {"visits": answer.value}


if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    # What is read now is in the snapshot, and in all that start from it. So nothing is, and a token that somebody else's
    # hook has read is forgotten: each copy reads its own, and makes a client with it.
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    register_before_snapshot(source.reset)
    register_after_restore(source.reset)
else:
    with suppress(TokenUnavailable):  # the first invocation tries again, and says what is wrong
        source.get()
