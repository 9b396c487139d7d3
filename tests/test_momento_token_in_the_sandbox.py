"""momento_token over real boto3 and the real Momento SDK, against the sandbox: storms, forks, rotations, subscriptions."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, closing, contextmanager
from datetime import timedelta
from pathlib import Path

import boto3
import grpc
import pytest
from botocore.config import Config
from fakes import Notes, in_a_child, needs_fork, until
from momento import (
    CacheClient,
    CacheClientAsync,
    Configurations,
    TopicClient,
    TopicClientAsync,
    TopicConfigurations,
)
from momento.errors import MomentoErrorCode
from momento.responses import CacheIncrement, CacheSet, TopicPublish
from names import SECRET_NAME

from helpers.timing import OVERLAP, at_once
from momento_token import (
    AsyncSharedClient,
    SharedClient,
    SubscriptionError,
    TokenSource,
    TokenUnavailable,
    is_accepted,
    is_refused,
)
from momento_token.topics import AsyncSharedTopicClient, SharedTopicClient
from sandbox.api_keys import new_api_key

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]

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


def rotate(cloud, new: str | None = None) -> str:
    """The secret gets a new key, and the old one is revoked at once."""
    sm = boto3.client("secretsmanager")
    old = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    new = new or cloud.issue_api_key()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=new)
    cloud.revoke_api_key(old)
    return new


def environment_of(cloud) -> dict[str, str]:
    """Of a process that finds the sandbox."""
    address = {"MOMENTO_ENDPOINT": cloud.momento_endpoint, "MOMENTO_AT": cloud.momento_address}
    return {**os.environ, **address}


# The token


def test_many_threads_make_one_call(cloud, source):
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("cold") as page:
        assert set(at_once(source.get, 32)) == {cloud.api_key}
    assert page.count() == 1


def test_threads_and_tasks_share_one_call(cloud, source):
    cloud.add_fault("aws", delay=OVERLAP)
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(source.get())) for _ in range(8)]

    async def ask():
        return await asyncio.gather(*[source.aget() for _ in range(8)])

    with cloud.ledger.page("cold") as page:
        for thread in threads:
            thread.start()
        found += asyncio.run(ask())
        for thread in threads:
            thread.join()
    assert found == [cloud.api_key] * 16 and page.count() == 1


def test_a_refresh_makes_nobody_wait(cloud):
    now, sm, gate, notes = 0.0, new_sm(), threading.Event(), Notes()
    gate.set()

    class Gated:
        def get_secret_value(self, **wanted):
            assert gate.wait(30)
            return sm.get_secret_value(**wanted)

    # The clock stands still while the secret is read, however long that takes here.
    source = TokenSource(SECRET_NAME, Gated, ttl=10, max_age=60, report=notes, clock=lambda: now)
    source.get()
    for reads in (2, 3, 4):
        gate.clear()
        now += 8  # seconds: a refresh is due, and the copy is not too old
        begun = time.monotonic()
        with ThreadPoolExecutor(4) as readers:
            list(readers.map(lambda _: source.get(), range(100)))
        assert time.monotonic() - begun < 10  # with a second for each it would be 25
        gate.set()
        until(lambda wanted=reads: notes.names == ["read"] * wanted)


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


def test_many_refused_at_once_make_one_call(cloud, source):
    token = source.get()
    key = cloud.issue_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=key)
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("refused") as page:
        assert at_once(lambda: source.renew(token), 32) == [True] * 32
    assert page.count() == 1 and source.get() == key


# The client


def test_many_threads_share_one_client(cloud, source, new_cache_client):
    with SharedClient(source, new_cache_client) as clients:
        with cloud.ledger.page("at once") as page:
            at_once(lambda: clients.call(lambda client: client.set(CACHE, "key", "value")), 32)
    assert page.momento_clients == 1 and page.count("GetSecretValue") == 1
    assert page.count("Set", outcome="ok") == 32


def test_a_revoked_token_is_replaced_and_no_call_fails(cloud, source, new_cache_client):
    with SharedClient(source, new_cache_client) as clients:
        clients.call(lambda client: client.set(CACHE, "visits", "0"))
        rotate(cloud)
        with cloud.ledger.page("after the rotation") as page:
            answers = at_once(lambda: clients.call(lambda client: client.increment(CACHE, "visits")), 8)
    assert all(isinstance(answer, CacheIncrement.Success) for answer in answers)
    # Increment isn't safe to repeat, except after a refusal: each was done once.
    assert sorted(answer.value for answer in answers) == list(range(1, 9))
    assert page.count("GetSecretValue") == 1


def test_64_threads_a_wrong_new_token_and_slow_reads_all_return(cloud, source, new_cache_client):
    with SharedClient(source, new_cache_client) as clients:
        source.get()
        rotate(cloud, new_api_key())
        cloud.add_fault("aws", delay=0.3)
        with cloud.ledger.page("wrong twice") as page:
            answers = at_once(lambda: clients.call(lambda client: client.get(CACHE, "key")), 64)
    assert {answer.error_code for answer in answers} == {MomentoErrorCode.AUTHENTICATION_ERROR}
    assert page.count("GetSecretValue") <= 4 and page.momento_clients == 2


def test_a_wrong_new_token_never_takes_the_place_of_one_that_works(cloud, new_cache_client, no_pauses):
    def try_token(token: str) -> bool:
        with new_cache_client(token) as client:
            return is_accepted(client.get(CACHE, "key"))

    source = TokenSource(SECRET_NAME, new_sm, ttl=0.05, try_token=try_token)
    sm = boto3.client("secretsmanager")
    with SharedClient(source, new_cache_client) as clients:
        clients.call(lambda client: client.get(CACHE, "key"))
        sm.put_secret_value(SecretId=SECRET_NAME, SecretString=new_api_key())
        end = time.monotonic() + 0.5
        while time.monotonic() < end or source.problem is None:
            assert not is_refused(clients.call(lambda client: client.get(CACHE, "key")))
        assert "Momento refuses the new token" in str(source.problem)
        good = rotate_to_a_good_one(cloud, sm)
        until(lambda: source.get() == good)
        assert not is_refused(clients.call(lambda client: client.get(CACHE, "key")))


def rotate_to_a_good_one(cloud, sm) -> str:
    good = cloud.issue_api_key()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=good)
    return good


def test_asyncio(cloud, source):
    def new_client(token: str) -> CacheClientAsync:
        return CacheClientAsync(Configurations.Laptop.v1(), cloud.credentials_from(token), TTL)

    async def use() -> list[object]:
        async with AsyncSharedClient(source, new_client) as clients:
            first = await clients.call(lambda client: client.set(CACHE, "key", "value"))
            rotate(cloud)
            cloud.add_fault("aws", delay=OVERLAP)
            others = await asyncio.gather(
                *[clients.call(lambda client: client.set(CACHE, "key", "value")) for _ in range(16)]
            )
        return [first, *others]

    before = cloud.calls_seen().get("aws.GetSecretValue", 0)
    answers = asyncio.run(use())
    assert all(isinstance(answer, CacheSet.Success) for answer in answers)
    assert cloud.calls_seen()["aws.GetSecretValue"] - before == 2 + 1  # and that of `rotate`


RUNS = """
import asyncio, os, sys
from datetime import timedelta
from momento import CacheClientAsync, Configurations, CredentialProvider
from sandbox.plain_file import at_address
from momento_token import AsyncSharedClient, TokenSource

def new_client(token):
    provider = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    provider = at_address(provider, os.environ["MOMENTO_AT"])
    return CacheClientAsync(Configurations.Laptop.v1(), provider, timedelta(minutes=1))

source = TokenSource("{secret}")
clients = AsyncSharedClient(source, new_client)

async def visit():
    calls = [clients.call(lambda client: client.increment("{cache}", "visits")) for _ in range(8)]
    return max(answer.value for answer in await asyncio.gather(*calls))

print(*[asyncio.run(visit()) for _ in range(int(sys.argv[1]))])
"""


@pytest.mark.parametrize("runs", [2, 30])
def test_one_at_module_level_serves_one_event_loop_after_the_other(cloud, tmp_path, runs):
    (tmp_path / "runs.py").write_text(RUNS.format(secret=SECRET_NAME, cache=CACHE))
    done = subprocess.run(
        [sys.executable, str(tmp_path / "runs.py"), str(runs)],
        env=environment_of(cloud),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == "" and done.returncode == 0
    assert done.stdout.split() == [str(8 * run) for run in range(1, runs + 1)]


# Forks


@needs_fork
def test_children_work_on_with_clients_of_their_own(cloud, source, new_cache_client):
    clients = SharedClient(source, new_cache_client)
    clients.call(lambda client: client.set(CACHE, "key", "value"))

    def use() -> str:
        return type(clients.call(lambda client: client.get(CACHE, "key"))).__name__

    def reads() -> int:
        return cloud.calls_seen()["aws.GetSecretValue"]

    before = reads()
    assert in_a_child(use) == "Hit" and reads() == before  # inherited
    rotate(cloud)
    before = reads()
    assert [in_a_child(use) for _ in range(3)] == ["Hit"] * 3
    assert reads() == before + 3  # each found out by itself
    assert use() == "Hit" and reads() == before + 4
    clients.close()


SERVICE = """
import os
from datetime import timedelta
from momento import CacheClient, Configurations, CredentialProvider
from sandbox.plain_file import at_address
from momento_token import SharedClient, TokenSource

def new_client(token):
    provider = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    provider = at_address(provider, os.environ["MOMENTO_AT"])
    return CacheClient(Configurations.Laptop.v1(), provider, timedelta(minutes=1))

reads = []
report = lambda event: event.name == "read" and reads.append(event)
source = TokenSource("{secret}", ttl=0.2, report=report)
clients = SharedClient(source, new_client)
clients.call(lambda client: client.set("{cache}", "warm", "up"))  # before the fork, as --preload does

def app(environ, start_response):
    answer = clients.call(lambda client: client.increment("{cache}", "visits"))
    start_response("200 OK" if hasattr(answer, "value") else "500 Oh", [])
    return [f"{{os.getpid()}} {{len(reads)}} {{source.state}}".encode()]
"""


@contextmanager
def gunicorn(folder: Path, cloud, *options: str):
    (folder / "visits.py").write_text(SERVICE.format(secret=SECRET_NAME, cache=CACHE))
    command = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", *options, "visits:app"]
    with open(folder / "log", "w+", encoding="utf-8") as log:
        server = subprocess.Popen(command, cwd=folder, env=environment_of(cloud), stderr=log, stdout=log)

        def address() -> str | None:
            found = re.search(r"Listening at: (\S+)", (folder / "log").read_text())
            return found and found[1]

        try:
            until(lambda: address() or server.poll() is not None)
            yield address()
        finally:
            server.terminate()
            server.wait(20)


@needs_fork
def test_gunicorn_preloads_forks_and_survives_rotations(cloud, tmp_path):
    options = ["--preload", "-w", "4", "--threads", "2", "-k", "gthread"]
    with gunicorn(tmp_path, cloud, *options) as address:
        said: list[str] = []
        for round_ in range(4):
            if round_:
                rotate(cloud)
            for _ in range(40):
                with urllib.request.urlopen(address, timeout=20) as answer:
                    assert answer.status == 200
                    said.append(answer.read().decode())
    workers = {line.split()[0] for line in said}
    assert len(workers) >= 2, said[-5:]
    reads = {line.split()[0]: int(line.split()[1]) for line in said}
    assert all(count >= 2 for count in reads.values()), reads


# Subscriptions


@contextmanager
def listening(clients: SharedTopicClient, topic: str):
    """What a thread receives from a topic, and the thread."""
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
    publishing = SharedClient(source, new_topic_client)
    with (
        SharedTopicClient(source, new_topic_client) as clients,
        listening(clients, "orders") as (got, end),
    ):
        sent = []
        for number in range(100):
            if number % 20 == 10:
                rotate(cloud)
            sent.append(f"order {number}")
            answer = publishing.call(lambda client: client.publish(CACHE, "orders", sent[-1]))
            assert isinstance(answer, TopicPublish.Success)
        publishing.call(lambda client: client.publish(CACHE, "orders", "the end"))
        end.join(20)
        assert got == [*sent, "the end"]
    publishing.close()


def test_messages_go_on_while_the_source_has_a_problem(cloud, new_topic_client, no_pauses):
    source = TokenSource(SECRET_NAME, new_sm, ttl=0.05, max_age=0.1)
    with (
        SharedTopicClient(source, new_topic_client) as clients,
        listening(clients, "orders") as (got, _),
    ):
        publisher = new_topic_client(source.get())
        cloud.add_fault("aws", error="AccessDeniedException")
        until(lambda: source.state == "denied" or source.refresh_if_due())
        for number in range(5):
            publisher.publish(CACHE, "orders", f"order {number}")
        until(lambda: len(got) == 5)
        with pytest.raises(TokenUnavailable):
            source.get()
        publisher.close()


def test_messages_survive_streams_that_end(cloud, source, no_pauses):
    """The SDK's own deadline ends a stream; its iterator would spin from then on."""
    short = TopicConfigurations.Default.v1().with_client_timeout(timedelta(seconds=0.3))
    new_client = lambda token: TopicClient(short, cloud.credentials_from(token))  # noqa: E731
    with SharedTopicClient(source, new_client) as clients:
        with listening(clients, "orders") as (got, end):
            for number in range(20):
                clients.call(lambda client, text=f"order {number}": client.publish(CACHE, "orders", text))
                time.sleep(0.07)
            clients.call(lambda client: client.publish(CACHE, "orders", "the end"))
            end.join(20)
            assert got == [*(f"order {number}" for number in range(20)), "the end"]


def test_a_consumer_that_stops_leaves_no_stream_open(cloud, source, new_topic_client):
    with SharedTopicClient(source, new_topic_client) as clients:
        clients.call(lambda client: client.publish(CACHE, "orders", "order"))
        for message in clients.messages(CACHE, "orders"):
            assert message.value == "order" and not message.gap
            break
        assert not clients._streams
        with closing(clients.messages(CACHE, "orders")) as messages:
            assert next(messages).number == 1
            assert len(clients._streams) == 1
        assert not clients._streams
        # 100 streams are all that a client has: they were given back.
        for _ in range(120):
            with closing(clients.messages(CACHE, "orders")) as messages:
                next(messages)


def test_a_gap_is_said(cloud, new_topic_client):
    notes = Notes()
    source = TokenSource(SECRET_NAME, new_sm, report=notes)
    with SharedTopicClient(source, new_topic_client) as clients:
        publish = lambda text: clients.call(lambda c: c.publish(CACHE, "orders", text))  # noqa: E731
        publish("order 1")
        with closing(clients.messages(CACHE, "orders")) as messages:
            assert next(messages).value == "order 1"
            (stream,) = clients._streams
            stream.subscription._client_stream.cancel()  # the connection is lost
            for number in range(1_100):  # more than Momento keeps for one who resumes
                publish(f"order {number + 2}")
            late = next(messages)
            assert late.gap and late.number > 2
            (gap,) = [event for event in notes if event.name == "gap"]
            assert (gap.topic, gap.missed) == ("orders", late.number - 2)
            assert not next(messages).gap


def test_what_no_waiting_mends_is_raised(cloud, source, new_topic_client):
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

    def new_client(token: str) -> TopicClientAsync:
        return TopicClientAsync(configuration, cloud.credentials_from(token))

    async def use() -> list[str]:
        received: list[str] = []
        async with AsyncSharedTopicClient(source, new_client) as clients:

            async def publish(text: str) -> None:
                answer = await clients.call(lambda client: client.publish(CACHE, "orders", text))
                assert isinstance(answer, TopicPublish.Success), answer

            async def listen() -> None:
                async with aclosing(clients.messages(CACHE, "orders")) as messages:
                    async for message in messages:
                        received.append(message.value)
                        if message.value == "the end":
                            return

            listener = asyncio.create_task(listen())
            while not clients._streams:
                await asyncio.sleep(0.01)
            for number in range(30):
                if number % 10 == 5:
                    await asyncio.to_thread(rotate, cloud)
                await publish(f"order {number}")
                await asyncio.sleep(0.05)
            await publish("the end")
            await asyncio.wait_for(listener, 20)
            assert not clients._streams
            await publish("later")  # with which a new subscriber begins
            # One that waits is ended by closing; one that is cancelled is cancelled.
            waiting = [asyncio.create_task(listen()) for _ in range(2)]
            while len(clients._streams) < 2:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            waiting[0].cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting[0]
            received.remove("the end")
        await asyncio.wait_for(waiting[1], 10)
        return received

    received = asyncio.run(use())
    assert received[:30] == [f"order {number}" for number in range(30)]


def test_the_sdk_still_has_what_we_read_from():
    """If this fails, look whether its iterator ends now, and whether it says a discontinuity: then items() can go."""
    from momento.responses import TopicSubscribe

    for kind in (TopicSubscribe.Subscription, TopicSubscribe.SubscriptionAsync):
        assert "_client_stream" in kind.__init__.__code__.co_names
    assert issubclass(grpc.aio.AioRpcError, grpc.RpcError)
