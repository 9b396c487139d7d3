"""momento_token over the real boto3 and the real Momento SDK: rotations, forks, event loops, subscriptions."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import aclosing, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.config import Config
from fakes import Notes, in_a_child, needs_fork, until
from momento import CacheClient, Configurations, TopicClient, TopicClientAsync, TopicConfigurations
from momento.responses import CacheIncrement, TopicPublish
from names import SECRET_NAME

from helpers.timing import OVERLAP, at_once
from momento_token import (
    SharedClient,
    SubscriptionError,
    TokenSource,
    TokenUnavailable,
    is_accepted,
    is_refused,
)
from momento_token.topics import AsyncSharedTopicClient, SharedTopicClient
from sandbox.api_keys import new_api_key

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")]

CACHE = "tutorial"
TTL = timedelta(minutes=1)
ONCE = Config(retries={"total_max_attempts": 1}, read_timeout=1)


def new_sm():
    return boto3.client("secretsmanager", config=ONCE)


@pytest.fixture
def source(cloud):
    return TokenSource(SECRET_NAME, new_sm)


@pytest.fixture
def no_pauses(monkeypatch):
    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(f"momento_token.waiting.{pause}", 0.001)


@pytest.fixture
def new_cache_client(cloud):
    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    return lambda token: CacheClient(configuration, cloud.credentials_from(token), TTL)


@pytest.fixture
def new_topic_client(cloud):
    configuration = TopicConfigurations.Default.v1().with_client_timeout(timedelta(hours=1))
    return lambda token: TopicClient(configuration, cloud.credentials_from(token))


def store(token: str) -> None:
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=token)


def rotate(cloud) -> None:
    """Store a new key in the secret, and revoke the old one immediately."""
    old = new_sm().get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    store(cloud.issue_api_key())
    cloud.revoke_api_key(old)


# The token and the client


def test_threads_and_tasks_share_one_call(cloud, source):
    cloud.add_fault("aws", delay=OVERLAP)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(source.get())) for _ in range(8)]

    async def get():
        return await asyncio.gather(*[source.aget() for _ in range(8)])

    with cloud.ledger.page("cold") as page:
        for thread in threads:
            thread.start()
        found += asyncio.run(get())
        for thread in threads:
            thread.join()
    assert found == [cloud.api_key] * 16 and page.count() == 1


def test_a_connection_that_fails_is_no_denial(cloud, no_pauses):
    source = TokenSource(SECRET_NAME, new_sm, ttl=0.01, max_age=600)
    token = source.get()
    for fault in (
        {"error": "CONNECTION_LOST"},
        {"error": "CONNECTION_DROPPED"},
        {"error": "TooManyRequestsException"},
        {"delay": 1.5},
    ):
        cloud.add_fault("aws", **fault)
        until(lambda: source.get(timeout=0) == token and source.problem)
        assert not source.problem.denied, fault
        cloud.clear_faults()
        until(lambda: source.get(timeout=0) == token and not source.problem)


def test_many_threads_share_one_client_and_a_revoked_token_is_replaced(cloud, source, new_cache_client):
    with SharedClient(source, new_cache_client) as clients:
        with cloud.ledger.page("start") as page:
            at_once(lambda: clients.call(lambda client: client.set(CACHE, "visits", "0")), 32)
        assert (page.momento_clients, page.count("GetSecretValue"), page.count("Set", outcome="ok")) == (1, 1, 32)
        rotate(cloud)
        with cloud.ledger.page("after the rotation") as page:
            responses = at_once(lambda: clients.call(lambda client: client.increment(CACHE, "visits")), 8)
    assert all(isinstance(response, CacheIncrement.Success) for response in responses)
    # Increment isn't safe to repeat, except after a refusal: each was done once.
    assert sorted(response.value for response in responses) == list(range(1, 9))
    assert page.count("GetSecretValue") == 1


def test_a_wrong_new_token_never_takes_the_place_of_one_that_works(cloud, new_cache_client, no_pauses):
    def try_token(token: str) -> bool:
        with new_cache_client(token) as client:
            return is_accepted(client.get(CACHE, "key"))

    source = TokenSource(SECRET_NAME, new_sm, ttl=0.05, try_token=try_token)
    with SharedClient(source, new_cache_client) as clients:

        def works() -> bool:
            return not is_refused(clients.call(lambda client: client.get(CACHE, "key")))

        assert works()
        store(new_api_key())
        until(lambda: works() and source.problem)
        assert works() and "Momento refuses the new token" in str(source.problem)
        store(good := cloud.issue_api_key())
        until(lambda: works() and source.get() == good)


# Event loops and processes

NEW_CLIENT = """
import asyncio, os
from datetime import timedelta
from momento import CacheClient, CacheClientAsync, Configurations, CredentialProvider
from momento_token import AsyncSharedClient, SharedClient, TokenSource

def new_client(token, kind=CacheClient):
    provider = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    return kind(Configurations.Laptop.v1(), provider, timedelta(minutes=1))
"""
LOOPS = f"""{NEW_CLIENT}
clients = AsyncSharedClient(TokenSource("{SECRET_NAME}"), lambda token: new_client(token, CacheClientAsync))

async def visit():
    calls = [clients.call(lambda client: client.increment("{CACHE}", "visits")) for _ in range(8)]
    return max(response.value for response in await asyncio.gather(*calls))

print(*[asyncio.run(visit()) for _ in range(10)])
"""
SERVICE = f"""{NEW_CLIENT}
reads = []
report = lambda event: event.name == "read" and reads.append(event)
clients = SharedClient(TokenSource("{SECRET_NAME}", report=report), new_client)
clients.call(lambda client: client.set("{CACHE}", "warm", "up"))  # before the fork, as --preload does

def app(environ, start_response):
    response = clients.call(lambda client: client.increment("{CACHE}", "visits"))
    start_response("200 OK" if hasattr(response, "value") else "500 Oh", [])
    return [f"{{os.getpid()}} {{len(reads)}}".encode()]
"""


def environment_of(cloud) -> dict[str, str]:
    """Return the environment of a process that finds the sandbox."""
    return {**os.environ, **cloud.program_environment()}


def test_one_at_module_level_serves_one_event_loop_after_the_other(cloud):
    command = [sys.executable, "-c", LOOPS]
    done = subprocess.run(command, env=environment_of(cloud), capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == [str(8 * run) for run in range(1, 11)]


@needs_fork
def test_children_work_on_with_clients_of_their_own(cloud, source, new_cache_client):
    def use() -> str:
        return type(clients.call(lambda client: client.get(CACHE, "key"))).__name__

    def reads() -> int:
        return cloud.calls_seen()["aws.GetSecretValue"]

    with SharedClient(source, new_cache_client) as clients:
        clients.call(lambda client: client.set(CACHE, "key", "value"))
        before = reads()
        assert in_a_child(use) == "Hit" and reads() == before  # inherited
        rotate(cloud)
        before = reads()
        assert [in_a_child(use) for _ in range(3)] == ["Hit"] * 3
        assert reads() == before + 3  # each found out by itself
        assert use() == "Hit" and reads() == before + 4


@contextmanager
def gunicorn(folder: Path, cloud, *options: str):
    (folder / "visits.py").write_text(SERVICE)
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *options, "visits:app"]
    with open(folder / "log", "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment_of(cloud), stderr=log, stdout=log)
    address = lambda: re.search(r"Listening at: (\S+)", (folder / "log").read_text())  # noqa: E731
    try:
        until(lambda: address() or server.poll() is not None)
        yield address()[1]
    finally:
        server.terminate()
        server.wait(20)


@needs_fork
def test_gunicorn_preloads_forks_and_survives_rotations(cloud, tmp_path):
    reads: dict[str, int] = {}
    with gunicorn(tmp_path, cloud, "--preload", "-w", "2", "--threads", "2", "-k", "gthread") as address:

        def visit() -> bool:
            with urllib.request.urlopen(address, timeout=20) as response:  # raises for a status of 500
                worker, count = response.read().decode().split()
            reads[worker] = int(count)
            return len(reads) == 2

        until(visit)
        rotate(cloud)
        until(lambda: visit() and min(reads.values()) == 2)


# Subscriptions


@contextmanager
def listening(clients: SharedTopicClient, topic: str):
    """Give what a thread receives from a topic up to "the end", and the thread."""
    received: list[str] = []

    def run() -> None:
        for message in clients.messages(CACHE, topic):
            received.append(message.value)
            if message.value == "the end":
                return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    until(lambda: clients._streams)
    yield received, thread
    clients.close()
    thread.join(10)
    assert not thread.is_alive()


def test_messages_survive_rotations(cloud, source, new_topic_client):
    with (
        SharedClient(source, new_topic_client) as publishing,
        SharedTopicClient(source, new_topic_client) as clients,
        listening(clients, "orders") as (got, thread),
    ):
        sent = [*(f"order {number}" for number in range(40)), "the end"]
        for number, text in enumerate(sent):
            if number % 20 == 10:
                rotate(cloud)
            response = publishing.call(lambda client, text=text: client.publish(CACHE, "orders", text))
            assert isinstance(response, TopicPublish.Success)
        thread.join(20)
        assert got == sent


def test_messages_go_on_while_the_token_is_denied(cloud, new_topic_client, no_pauses):
    source = TokenSource(SECRET_NAME, new_sm, ttl=0.05, max_age=0.1)
    with (
        SharedTopicClient(source, new_topic_client) as clients,
        listening(clients, "orders") as (got, _),
        new_topic_client(source.get()) as publisher,
    ):
        cloud.add_fault("aws", error="AccessDeniedException")
        until(lambda: source.state == "denied" or source.refresh_if_due())
        for number in range(5):
            publisher.publish(CACHE, "orders", f"order {number}")
        until(lambda: len(got) == 5)
        with pytest.raises(TokenUnavailable):
            source.get()


def test_messages_survive_streams_that_end(cloud, source, no_pauses):
    """The SDK's own deadline ends a stream; its iterator would spin from then on."""
    short = TopicConfigurations.Default.v1().with_client_timeout(timedelta(seconds=0.3))
    with SharedTopicClient(source, lambda token: TopicClient(short, cloud.credentials_from(token))) as clients:
        with listening(clients, "orders") as (got, thread):
            sent = [*(f"order {number}" for number in range(20)), "the end"]
            for text in sent:
                clients.call(lambda client, text=text: client.publish(CACHE, "orders", text))
                time.sleep(0.07)
            thread.join(20)
            assert got == sent


def test_a_consumer_that_stops_leaves_no_stream_open(cloud, source, new_topic_client):
    with SharedTopicClient(source, new_topic_client) as clients:
        clients.call(lambda client: client.publish(CACHE, "orders", "order"))
        for message in clients.messages(CACHE, "orders"):
            assert message.value == "order" and not message.gap
            break
        assert not clients._streams
        for _ in range(120):  # 100 streams are all that a client has
            with closing(clients.messages(CACHE, "orders")) as messages:
                assert next(messages).number == 1 and len(clients._streams) == 1
        assert not clients._streams


def test_a_gap_is_reported(cloud, new_topic_client):
    source = TokenSource(SECRET_NAME, new_sm, report=(notes := Notes()))
    with SharedTopicClient(source, new_topic_client) as clients:
        publish = lambda text: clients.call(lambda c: c.publish(CACHE, "orders", text))  # noqa: E731
        publish("order 1")
        with closing(clients.messages(CACHE, "orders")) as messages:
            assert next(messages).value == "order 1"
            (stream,) = clients._streams
            stream.subscription._client_stream.cancel()  # the connection is lost
            for number in range(1_100):  # more than Momento keeps for a subscriber that resumes
                publish(f"order {number + 2}")
            late = next(messages)
            assert late.gap and late.number > 2
            (gap,) = [event for event in notes if event.name == "gap"]
            assert (gap.topic, gap.missed) == ("orders", late.number - 2)
            assert not next(messages).gap


def test_what_no_waiting_fixes_is_raised(cloud, source, new_topic_client):
    with SharedTopicClient(source, new_topic_client) as clients:
        with pytest.raises(SubscriptionError, match="NOT_FOUND") as caught:
            next(clients.messages("no-such-cache", "orders"))
        assert caught.value.code == "NOT_FOUND_ERROR"
        cloud.revoke_api_key(cloud.api_key)
        with pytest.raises(SubscriptionError, match="it refuses the token"):
            next(clients.messages(CACHE, "orders"))


def test_a_failed_start_is_tried_again(cloud, source, new_topic_client, no_pauses):
    with SharedTopicClient(source, new_topic_client) as clients:
        clients.call(lambda client: client.publish(CACHE, "orders", "order"))
        # More often than a client has streams: the SDK never gives back that of a failed subscription.
        cloud.add_fault("momento", "Subscribe", error="UNAVAILABLE", times=130)
        assert next(clients.messages(CACHE, "orders")).value == "order"


def test_async_messages(cloud, source, no_pauses):
    configuration = TopicConfigurations.Default.v1().with_client_timeout(timedelta(seconds=0.5))
    sent, received = [*(f"order {number}" for number in range(20)), "the end"], []

    async def listen(clients: AsyncSharedTopicClient) -> None:
        async with aclosing(clients.messages(CACHE, "orders")) as messages:
            async for message in messages:
                received.append(message.value)
                if message.value == "the end":
                    return

    async def use() -> None:
        new_client = lambda token: TopicClientAsync(configuration, cloud.credentials_from(token))  # noqa: E731
        async with AsyncSharedTopicClient(source, new_client) as clients:
            listener = asyncio.create_task(listen(clients))
            while not clients._streams:
                await asyncio.sleep(0.01)
            for number, text in enumerate(sent):
                if number == 10:
                    await asyncio.to_thread(rotate, cloud)
                response = await clients.call(lambda client, text=text: client.publish(CACHE, "orders", text))
                assert isinstance(response, TopicPublish.Success), response
                await asyncio.sleep(0.05)
            await asyncio.wait_for(listener, 20)
            assert received == sent and not clients._streams
            await clients.call(lambda client: client.publish(CACHE, "orders", "later"))  # what a new one begins with
            # A subscriber that is cancelled is cancelled; closing ends one that waits.
            cancelled, closed = (asyncio.create_task(listen(clients)) for _ in range(2))
            while len(clients._streams) < 2:
                await asyncio.sleep(0.01)
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
        await asyncio.wait_for(closed, 10)

    asyncio.run(use())
