"""Count visits in Momento Cache, with FastAPI on an event loop.

    uvicorn visits_async:app

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT; TOKEN_TTL, the seconds until the token is read again, if not 300.
Permission: secretsmanager:GetSecretValue on that secret.
"""

import logging
import os
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.responses import CacheIncrement
from visits_metrics import as_text, clients, count

from momento_token import AsyncSharedClient, TokenSource, TokenUnavailable

SECRET_NAME, CACHE_NAME = os.environ["SECRET_NAME"], os.environ["CACHE_NAME"]
MOMENTO_ENDPOINT = os.environ["MOMENTO_ENDPOINT"]
TOKEN_TTL = float(os.environ.get("TOKEN_TTL", 300))
# A visit should count even if Momento takes longer than the preset's 1.1 seconds.
CONFIGURATION = Configurations.InRegion.Default.latest().with_client_timeout(timedelta(seconds=5))
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG log shows what it reads


def make_cache_client(token):
    clients.inc()
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClientAsync(CONFIGURATION, credentials, timedelta(minutes=10))


@asynccontextmanager
async def lifespan(app):
    source = TokenSource(SECRET_NAME, ttl=TOKEN_TTL, report=count)
    async with AsyncSharedClient(source, make_cache_client) as app.state.caches:
        with suppress(TokenUnavailable):  # the first request tries again and reports the error
            await source.aget()
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/visits/{user}")
async def visit(user: str):
    try:
        response = await app.state.caches.call(
            lambda cache: cache.increment(CACHE_NAME, f"visits/{user}")
        )
    except TokenUnavailable as error:
        return JSONResponse({"error": error.code, "process": os.getpid()}, 503)
    if isinstance(response, CacheIncrement.Error):
        return JSONResponse({"error": response.error_code.name, "process": os.getpid()}, 502)
    return {"visits": response.value, "process": os.getpid()}


@app.get("/health")
async def health():
    caches, source = app.state.caches, app.state.caches.source
    source.refresh_if_due()  # also while there are no requests
    problem = caches.problem and str(caches.problem)
    content = {"token": source.state, "version": source.version_id, "problem": problem}
    return JSONResponse(content, 200 if caches.ready else 503)


@app.get("/metrics")
async def metrics():
    return Response(as_text(), media_type="text/plain; version=1.0.0")
