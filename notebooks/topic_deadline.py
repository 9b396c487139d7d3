"""Listen to a topic with a deadline of so many seconds (the argument), and say what arrives after it has passed."""

import os
import sys
import threading
import time
from datetime import timedelta

import boto3
from momento import CredentialProvider, TopicClient, TopicConfigurations

CACHE_NAME, SECRET_NAME = os.environ["CACHE_NAME"], os.environ["SECRET_NAME"]
deadline = timedelta(seconds=float(sys.argv[1]))
TOPIC = f"deadline-{os.getpid()}"  # a topic of its own, as a topic remembers its last message

answer = boto3.client("secretsmanager").get_secret_value(
    SecretId=SECRET_NAME, VersionStage="AWSCURRENT"
)
credentials = CredentialProvider.from_api_key_v2(
    answer["SecretString"].strip(), os.environ["MOMENTO_ENDPOINT"]
)
listening = TopicClient(TopicConfigurations.Default.v1().with_client_timeout(deadline), credentials)
publishing = TopicClient(TopicConfigurations.Default.v1(), credentials)
received = []


def listen():
    for item in listening.subscribe(CACHE_NAME, TOPIC):
        received.append(item.value)


threading.Thread(target=listen, daemon=True).start()
time.sleep(0.3)
publishing.publish(CACHE_NAME, TOPIC, "early")
time.sleep(1.2)
publishing.publish(CACHE_NAME, TOPIC, "late")
before = time.process_time()
time.sleep(0.5)
busy = time.process_time() - before > 0.1

print("received", ", ".join(received), "- and the loop", "spins" if busy else "waits", flush=True)
os._exit(0)  # a spinning loop can't be ended in another way
