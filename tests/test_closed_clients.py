"""A call on a closed client raises an error in a kernel: without the guard it ends the process by signal 11."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRY = """
from datetime import timedelta
from momento import CacheClient, Configurations, TopicClient, TopicConfigurations
from helpers.cloud import connect
from helpers.display import PlainError

cloud = connect()
topics = (TopicConfigurations.Default.v1(), cloud.credentials_from(cloud.api_key))
closed = TopicClient(*topics)
closed.publish("tutorial", "news", "hello")
closed.close()
closed.close()
with TopicClient(*topics) as left:
    left.publish("tutorial", "news", "hello")
with CacheClient(Configurations.Laptop.v1(), topics[1], timedelta(minutes=1)) as cache:
    cache.get("tutorial", "key")
calls = [(cache.get, ["key"]), (cache.set, ["key", "value"]), (cache.increment, ["key"])]
for client in (closed, left):
    calls += [(client.publish, ["news", "hello"]), (client.subscribe, ["news"])]
for call, arguments in calls:
    try:
        call("tutorial", *arguments)
    except PlainError as error:
        assert "make a new one" in str(error)
    else:
        raise AssertionError(call)
with TopicClient(*topics) as another:
    assert next(another.subscribe("tutorial", "news")).value == "hello"
print("alive")
"""


@pytest.mark.slow
def test_a_closed_client_refuses_with_a_sentence():
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "alive\n", (done.returncode, done.stderr)
