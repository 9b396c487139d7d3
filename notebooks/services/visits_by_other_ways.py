"""The visits service once more, with the token from wherever WAY says: what platforms and libraries offer.

    WAY=environment PORT=8000 python visits_by_other_ways.py

It makes a client for each token that it is given. The pattern's way is the one that can do more: notice a refusal.
Each way imports what it needs, so a process loads no more than its own.
"""

import json
import logging
import os
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

import waitress
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement

SECRET_NAME, CACHE_NAME = os.environ["SECRET_NAME"], os.environ["CACHE_NAME"]


def from_environment():
    """ECS and Lambda put it there when the process starts."""
    return lambda: os.environ["MOMENTO_API_KEY"]


def from_file():
    """A driver of Kubernetes writes the file, and rewrites it: so it is read for each request."""
    file = Path(os.environ["TOKEN_FILE"])
    return lambda: file.read_text().strip()


def from_extension():
    """A process beside ours keeps the secret, and answers over HTTP."""
    import urllib3

    http = urllib3.PoolManager(timeout=2)
    url = f"http://127.0.0.1:{os.environ['PARAMETERS_SECRETS_EXTENSION_HTTP_PORT']}/secretsmanager/get"
    query = urlencode({"secretId": SECRET_NAME, "versionStage": "AWSCURRENT"})
    header = {"X-Aws-Parameters-Secrets-Token": os.environ["AWS_SESSION_TOKEN"]}

    def read():
        answer = http.request("GET", f"{url}?{query}", headers=header)
        return answer.json()["SecretString"]

    return read


def from_library():
    import boto3
    from aws_secretsmanager_caching import SecretCache

    cache = SecretCache(client=boto3.client("secretsmanager"))
    return lambda: cache.get_secret_string(SECRET_NAME)


@lru_cache
def client_of(token):
    credentials = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


def by_the_pattern():
    from momento_token import SharedClient, TokenSource

    return SharedClient(TokenSource(SECRET_NAME), client_of.__wrapped__).call


def with_token_of(read):
    return lambda operation: operation(client_of(read()))


CALLS = {
    "environment": lambda: with_token_of(from_environment()),
    "file": lambda: with_token_of(from_file()),
    "extension": lambda: with_token_of(from_extension()),
    "library": lambda: with_token_of(from_library()),
    "pattern": by_the_pattern,
}
call = CALLS[os.environ["WAY"]]()


def application(environ, start_response):
    user = environ["PATH_INFO"].removeprefix("/visits/")
    try:
        answer = call(lambda cache: cache.increment(CACHE_NAME, f"visits/{user}"))
        failed = answer.error_code.name if isinstance(answer, CacheIncrement.Error) else ""
    except Exception as error:
        failed = type(error).__name__
    content = {"error": failed} if failed else {"visits": answer.value}
    status = "502 Bad Gateway" if failed else "200 OK"
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(content).encode()]


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    waitress.serve(application, host="127.0.0.1", port=int(os.environ.get("PORT", 0)))
