"""A call on a closed client gets a sentence, and the process lives: each is tried in one that may die."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRY = """
import asyncio
from datetime import timedelta
from momento import *
from momento import CacheClientAsync, TopicClientAsync
from helpers.closed_clients import ClosedClient
from helpers.cloud import connect

cloud = connect()
credentials = cloud.credentials_from(cloud.api_key)
settings = (Configurations.Laptop.v1(), credentials, timedelta(minutes=1))
topics = (TopicConfigurations.Default.v1(), credentials)


def refused(call, *arguments):
    try:
        call(*arguments)
    except ClosedClient as error:
        assert "make a new one" in str(error) or "Subscribe again" in str(error)
    else:
        raise AssertionError(call)


def main():
    with CacheClient(*settings) as client:
        client.get("tutorial", "key")
    refused(client.get, "tutorial", "key")
    refused(client.set, "tutorial", "key", "value")
    refused(client.__enter__)
    assert isinstance(client, CacheClient)
    topic = TopicClient(*topics)
    topic.publish("tutorial", "news", "hello")
    topic.close()
    topic.close()
    refused(topic.publish, "tutorial", "news", "hello")
    refused(topic.subscribe, "tutorial", "news")
    connect()
    with TopicClient(*topics) as another:
        another.publish("tutorial", "news", "hello")
        subscription = another.subscribe("tutorial", "news")
        assert next(subscription).value == "hello"  # the latest from before
        unsubscribed = another.subscribe("tutorial", "news")
        unsubscribed.unsubscribe()
    refused(next, subscription)
    refused(next, unsubscribed)


async def amain():
    async with CacheClientAsync(*settings) as client:
        await client.get("tutorial", "key")
    refused(client.get, "tutorial", "key")
    topic = TopicClientAsync(*topics)
    await topic.publish("tutorial", "news", "hello")
    await topic.close()
    await topic.close()
    refused(topic.publish, "tutorial", "news", "hello")


main()
asyncio.run(amain())
print("alive")
"""


@pytest.mark.slow
def test_every_kind_of_closed_client_refuses_with_a_sentence():
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "alive\n", (done.returncode, done.stderr)
