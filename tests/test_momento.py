"""The local Momento, spoken to by the unchanged SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from datetime import timedelta

import grpc
import pytest
from momento import CacheClient, CacheClientAsync, Configurations, TopicClient, TopicConfigurations
from momento.errors import MomentoErrorCode
from momento.responses import (
    CacheGet,
    CacheSet,
    CacheSetIfNotExists,
    CreateCache,
    DeleteCache,
    TopicPublish,
    TopicSubscribe,
)
from momento_wire_types import cacheclient_pb2 as cache_pb
from momento_wire_types import cacheclient_pb2_grpc as cache_grpc
from momento_wire_types import cachepubsub_pb2 as topic_pb
from momento_wire_types import cachepubsub_pb2_grpc as topic_grpc

from sandbox.faults import Faults
from sandbox.momento import HEARTBEAT_SECONDS

CACHE = "tutorial"
LISTEN = TopicConfigurations.Default.v1().with_client_timeout(timedelta(minutes=1))


@pytest.fixture
def client(cloud):
    with CacheClient(
        Configurations.Laptop.v1(), cloud.credentials_from(cloud.api_key), timedelta(seconds=60)
    ) as connected:
        yield connected


@pytest.fixture
def topics(cloud):
    with TopicClient(LISTEN, cloud.credentials_from(cloud.api_key)) as connected:
        yield connected


def take(subscription, count: int) -> list[tuple[int, str]]:
    return [(item.sequence_number, item.value) for item in itertools.islice(subscription, count)]


def test_caches_are_created_listed_flushed_and_deleted(client):
    assert isinstance(client.create_cache("new"), CreateCache.Success)
    assert isinstance(client.create_cache("new"), CreateCache.CacheAlreadyExists)
    assert [cache.name for cache in client.list_caches().caches] == ["new", CACHE]
    client.set("new", "k", "v")
    client.flush_cache("new")
    assert isinstance(client.get("new", "k"), CacheGet.Miss)
    assert isinstance(client.delete_cache("new"), DeleteCache.Success)
    assert client.delete_cache("new").error_code is MomentoErrorCode.NOT_FOUND_ERROR


def test_an_item_is_set_read_and_deleted(client):
    client.set(CACHE, "k", "v")
    assert client.get(CACHE, "k").value_string == "v"
    client.delete(CACHE, "k")
    assert isinstance(client.get(CACHE, "k"), CacheGet.Miss)


def test_an_item_expires(client):
    client.set(CACHE, "k", "v", ttl=timedelta(milliseconds=80))
    assert isinstance(client.get(CACHE, "k"), CacheGet.Hit)
    time.sleep(0.1)
    assert isinstance(client.get(CACHE, "k"), CacheGet.Miss)


def test_the_time_to_live_is_told_and_changed(cloud):
    """Straight on the stub: the SDK for Python has no such calls yet."""
    with grpc.insecure_channel(cloud._sandbox.momento) as channel:
        data = cache_grpc.ScsStub(channel)
        to_cache = {"metadata": [("authorization", cloud.api_key), ("cache", CACHE)]}
        data.Set(
            cache_pb._SetRequest(cache_key=b"k", cache_body=b"v", ttl_milliseconds=60_000),
            **to_cache,
        )
        left = data.ItemGetTtl(cache_pb._ItemGetTtlRequest(cache_key=b"k"), **to_cache).found.remaining_ttl_millis
        assert 50_000 < left <= 60_000
        for change, outcome in (
            ({"increase_to_milliseconds": 1_000}, "not_set"),
            ({"decrease_to_milliseconds": 1_000}, "set"),
            ({"overwrite_to_milliseconds": 30_000}, "set"),
        ):
            answer = data.UpdateTtl(cache_pb._UpdateTtlRequest(cache_key=b"k", **change), **to_cache)
            assert answer.WhichOneof("result") == outcome
        assert data.ItemGetTtl(cache_pb._ItemGetTtlRequest(cache_key=b"other"), **to_cache).HasField("missing")
        exist = data.KeysExist(cache_pb._KeysExistRequest(cache_keys=[b"k", b"other"]), **to_cache).exists
        assert list(exist) == [True, False]


def test_increment_counts_and_refuses_text(client):
    assert [client.increment(CACHE, "n", by).value for by in (1, 5, -2)] == [1, 6, 4]
    assert client.get(CACHE, "n").value_string == "4"
    client.set(CACHE, "text", "abc")
    assert client.increment(CACHE, "text").error_code is MomentoErrorCode.FAILED_PRECONDITION_ERROR


def test_a_conditional_set_stores_once(client):
    assert isinstance(client.set_if_not_exists(CACHE, "k", "first"), CacheSetIfNotExists.Stored)
    assert isinstance(client.set_if_not_exists(CACHE, "k", "second"), CacheSetIfNotExists.NotStored)


def test_a_missing_cache_is_not_found(client, topics):
    assert client.get("nowhere", "k").error_code is MomentoErrorCode.NOT_FOUND_ERROR
    assert topics.publish("nowhere", "t", "m").error_code is MomentoErrorCode.NOT_FOUND_ERROR
    assert topics.subscribe("nowhere", "t").error_code is MomentoErrorCode.NOT_FOUND_ERROR


def test_an_unknown_key_is_refused_on_every_call(cloud):
    provider = dataclasses.replace(cloud.credentials_from(cloud.api_key), auth_token="eyJ.wrong.key")
    with CacheClient(Configurations.Laptop.v1(), provider, timedelta(seconds=60)) as client:
        assert client.list_caches().error_code is MomentoErrorCode.AUTHENTICATION_ERROR
        assert client.set(CACHE, "k", "v").error_code is MomentoErrorCode.AUTHENTICATION_ERROR
    with TopicClient(LISTEN, provider) as topics:
        assert topics.publish(CACHE, "t", "m").error_code is MomentoErrorCode.AUTHENTICATION_ERROR
        assert topics.subscribe(CACHE, "t").error_code is MomentoErrorCode.AUTHENTICATION_ERROR


@pytest.mark.parametrize("kind", ["v2", "v1"])
def test_a_key_works_until_it_is_revoked(cloud, kind):
    key = cloud.issue_api_key(kind)
    with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(key), timedelta(seconds=60)) as client:
        assert isinstance(client.set(CACHE, "k", "v"), CacheSet.Success)
        cloud.revoke_api_key(key)
        assert client.get(CACHE, "k").error_code is MomentoErrorCode.AUTHENTICATION_ERROR


def test_a_call_we_do_not_speak_says_so(client):
    answer = client.list_length(CACHE, "l")
    assert answer.error_code is MomentoErrorCode.BAD_REQUEST_ERROR
    assert "does not speak ListLength" in answer.inner_exception.message


def test_ping_needs_a_key_too(cloud):
    with grpc.insecure_channel(cloud._sandbox.momento) as channel:
        ping = channel.unary_unary("/cache_client.Ping/Ping")
        assert ping(b"", metadata=[("authorization", cloud.api_key)]) == b""
        with pytest.raises(grpc.RpcError, match="Invalid authentication"):
            ping(b"", metadata=[("authorization", "wrong")])


def test_a_subscriber_gets_the_latest_message_then_all_that_follow_in_order(topics):
    for text in ("old", "latest"):
        topics.publish(CACHE, "t", text)
    subscription = topics.subscribe(CACHE, "t")
    for number in range(50):
        topics.publish(CACHE, "t", str(number))
    assert take(subscription, 51) == [
        (2, "latest"),
        *((number + 3, str(number)) for number in range(50)),
    ]
    subscription.unsubscribe()


def test_a_subscriber_resumes_at_a_sequence_number(topics):
    for number in range(1, 6):
        topics.publish(CACHE, "t", str(number))
    subscription = topics.subscribe(CACHE, "t", resume_at_topic_sequence_number=3)
    assert take(subscription, 3) == [(3, "3"), (4, "4"), (5, "5")]
    subscription.unsubscribe()


def test_every_subscriber_gets_every_message_and_topics_are_apart(topics):
    subscriptions = [topics.subscribe(CACHE, "t") for _ in range(10)]
    topics.publish(CACHE, "other", "elsewhere")
    assert isinstance(topics.publish(CACHE, "t", "here"), TopicPublish.Success)
    for subscription in subscriptions:
        assert take(subscription, 1) == [(1, "here")]
        subscription.unsubscribe()


@pytest.mark.slow
def test_heartbeats_keep_a_silent_subscription_alive(cloud):
    """Straight on the stub, as the SDK hides heartbeats; the second one comes after the period."""
    with grpc.insecure_channel(cloud._sandbox.momento) as channel:
        stream = topic_grpc.PubsubStub(channel).Subscribe(
            topic_pb._SubscriptionRequest(cache_name=CACHE, topic="t"),
            metadata=[("authorization", cloud.api_key)],
            timeout=HEARTBEAT_SECONDS * 3,
        )
        assert [next(stream).WhichOneof("kind") for _ in range(2)] == ["heartbeat", "heartbeat"]
        stream.cancel()


def test_the_async_client_works_with_many_calls_at_once(cloud):
    async def run() -> list[str]:
        async with CacheClientAsync(
            Configurations.Laptop.v1(), cloud.credentials_from(cloud.api_key), timedelta(seconds=60)
        ) as client:
            await asyncio.gather(*(client.set(CACHE, str(n), str(n)) for n in range(100)))
            answers = await asyncio.gather(*(client.get(CACHE, str(n)) for n in range(100)))
        return [answer.value_string for answer in answers]

    assert asyncio.run(run()) == [str(n) for n in range(100)]


def test_faults_delay_and_fail_calls_until_they_are_cleared(cloud, client):
    cloud.add_fault("momento", "Increment", error="UNAVAILABLE", times=1)
    assert client.increment(CACHE, "n").error_code is MomentoErrorCode.SERVER_UNAVAILABLE
    assert client.increment(CACHE, "n").value == 1
    cloud.add_fault("momento", "Get", delay=0.2)
    started = time.perf_counter()
    client.get(CACHE, "n")
    assert time.perf_counter() - started >= 0.2
    cloud.clear_faults()


def test_a_subscription_is_an_iterator_of_the_sdk(topics):
    assert isinstance(topics.subscribe(CACHE, "t"), TopicSubscribe.Subscription)


def test_the_sandbox_counts_connections(cloud, client, topics):
    """gRPC shares one TCP connection between clients of one process whose settings are alike."""
    client.set(CACHE, "k", "v")
    before = cloud.connections_seen()["momento"]
    for _ in range(20):
        client.get(CACHE, "k")
    assert cloud.connections_seen()["momento"] == before >= 1


def test_a_port_that_comes_back_is_another_connection(monkeypatch):
    faults, now = Faults(), [0.0]
    monkeypatch.setattr("sandbox.faults.time.monotonic", lambda: now[0])
    calls = [("a", 0, True), ("a", 0.1, False), ("a", 0.2, True), ("a", 60, False), ("a", 62, True)]
    counts = []
    for peer, now[0], of_a_new_client in calls:
        faults.travel("momento", peer, of_a_new_client)
        counts.append(faults.connections()["momento"])
    assert counts == [1, 1, 1, 1, 2]
