"""Subscriptions that outlive rotations: a shared topic client with `messages`. Leave this file out if you need none.

Momento's topics are best effort: a message can be lost. The next one that arrives shows it, as messages are numbered,
and Momento says so when it can't resume where it was asked to.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Callable, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import grpc.aio  # type: ignore[import-untyped, unused-ignore]
from momento import TopicClient, TopicClientAsync
from momento.errors import MomentoErrorCode
from momento.responses import TopicSubscribe

from .errors import SubscriptionError, TokenUnavailable
from .events import Event
from .shared_client import SAYS_NOTHING, AsyncSharedClient, Lease, SharedClient, SharedClients, is_refused
from .token_source import TokenSource
from .tokens import Token
from .waiting import backoff, end, new_future, run

LASTED = 1.0  # seconds; a stream that ends sooner than that counts as one more failure
FAILED_SUBSCRIPTIONS = 50  # after which a client is replaced: each takes up one of its 100 streams for good
END: Any = object()


@dataclass(frozen=True)
class Message:
    """A message of a topic. `gap` is true if messages before it are known to be missing."""

    value: str | bytes
    number: int  # Momento's sequence number
    page: int  # numbers are only comparable within a page
    gap: bool = False


class Position:
    """What a subscriber has seen of a topic, over all the streams that it takes to read it."""

    def __init__(self, topic: str, tell: Callable[[Event], None]) -> None:
        self._topic, self._tell = topic, tell
        self._last: tuple[int, int] | None = None  # page and number of the latest message
        self._streams = self._failures = 0
        self._discontinuity, self._began_at = False, float("inf")

    @property
    def begun(self) -> bool:
        """Whether there ever was a stream."""
        return self._streams > 0

    @property
    def resume_at(self) -> tuple[int, int]:
        """The number and page to subscribe at. (0, 0) means from now on, beginning with the topic's latest message."""
        return (self._last[1] + 1, self._last[0]) if self._last else (0, 0)

    def begin(self) -> None:
        """Note that there is a stream now."""
        self._streams, self._began_at = self._streams + 1, time.monotonic()

    def fail(self) -> int:
        """Note that the stream has ended, or could not begin. Returns how often in a row, unless it lasted."""
        lasted = time.monotonic() - self._began_at > LASTED
        self._failures, self._began_at = 1 if lasted else self._failures + 1, float("inf")
        return self._failures

    def read(self, item: Any) -> Message | None:
        """Return the message in an item of the stream; None for a heartbeat, a discontinuity, and one seen before."""
        kind, self._failures = item.WhichOneof("kind"), 0
        self._discontinuity = self._discontinuity or kind == "discontinuity"
        if kind != "item":
            return None
        number, page, value = int(item.item.topic_sequence_number), int(item.item.sequence_page), item.item.value
        last_page, last = self._last or (page, 0)
        if page == last_page and number <= last:
            return None
        missed = number - last - 1 if self._last and page == last_page else None
        if self._last is None:  # those before the first message don't count, unless a stream has found the topic empty
            gap = self._streams > 1 and number > 1
        else:
            gap = page != last_page or bool(missed) or self._discontinuity
        if gap:
            said = f"Messages of the topic {self._topic} are missing."
            self._tell(Event("gap", said, topic=self._topic, missed=missed or None))
        self._last, self._discontinuity = (page, number), False
        return Message(value.text if value.WhichOneof("kind") == "text" else value.binary, number, page, gap)


@dataclass(eq=False)
class _Stream:
    subscription: Any
    lease: Lease[Any]


class _Topics(SharedClients[Any]):
    """What both kinds of shared topic clients have in common."""

    def __init__(self, source: TokenSource, new_client: Callable[[Token], Any]) -> None:
        super().__init__(source, new_client)
        self._streams: set[_Stream] = set()
        self._pauses: set[Future[None]] = set()

    async def _opened(self, cache_name: str, topic: str, position: Position) -> _Stream | None:
        """Subscribe, and again while that may help. Returns None if this client was closed."""
        while not self._closed:
            try:
                lease = await self._lease()
            except TokenUnavailable as error:
                if not self._closed and (error.denied or not position.begun):
                    raise
                await self._pause(position)
                continue
            stream = None
            try:
                subscribe: Callable[..., Any] = lease.client.subscribe
                response = await self.how.result_of(lambda: subscribe(cache_name, topic, *position.resume_at))  # noqa: B023
                if not isinstance(response, TopicSubscribe.Error):
                    stream = _Stream(response, lease)
                    self._streams.add(stream)
                    position.begin()
                    if self._closed:  # in the meantime: then no other thread would end it
                        response.unsubscribe()
                    return stream
                if is_refused(response) and await self._renewed(lease):
                    continue
                self._replace_if_worn(lease, response)
            finally:
                if stream is None:
                    await self._give_back(lease)
            code = response.error_code
            if code not in SAYS_NOTHING and not (position.begun and is_refused(response)):
                why = (
                    "it refuses the token, and the secret holds no other" if is_refused(response) else response.message
                )
                raise SubscriptionError(f"Momento refuses the subscription ({code.name}): {why}.", code.name)
            await self._pause(position)
        return None

    def _replace_if_worn(self, lease: Lease[Any], response: TopicSubscribe.Error) -> None:
        lease.failed_subscriptions += 1
        exhausted = response.error_code is MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED
        if exhausted or lease.failed_subscriptions >= FAILED_SUBSCRIPTIONS:
            if self._current.get(lease.place) is lease:
                del self._current[lease.place]
            lease.retired = True

    async def _next(self, stream: _Stream, position: Position) -> Message | None:
        """Return the next message, or None if this stream is over: there is a newer token, or it broke off."""
        while True:
            self.source.refresh_if_due()
            if self.source.has_newer(stream.lease.token):
                return None
            try:
                item = await self.how.result_of(lambda: self._item(stream.subscription))
            except grpc.RpcError:
                item = END
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not self._closed or (task is not None and task.cancelling()):
                    raise  # else it is the stream that `close` has cancelled
                item = END
            if item is END or stream.lease.place != self._place():  # or this is a child, and the stream its parent's
                await self._pause(position)
                return None
            if message := position.read(item):
                return message

    # The iterator of momento 1.29's subscriptions never ends: when its stream does, it spins. And it drops
    # discontinuities. So the stream under it is read. A test says when the SDK has another name for it.

    def _item(self, subscription: Any) -> Any:
        raise NotImplementedError

    async def _pause(self, position: Position) -> None:
        pause = new_future()  # one for each, as a task that waits leaves a callback
        self._pauses.add(pause)
        try:
            await self.how.until(pause, 0 if self._closed else backoff(position.fail()))
        finally:
            self._pauses.discard(pause)

    async def _leave(self, stream: _Stream) -> None:
        self._streams.discard(stream)
        if stream.lease.place == self._place():
            stream.subscription.unsubscribe()
        await self._give_back(stream.lease)

    async def _shut(self) -> None:
        await super()._shut()
        for pause in list(self._pauses):
            end(pause)  # also if it is closed twice
        for stream in list(self._streams):
            if stream.lease.place[0] == os.getpid():
                stream.subscription.unsubscribe()


class SharedTopicClient(_Topics, SharedClient[TopicClient]):
    """A SharedClient for a `TopicClient`, with its subscriptions."""

    def messages(self, cache_name: str, topic: str) -> Generator[Message, None, None]:
        """Yield the messages of a topic, from its latest one on, until this shared client is closed.

        It subscribes again after the last message when a rotation, a lost connection or a deadline has ended the stream.
        The stream is closed when you stop: immediately where you close the generator, as `contextlib.closing` does.

        Raises `SubscriptionError` if Momento refuses the subscription, as for a cache that doesn't exist, and
        `TokenUnavailable` if there is no token to begin with, or Secrets Manager denies the read when a stream has to be
        replaced. A denial ends no stream that is open.
        """
        position = Position(topic, self.source.events.tell)
        while stream := run(self._opened(cache_name, topic, position)):
            try:
                while message := run(self._next(stream, position)):
                    yield message
            finally:
                run(self._leave(stream))

    def _item(self, subscription: Any) -> Any:
        return next(subscription._client_stream, END)


class AsyncSharedTopicClient(_Topics, AsyncSharedClient[TopicClientAsync]):
    """An AsyncSharedClient for a `TopicClientAsync`, with its subscriptions."""

    async def messages(self, cache_name: str, topic: str) -> AsyncGenerator[Message, None]:
        """Yield messages as `SharedTopicClient.messages` does. Use `contextlib.aclosing` if you stop before the end."""
        position = Position(topic, self.source.events.tell)
        while stream := await self._opened(cache_name, topic, position):
            try:
                while message := await self._next(stream, position):
                    yield message
            finally:
                await self._leave(stream)

    async def _item(self, subscription: Any) -> Any:
        untyped: Any = grpc
        item = await subscription._client_stream.read()
        return END if item is untyped.aio.EOF else item
