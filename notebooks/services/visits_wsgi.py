"""The same service as a WSGI application, for processes that fork and have threads:

    gunicorn --preload --workers 4 --threads 4 visits_wsgi:application

With --preload this file is loaded once, and the four workers are forks of that process: they inherit the token that it
read, and make their Momento clients themselves. Environment and permission as in visits_async.py.
"""

import json
import logging
import os
from contextlib import suppress
from datetime import timedelta

import boto3
from botocore.config import Config
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement
from visits_metrics import CountedEvents, as_text, clients

from momento_token.shared_client import SharedClient
from momento_token.token_source import State, TokenSource, TokenUnavailable

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]
IMPATIENT = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG log shows what it reads
READY = (State.FRESH, State.DUE, State.STALE)


def new_secrets_client():
    return boto3.session.Session().client("secretsmanager", config=IMPATIENT)


def make_cache_client(token):
    clients.inc()
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


source = TokenSource(new_secrets_client, os.environ["SECRET_NAME"], observer=CountedEvents())
caches = SharedClient(source, make_cache_client)
with suppress(TokenUnavailable):  # the first request asks again, and says what is wrong
    source.warm_up()  # before the fork, and in this thread: one read for all workers


def visit(user):
    """Status and content of the answer."""
    try:
        answer = caches.call(lambda cache: cache.increment(CACHE_NAME, f"visits/{user}"))
    except TokenUnavailable as error:
        return "503 Service Unavailable", {"error": error.code, "process": os.getpid()}
    if isinstance(answer, CacheIncrement.Error):
        return "502 Bad Gateway", {"error": answer.error_code.name, "process": os.getpid()}
    return "200 OK", {"visits": answer.value, "process": os.getpid()}


def health():
    source.refresh_if_due()  # also while there are no requests
    status = "200 OK" if source.state in READY else "503 Service Unavailable"
    return status, {"token": source.state, "problem": source.problem and str(source.problem)}


def application_of(visit, health):
    def application(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return _answer(start_response, "200 OK", "text/plain; version=1.0.0", as_text())
        if path == "/health":
            status, content = health()
        elif path.startswith("/visits/"):
            status, content = visit(path.removeprefix("/visits/"))
        else:
            status, content = "404 Not Found", {"error": "NotFound"}
        return _answer(start_response, status, "application/json", json.dumps(content).encode())

    return application


def _answer(start_response, status, kind, body):
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


application = application_of(visit, health)
