"""A service that counts visits, for an event loop: FastAPI under uvicorn. What lasts is made in its lifespan.

    uvicorn visits_async:app

Environment: SECRET_NAME, CACHE_NAME, MOMENTO_ENDPOINT. Permission: secretsmanager:GetSecretValue on that secret.
"""

import logging
import os
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import boto3
from botocore.config import Config
from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.responses import CacheIncrement
from visits_metrics import CountedEvents, as_text, clients

from momento_token.shared_client import AsyncSharedClient
from momento_token.token_source import State, TokenSource, TokenUnavailable

CACHE_NAME, MOMENTO_ENDPOINT = os.environ["CACHE_NAME"], os.environ["MOMENTO_ENDPOINT"]
IMPATIENT = Config(connect_timeout=1, read_timeout=2, retries={"total_max_attempts": 2})
logging.getLogger("botocore").setLevel(logging.INFO)  # its DEBUG log shows what it reads
READY = (State.FRESH, State.DUE, State.STALE)


def make_cache_client(token):
    clients.inc()
    credentials = CredentialProvider.from_api_key_v2(token, MOMENTO_ENDPOINT)
    return CacheClientAsync(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


@asynccontextmanager
async def lifespan(app):
    secrets = boto3.client("secretsmanager", config=IMPATIENT)
    async with (
        TokenSource(
            secrets, os.environ["SECRET_NAME"], observer=CountedEvents()
        ) as app.state.source,
        AsyncSharedClient(app.state.source, make_cache_client) as app.state.caches,
    ):
        with suppress(TokenUnavailable):  # the first request asks again, and says what is wrong
            await app.state.source.aget()
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
    source = app.state.source
    source.refresh_if_due()  # also while there are no requests
    said = {"token": source.state, "problem": source.problem and str(source.problem)}
    return JSONResponse(said, 200 if source.state in READY else 503)


@app.get("/metrics")
async def metrics():
    return Response(as_text(), media_type="text/plain; version=1.0.0")
