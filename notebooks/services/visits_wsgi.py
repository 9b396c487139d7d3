"""Count visits in Momento Cache, as a WSGI application for processes that fork and have threads.

    gunicorn --preload --workers 4 --threads 4 visits_wsgi:application

With --preload this file is loaded once, and the four workers are forks of that process: they inherit the token that it
read, and each makes its own Momento client. Environment and permission as in visits_async.py.

For `gunicorn -k gevent` these two lines come first in the file, before any other import:

    from gevent import monkey; monkey.patch_all()
    from grpc.experimental import gevent; gevent.init_gevent()

Without them, with --preload, every later read of the secret ends in a RecursionError of ssl.
"""

import json
import logging
import os
from contextlib import suppress
from datetime import timedelta

from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import CacheIncrement
from visits_metrics import as_text, clients, count

from momento_token import SharedClient, TokenSource, TokenUnavailable

SECRET_NAME, CACHE_NAME = os.environ["SECRET_NAME"], os.environ["CACHE_NAME"]
MOMENTO_ENDPOINT = os.environ["MOMENTO_ENDPOINT"]
TOKEN_TTL = float(os.environ.get("TOKEN_TTL", 300))
# A visit should count even if Momento takes longer than the preset's 1.1 seconds.
CONFIGURATION = Configurations.InRegion.Default.latest().with_client_timeout(timedelta(seconds=5))
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG log shows what it reads


def make_cache_client(token):
    clients.inc()
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClient(CONFIGURATION, credentials, timedelta(minutes=10))


source = TokenSource(SECRET_NAME, ttl=TOKEN_TTL, report=count)
caches = SharedClient(source, make_cache_client)
with suppress(TokenUnavailable):  # the first request tries again and reports the error
    source.warm_up()  # before the fork, in this thread: one read for all workers


def visit(user):
    """Return the status and the content of the response."""
    try:
        response = caches.call(lambda cache: cache.increment(CACHE_NAME, f"visits/{user}"))
    except TokenUnavailable as error:
        return "503 Service Unavailable", {"error": error.code, "process": os.getpid()}
    if isinstance(response, CacheIncrement.Error):
        return "502 Bad Gateway", {"error": response.error_code.name, "process": os.getpid()}
    return "200 OK", {"visits": response.value, "process": os.getpid()}


def health():
    source.refresh_if_due()  # also while there are no requests
    status = "200 OK" if caches.ready else "503 Service Unavailable"
    problem = caches.problem and str(caches.problem)
    return status, {"token": source.state, "version": source.version_id, "problem": problem}


def application_of(visit, health):
    def application(environ, start_response):
        path = environ["PATH_INFO"]
        if path == "/metrics":
            return _respond(start_response, "200 OK", "text/plain; version=1.0.0", as_text())
        if path == "/health":
            status, content = health()
        elif path.startswith("/visits/") and environ["REQUEST_METHOD"] == "POST":
            status, content = visit(path.removeprefix("/visits/"))
        else:
            status, content = "404 Not Found", {"error": "NotFound"}
        return _respond(start_response, status, "application/json", json.dumps(content).encode())

    return application


def _respond(start_response, status, kind, body):
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
    return [body]


application = application_of(visit, health)
