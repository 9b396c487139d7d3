"""The service as most people write it first: FastAPI, the token read once at the start, and a client made from it.

Works, until the token is replaced. It is here to be measured; deploy visits_async.py.
"""

import os
from contextlib import asynccontextmanager
from datetime import timedelta

import boto3
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from momento import CacheClientAsync, Configurations, CredentialProvider
from momento.responses import CacheIncrement


@asynccontextmanager
async def lifespan(app):
    secrets = boto3.client("secretsmanager")
    answer = secrets.get_secret_value(SecretId=os.environ["SECRET_NAME"], VersionStage="AWSCURRENT")
    credentials = CredentialProvider.from_api_key_v2(
        answer["SecretString"], os.environ["MOMENTO_ENDPOINT"]
    )
    async with CacheClientAsync(
        Configurations.Laptop.latest(), credentials, timedelta(minutes=10)
    ) as app.state.cache:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/visits/{user}")
async def visit(user: str):
    answer = await app.state.cache.increment(os.environ["CACHE_NAME"], f"visits/{user}")
    if isinstance(answer, CacheIncrement.Error):
        return JSONResponse({"error": answer.error_code.name, "process": os.getpid()}, 502)
    return {"visits": answer.value, "process": os.getpid()}


@app.get("/health")
async def health():
    return {"status": "ok"}
