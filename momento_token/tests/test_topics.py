"""Where a subscriber is in a topic, and what of the SDK that rests on."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from fakes import Bench, Notes
from momento.errors import MomentoErrorCode, SdkException
from momento.internal.services import Service
from momento.responses import TopicSubscribe

from momento_token.topics import AsyncSharedTopicClient, Position, SharedTopicClient
from momento_token.waiting import run


class Item:
    def __init__(self, kind: str, number: int = 0, page: int = 1) -> None:
        self.kind, self.topic_sequence_number, self.sequence_page = kind, number, page
        self.item, self.value, self.text = self, self, f"message {number}"

    def WhichOneof(self, of: str) -> str:
        return "text" if self is self.value and self.kind == "item" and self.asked() else self.kind

    def asked(self) -> bool:
        """The second question is for the kind of the value."""
        self.questions = getattr(self, "questions", 0) + 1
        return self.questions > 1


def read(position: Position, *items: Item) -> list[bool]:
    return [message.gap for item in items if (message := position.read(item))]


def test_gaps():
    position = Position("topic", notes := Notes())
    position.begin()
    assert read(position, Item("item", 5)) == [False]  # the latest, for a new subscriber
    assert read(position, Item("item", 5), Item("item", 4)) == []  # seen before
    assert read(position, Item("heartbeat"), Item("item", 6), Item("item", 9)) == [False, True]
    assert read(position, Item("discontinuity"), Item("item", 10)) == [True]
    assert read(position, Item("item", 11)) == [False]
    assert read(position, Item("item", 1, page=2)) == [True]
    assert position.resume_at == (2, 2) and [note.missed for note in notes] == [2, None, None]


def test_what_came_to_an_empty_topic_between_two_streams_is_missing():
    position = Position("topic", Notes())
    position.begin()  # nothing there
    position.begin()
    assert read(position, Item("item", 5)) == [True]


def test_pauses_grow_until_a_stream_has_lasted(monkeypatch):
    position = Position("topic", Notes())
    for lasted, failures in ((float("inf"), 1), (float("inf"), 2), (-1, 1)):
        monkeypatch.setattr("momento_token.topics.LASTED", lasted)
        position.begin()
        assert position.fail() == failures


def test_some_failed_subscriptions_do_not_cost_everybody_their_client():
    bench = Bench(SharedTopicClient)
    away, exhausted = (
        TopicSubscribe.Error(SdkException("…", code, Service.TOPICS, message_wrapper="…"))
        for code in (MomentoErrorCode.SERVER_UNAVAILABLE, MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED)
    )
    for response, times in ((away, 50), (exhausted, 1)):
        lease = run(bench.clients._lease())
        for _ in range(times):
            assert not lease.retired
            bench.clients._replace_if_worn(lease, response)
        run(bench.clients._give_back(lease))
        assert lease.client.closed
    assert len(bench.made) == 2


def test_a_subscriber_that_pauses_leaves_nothing_behind(monkeypatch):
    monkeypatch.setattr("momento_token.topics.backoff", lambda failures: 0.001)
    bench = Bench(AsyncSharedTopicClient)

    async def pause() -> None:
        for _ in range(100):
            await bench.clients._pause(Position("topic", Notes()))
        monkeypatch.setattr("momento_token.topics.backoff", lambda failures: 20)
        waiting = asyncio.create_task(bench.clients._pause(Position("topic", Notes())))
        await asyncio.sleep(0.05)
        assert len(bench.clients._pauses) == 1
        await bench.clients.close()
        await bench.clients.close()  # before the one that pauses has noticed the first
        await asyncio.wait_for(waiting, 5)

    asyncio.run(pause())
    assert not bench.clients._pauses


def test_a_closed_client_has_no_messages():
    bench = Bench(SharedTopicClient)
    bench.clients.close()
    assert list(bench.clients.messages("cache", "topic")) == []


@pytest.mark.parametrize("kind", [TopicSubscribe.Subscription, TopicSubscribe.SubscriptionAsync])
def test_the_sdk_still_has_what_we_read_from(kind):
    """If this fails, look whether its iterator ends now, and whether it shows a discontinuity: then `_item` can go."""
    assert "_client_stream" in kind.__init__.__code__.co_names
    assert issubclass(grpc.aio.AioRpcError, grpc.RpcError)
