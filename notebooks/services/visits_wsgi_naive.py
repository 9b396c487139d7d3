"""The WSGI service as most people write it first: each worker reads the token once, and keeps the client made from it.

Works, until the token is replaced. It is here to be measured; deploy visits_wsgi.py.
"""

import json
import os
from datetime import timedelta
from functools import lru_cache

import boto3
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement


@lru_cache  # in each worker, after the fork
def cache_client():
    answer = boto3.client("secretsmanager").get_secret_value(
        SecretId=os.environ["SECRET_NAME"], VersionStage="AWSCURRENT"
    )
    credentials = CredentialProvider.from_api_key_v2(
        answer["SecretString"], os.environ["MOMENTO_ENDPOINT"]
    )
    return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


def application(environ, start_response):
    status, content = "200 OK", {"status": "ok"}
    path = environ["PATH_INFO"]
    if path.startswith("/visits/"):
        answer = cache_client().increment(os.environ["CACHE_NAME"], path[1:])
        if isinstance(answer, CacheIncrement.Error):
            status, content = "502 Bad Gateway", {"error": answer.error_code.name}
        else:
            content = {"visits": answer.value}
        content["process"] = os.getpid()
    body = json.dumps(content).encode()
    start_response(
        status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    )
    return [body]
