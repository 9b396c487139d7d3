"""Use clients that can't be used any more: one that was closed, and an async one in a second event loop."""

import asyncio
import os
from datetime import timedelta

import boto3
from momento import CacheClient, CacheClientAsync, Configurations, CredentialProvider

CACHE_NAME = os.environ["CACHE_NAME"]
answer = boto3.client("secretsmanager").get_secret_value(
    SecretId=os.environ["SECRET_NAME"], VersionStage="AWSCURRENT"
)
credentials = CredentialProvider.from_api_key_v2(
    answer["SecretString"].strip(), os.environ["MOMENTO_ENDPOINT"]
)
settings = (Configurations.Laptop.v1(), credentials, timedelta(minutes=10))


def outcome(answer) -> str:
    return getattr(answer, "message", type(answer).__qualname__)


with CacheClient(*settings) as client:
    print("open client:  ", outcome(client.get(CACHE_NAME, "key")))
print("closed client:", outcome(client.get(CACHE_NAME, "key")))

kept = []


async def get() -> str:
    if not kept:  # made once and kept, which is right within one loop
        kept.append(CacheClientAsync(*settings))
    return outcome(await kept[0].get(CACHE_NAME, "key"))


print("first loop:   ", asyncio.run(get()))
print("second loop:  ", asyncio.run(get()), flush=True)
os._exit(0)  # a client that belongs to a closed loop can't be closed
