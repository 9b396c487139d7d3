"""A call on a closed topic client raises an error, and the process lives: tried in one that may die."""

from __future__ import annotations

import subprocess
import sys

import pytest

TRY = """
from momento import TopicClient, TopicConfigurations
from helpers.cloud import connect
from helpers.display import PlainError

cloud = connect()
for _ in range(2):  # a second connect() changes nothing
    with TopicClient(TopicConfigurations.Default.v1(), cloud.credentials_from(cloud.api_key)) as topic:
        topic.publish("tutorial", "news", "hello")
        assert next(topic.subscribe("tutorial", "news")).value == "hello"
    topic.close()
    connect()
    for call in (lambda: topic.publish("tutorial", "news", "hello"), lambda: topic.subscribe("tutorial", "news")):
        try:
            call()
        except PlainError as error:
            assert "make a new one" in str(error)
        else:
            raise AssertionError
print("alive")
"""


@pytest.mark.slow
def test_a_closed_topic_client_refuses_calls():
    done = subprocess.run([sys.executable, "-c", TRY], capture_output=True, text=True, timeout=60)
    assert done.stdout == "alive\n", (done.returncode, done.stderr)
