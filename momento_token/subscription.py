"""Where a subscriber is in a topic, over all the streams that it takes to read it.

Momento's topics are best effort: a message can be lost. The next one that arrives shows it, as messages are numbered,
and Momento says so when it can't resume where it was asked to.
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc

from .observer import Guarded

LASTED = 1.0  # seconds; a stream that ends sooner than that counts as one more failure


@dataclass(frozen=True)
class Message:
    """A message of a topic. `gap` is true if messages before it are known to be missing."""

    value: str | bytes
    number: int  # Momento's sequence number
    page: int  # numbers are only comparable within a page
    gap: bool = False


class Position:
    """What a subscriber has seen of a topic."""

    def __init__(self, topic_name: str, observer: Guarded) -> None:
        self._topic_name, self._observer = topic_name, observer
        self._number = self._page = 0
        self._discontinuity = False
        self._streams = 0
        self._began_at = float("inf")
        self._failures = 0

    @property
    def begun(self) -> bool:
        """Was there ever a stream?"""
        return self._streams > 0

    @property
    def resume_at(self) -> tuple[int, int]:
        """The number and page to subscribe at. (0, 0) means from now on, beginning with the topic's latest message."""
        return (self._number + 1, self._page) if self._number else (0, 0)

    def begin(self) -> None:
        """There is a stream now."""
        self._streams, self._began_at = self._streams + 1, time.monotonic()

    def fail(self) -> int:
        """The stream is over, or could not begin. How often that happened in a row; one that lasted begins anew."""
        lasted = time.monotonic() - self._began_at > LASTED
        self._failures = 1 if lasted else self._failures + 1
        self._began_at = float("inf")
        return self._failures

    def read(self, item: Any) -> Message | None:
        """The message in an item of the stream; None if it is a heartbeat, a discontinuity, or was seen before."""
        kind = item.WhichOneof("kind")
        self._failures = 0
        if kind == "discontinuity":
            self._discontinuity = True
        if kind != "item":
            return None
        number, page = item.item.topic_sequence_number, item.item.sequence_page
        if self._number and page == self._page and number <= self._number:
            return None
        value = item.item.value
        gap = self._tell_gap(number, page)
        self._number, self._page, self._discontinuity = number, page, False
        text = value.WhichOneof("kind") == "text"
        return Message(value.text if text else value.binary, number, page, gap)

    def _tell_gap(self, number: int, page: int) -> bool:
        if not self._number:
            # The first message that we see: nobody promised us those before it. But if the first stream has shown none,
            # the topic was empty then, and a later stream begins with the latest of all that came since.
            gap, missed = self._streams > 1 and number > 1, None
        elif page == self._page:
            missed = number - self._number - 1
            gap = missed > 0 or self._discontinuity
        else:
            gap, missed = True, None
        if gap:
            self._observer.tell("gap", self._topic_name, missed or None)
        return gap


# The iterator of momento 1.29's subscriptions never ends: when its stream does, it spins. And it drops discontinuities.
# So the stream under it is read. A test says when the SDK has another name for it.


def items(subscription: Any) -> Iterator[Any]:
    """What comes in on the stream, heartbeats too. Raises `grpc.RpcError` when the stream breaks off."""
    pid = os.getpid()
    for item in subscription._client_stream:
        yield item
        if os.getpid() != pid:
            return  # this is a child now, and the stream is its parent's


async def aitems(subscription: Any) -> AsyncIterator[Any]:
    """As `items`, for asyncio."""
    while (item := await subscription._client_stream.read()) is not grpc.aio.EOF:
        yield item
