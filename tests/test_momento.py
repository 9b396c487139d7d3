"""The local Momento, called by the unchanged SDK."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import time
from contextlib import closing
from datetime import timedelta

import grpc
import pytest
from momento import (
    CacheClient,
    CacheClientAsync,
    Configurations,
    TopicClient,
    TopicClientAsync,
    TopicConfigurations,
)
from momento.errors import MomentoErrorCode
from momento.responses import CacheGet, CacheSet, CacheSetIfNotExists, CreateCache, DeleteCache
from momento_wire_types import cachepubsub_pb2 as topic_pb
from momento_wire_types import cachepubsub_pb2_grpc as topic_grpc

from sandbox.commands import CACHES
from sandbox.momento_responses import Momento

CACHE = CACHES[0]
LISTEN = TopicConfigurations.Default.v1().with_client_timeout(timedelta(minutes=1))
DENIED = MomentoErrorCode.AUTHENTICATION_ERROR


def cache_client(provider) -> CacheClient:
    return CacheClient(Configurations.Laptop.v1(), provider, timedelta(seconds=60))


@pytest.fixture
def client(cloud):
    with cache_client(cloud.credentials_from(cloud.api_key)) as connected:
        yield connected


@pytest.fixture
def topics(cloud):
    with TopicClient(LISTEN, cloud.credentials_from(cloud.api_key)) as connected:
        yield connected


def test_caches_are_created_listed_flushed_and_deleted(client):
    assert isinstance(client.create_cache("new"), CreateCache.Success)
    assert isinstance(client.create_cache("new"), CreateCache.CacheAlreadyExists)
    assert [cache.name for cache in client.list_caches().caches] == ["new", CACHE]
    client.set("new", "k", "v")
    client.flush_cache("new")
    assert isinstance(client.get("new", "k"), CacheGet.Miss)
    assert isinstance(client.delete_cache("new"), DeleteCache.Success)
    assert client.delete_cache("new").error_code is MomentoErrorCode.NOT_FOUND_ERROR


def test_items_are_set_read_deleted_and_counted_and_expire(client):
    client.set(CACHE, "k", "v")
    assert client.get(CACHE, "k").value_string == "v"
    client.delete(CACHE, "k")
    assert isinstance(client.get(CACHE, "k"), CacheGet.Miss)
    client.set(CACHE, "k", "v", ttl=timedelta(milliseconds=1))
    time.sleep(0.01)
    assert isinstance(client.get(CACHE, "k"), CacheGet.Miss)
    assert [client.increment(CACHE, "n", by).value for by in (1, 5, -2)] == [1, 6, 4]
    assert client.get(CACHE, "n").value_string == "4"
    assert isinstance(client.set_if_not_exists(CACHE, "k", "first"), CacheSetIfNotExists.Stored)
    assert isinstance(client.set_if_not_exists(CACHE, "k", "second"), CacheSetIfNotExists.NotStored)
    assert client.increment(CACHE, "k").error_code is MomentoErrorCode.FAILED_PRECONDITION_ERROR


def test_what_is_not_there_is_said(client, topics):
    for response in (client.get("nowhere", "k"), topics.publish("nowhere", "t", "m"), topics.subscribe("nowhere", "t")):
        assert response.error_code is MomentoErrorCode.NOT_FOUND_ERROR
    response = client.list_length(CACHE, "l")  # the sandbox has no lists
    assert response.error_code is MomentoErrorCode.BAD_REQUEST_ERROR
    assert "doesn't answer ListLength" in response.inner_exception.message


def test_an_unknown_key_is_denied_on_every_call(cloud):
    provider = dataclasses.replace(cloud.credentials_from(cloud.api_key), auth_token="eyJ.wrong.key")
    with cache_client(provider) as client, TopicClient(LISTEN, provider) as topics:
        responses = [client.list_caches(), client.set(CACHE, "k", "v"), topics.publish(CACHE, "t", "m")]
        assert {response.error_code for response in [*responses, topics.subscribe(CACHE, "t")]} == {DENIED}


@pytest.mark.parametrize("kind", ["v2", "v1"])
def test_a_key_works_until_it_is_revoked(cloud, kind):
    key = cloud.issue_api_key(kind)
    with cache_client(cloud.credentials_from(key)) as client:
        assert isinstance(client.set(CACHE, "k", "v"), CacheSet.Success)
        cloud.revoke_api_key(key)
        assert client.get(CACHE, "k").error_code is DENIED


def test_faults_delay_and_fail_calls_until_they_are_cleared(cloud, client):
    cloud.add_fault("momento", "Increment", error="UNAVAILABLE", delay=0.2)
    started = time.perf_counter()
    assert client.increment(CACHE, "n").error_code is MomentoErrorCode.SERVER_UNAVAILABLE
    assert time.perf_counter() - started >= 0.2
    cloud.clear_faults()
    assert client.increment(CACHE, "n").value == 1


def test_a_call_whose_deadline_is_over_is_not_done(cloud, client):
    cloud.add_fault("momento", "Set", delay=0.5)
    hasty = Configurations.Laptop.v1().with_client_timeout(timedelta(seconds=0.2))
    with CacheClient(hasty, cloud.credentials_from(cloud.api_key), timedelta(seconds=60)) as other:
        assert other.set(CACHE, "k", "v").error_code is MomentoErrorCode.TIMEOUT_ERROR
    time.sleep(0.5)
    assert isinstance(client.get(CACHE, "k"), CacheGet.Miss)


def test_one_client_uses_one_connection(cloud, client):
    """gRPC shares one TCP connection between clients of one process whose settings are alike."""
    client.set(CACHE, "k", "v")
    before = cloud.connections_seen()["momento"]
    for _ in range(20):
        client.get(CACHE, "k")
    assert cloud.connections_seen()["momento"] == before >= 1 == cloud.clients_seen()


def test_the_async_client_works_with_many_calls_at_the_same_time(cloud):
    async def run() -> list[str]:
        provider = cloud.credentials_from(cloud.api_key)
        async with CacheClientAsync(Configurations.Laptop.v1(), provider, timedelta(seconds=60)) as client:
            await asyncio.gather(*(client.set(CACHE, str(n), str(n)) for n in range(100)))
            return [one.value_string for one in await asyncio.gather(*(client.get(CACHE, str(n)) for n in range(100)))]

    assert asyncio.run(run()) == [str(n) for n in range(100)]


# ---- topics ----


def take(subscription, count: int) -> list[tuple[int, str]]:
    return [(item.sequence_number, item.value) for item in itertools.islice(subscription, count)]


def test_a_subscriber_gets_the_latest_message_then_all_that_follow_or_all_from_where_it_resumes(topics):
    for text in ("old", "latest"):
        topics.publish(CACHE, "t", text)
    subscription = topics.subscribe(CACHE, "t")
    for number in range(3, 53):
        topics.publish(CACHE, "t", str(number))
    assert take(subscription, 51) == [(2, "latest"), *((number, str(number)) for number in range(3, 53))]
    subscription.unsubscribe()
    resumed = topics.subscribe(CACHE, "t", resume_at_topic_sequence_number=50)
    assert take(resumed, 3) == [(50, "50"), (51, "51"), (52, "52")]
    resumed.unsubscribe()


def test_an_async_subscriber_waits_for_what_another_task_publishes(cloud):
    async def run() -> list[str]:
        async with TopicClientAsync(LISTEN, cloud.credentials_from(cloud.api_key)) as topics:
            subscription = await topics.subscribe(CACHE, "t")

            async def publish() -> None:
                for text in ("one", "two"):
                    await topics.publish(CACHE, "t", text)

            publishing = asyncio.create_task(publish())
            values = [(await anext(subscription)).value for _ in range(2)]
            await publishing
            return values

    assert asyncio.run(run()) == ["one", "two"]


def test_every_subscriber_gets_every_message_and_topics_are_apart(topics):
    subscriptions = [topics.subscribe(CACHE, "t") for _ in range(10)]
    subscriptions.pop().unsubscribe()
    topics.publish(CACHE, "other", "elsewhere")
    topics.publish(CACHE, "t", "here")
    for subscription in subscriptions:
        assert take(subscription, 1) == [(1, "here")]
        subscription.unsubscribe()


@pytest.mark.needs_a_machine
def test_heartbeats_keep_a_silent_subscription_alive(monkeypatch):
    from sandbox import momento_server  # it needs grpcio's server

    monkeypatch.setattr(momento_server, "HEARTBEAT_SECONDS", 0.01)
    where = topic_pb._SubscriptionRequest(cache_name=CACHE, topic="t")

    async def kinds() -> list[str]:
        messages = momento_server._messages(Momento([CACHE])._subscribe(where))
        return [(await anext(messages)).WhichOneof("kind") for _ in range(3)]

    assert asyncio.run(kinds()) == ["heartbeat"] * 3


@pytest.mark.needs_a_machine
@pytest.mark.slow
def test_a_silent_subscription_bears_the_client_s_pings(cloud, topics):
    """Straight on the stub, with a ping each second, to wait less. Without the server's options it ends after three."""
    pings = [
        (f"grpc.{name}", value) for name, value in (("keepalive_time_ms", 1000), ("http2.max_pings_without_data", 0))
    ]
    with grpc.insecure_channel(cloud._sandbox.momento, pings) as channel:
        where = topic_pb._SubscriptionRequest(cache_name=CACHE, topic="t")
        stream = topic_grpc.PubsubStub(channel).Subscribe(where, metadata=[("authorization", cloud.api_key)])
        assert next(stream).WhichOneof("kind") == "heartbeat"
        time.sleep(4)
        topics.publish(CACHE, "t", "here")
        assert next(stream).item.value.text == "here"
        stream.cancel()


def test_calls_that_end_badly_leave_it_serving(cloud, topics):
    """Straight on the stubs: no metadata, bytes that are no message, an unknown service, streams that are given up."""
    mine = [("authorization", cloud.api_key), ("cache", CACHE)]
    with closing(grpc.insecure_channel(cloud._sandbox.momento)) as channel:
        for method, body, metadata, status in (
            ("/cache_client.Scs/Get", b"", [], "UNAUTHENTICATED"),
            ("/cache_client.Scs/Get", b"\xff\xff", mine, "UNKNOWN"),
            ("/other.Service/Get", b"", mine, "UNIMPLEMENTED"),
        ):
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(method)(body, metadata=metadata)
            assert caught.value.code().name == status
        where, stub = topic_pb._SubscriptionRequest(cache_name=CACHE, topic="t"), topic_grpc.PubsubStub(channel)
        given_up = [stub.Subscribe(where, metadata=mine) for _ in range(20)]
        for stream in given_up:
            next(stream)
            stream.cancel()
    subscription = topics.subscribe(CACHE, "t")
    topics.publish(CACHE, "t", "here")
    assert take(subscription, 1) == [(1, "here")]
    subscription.unsubscribe()
