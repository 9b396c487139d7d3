"""Count visits with a token that is read once, at the start, and a client made from it.

It works until the token is replaced, and is here to be measured. Deploy visits_async.py instead.
"""

import os
from contextlib import asynccontextmanager
from datetime import timedelta

import boto3
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.responses import CacheIncrement

SECRET_NAME, CACHE_NAME = os.environ["SECRET_NAME"], os.environ["CACHE_NAME"]
MOMENTO_ENDPOINT = os.environ["MOMENTO_ENDPOINT"]


@asynccontextmanager
async def lifespan(app):
    secret = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)
    credentials = CredentialProvider.from_api_key_v2(secret["SecretString"], MOMENTO_ENDPOINT)
    async with CacheClientAsync(
        Configurations.InRegion.Default.latest(), credentials, timedelta(minutes=10)
    ) as app.state.cache:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/visits/{user}")
async def visit(user: str):
    response = await app.state.cache.increment(CACHE_NAME, f"visits/{user}")
    if isinstance(response, CacheIncrement.Error):
        return JSONResponse({"error": response.error_code.name, "process": os.getpid()}, 502)
    return {"visits": response.value, "process": os.getpid()}


@app.get("/health")
async def health():
    return {"status": "ok"}
