"""Listen to a topic with a deadline, the argument, in seconds, and print what arrives before and after it.

It also prints whether the loop over the subscription waits for the next message, or spins.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from datetime import timedelta

import boto3
from momento import CredentialProvider, TopicClient, TopicConfigurations

CACHE_NAME, SECRET_NAME = os.environ["CACHE_NAME"], os.environ["SECRET_NAME"]
deadline = timedelta(seconds=float(sys.argv[1]))
TOPIC = f"deadline-{os.getpid()}"  # a new one, as a topic remembers its last message

response = boto3.client("secretsmanager").get_secret_value(
    SecretId=SECRET_NAME, VersionStage="AWSCURRENT"
)
credentials = CredentialProvider.from_api_key_v2(
    response["SecretString"].strip(), os.environ["MOMENTO_ENDPOINT"]
)
listening = TopicClient(TopicConfigurations.Default.v1().with_client_timeout(deadline), credentials)
publishing = TopicClient(TopicConfigurations.Default.v1(), credentials)
subscription = listening.subscribe(CACHE_NAME, TOPIC)  # from here on the deadline counts
received, turns = [], 0


def count_turn(frame, event, argument):
    global turns
    turns += event == "call"


def listen():
    sys.setprofile(count_turn)  # runs at each call of this thread, so never while it waits
    for item in subscription:
        received.append(item.value)


def spins(since: int) -> bool:
    return turns - since > 1_000


def wait_for(condition: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)


threading.Thread(target=listen, daemon=True).start()
publishing.publish(CACHE_NAME, TOPIC, "early")
wait_for(lambda: "early" in received, seconds=10)
time.sleep(1.2)
publishing.publish(CACHE_NAME, TOPIC, "late")
wait_for(lambda: "late" in received or spins(since=0), seconds=10)
before = turns
wait_for(lambda: spins(since=before), seconds=0.5)

print("received", ", ".join(received), "- and the loop", "spins" if spins(before) else "waits")
sys.stdout.flush()
os._exit(0)  # nothing else ends a spinning loop
