"""A service that counts visits, for an event loop: FastAPI under uvicorn. What lasts is made in its lifespan.

    uvicorn visits_async:app

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT. Permission: secretsmanager:GetSecretValue on that secret.
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

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG log shows what it reads


def make_cache_client(token):
    clients.inc()
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClientAsync(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


@asynccontextmanager
async def lifespan(app):
    source = TokenSource(os.environ["SECRET_NAME"], report=count)
    async with AsyncSharedClient(source, make_cache_client) as app.state.caches:
        with suppress(TokenUnavailable):  # the first request tries again, and says what is wrong
            await source.aget()
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/visits/{user}")
async def visit(user: str):
    try:
        answer = await app.state.caches.call(
            lambda cache: cache.increment(CACHE_NAME, f"visits/{user}")
        )
    except TokenUnavailable as error:
        return JSONResponse({"error": error.code, "process": os.getpid()}, 503)
    if isinstance(answer, CacheIncrement.Error):
        return JSONResponse({"error": answer.error_code.name, "process": os.getpid()}, 502)
    return {"visits": answer.value, "process": os.getpid()}


@app.get("/health")
async def health():
    caches, source = app.state.caches, app.state.caches.source
    source.refresh_if_due()  # also while there are no requests
    problem = caches.problem and str(caches.problem)
    said = {"token": source.state, "version": source.version_id, "problem": problem}
    return JSONResponse(said, 200 if caches.ready else 503)


@app.get("/metrics")
async def metrics():
    return Response(as_text(), media_type="text/plain; version=1.0.0")
