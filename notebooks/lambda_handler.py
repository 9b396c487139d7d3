"""An AWS Lambda function that counts visits in Momento Cache. What lasts is made once, when the file loads.

A warm function outlives rotations of its token: when Momento refuses the one that it holds, it reads the secret again.

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT, and TOKEN_TTL in seconds, 300 by default.
Permission: secretsmanager:GetSecretValue on that secret.
Packages: boto3, momento, and the folder `momento_token`; `make lambda` puts all into a zip.
"""

import os
from contextlib import suppress
from datetime import timedelta

from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

from momento_token import SharedClient, TokenSource, TokenUnavailable

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]
# Seconds to wait for a token. Lambda gives 10 to load this file, and the 15 of the template to an invocation, which
# waits twice at most: before its call, and again if Momento refuses the token. Momento's timeout is 1.1.
PATIENCE = 4


def make_cache_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClient(Configurations.Lambda.latest(), credentials, timedelta(minutes=10))


# Its boto3 client gives up after seconds: its timeouts are 1 s to connect and 2 s to read, and it tries twice.
source = TokenSource(os.environ["SECRET_NAME"], ttl=float(os.environ.get("TOKEN_TTL", 300)))
caches = SharedClient(source, make_cache_client)


def handler(event, context):
    key = f"visits/{event['user']}"
    try:
        response = caches.call(lambda cache: cache.increment(CACHE_NAME, key), PATIENCE)
    except TokenUnavailable as error:
        if error.code in UNREACHABLE:
            raise TokenUnavailable(f"{error} {IN_A_VPC}", code=error.code) from None
        raise
    if isinstance(response, CacheIncrement.Error):
        raise RuntimeError(f"Momento responded {response.error_code.name}")
    return {"visits": response.value}


UNREACHABLE = ("ConnectTimeoutError", "ReadTimeoutError", "EndpointConnectionError", "NoResponse")
IN_A_VPC = "In a VPC it needs an interface endpoint for secretsmanager, or a NAT gateway."

if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
    # What is read now is in the snapshot, and in all that start from it. So nothing is, and a token that another
    # hook has read is forgotten: each copy reads its own, and makes a client with it.
    from snapshot_restore_py import register_after_restore, register_before_snapshot

    register_before_snapshot(source.reset)
    register_after_restore(source.reset)
else:
    with suppress(TokenUnavailable):  # the first invocation tries again, and says what is wrong
        source.get(PATIENCE)
