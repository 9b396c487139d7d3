"""The production pattern, second half: one Momento client for a whole process, replaced when the token is.

Momento's clients take a token when they are made, and never another. So a new token means a new client, for everybody
at once, while the calls that use the old one finish.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from momento.errors import MomentoErrorCode

from .token_source import Held, TokenSource


@dataclass(eq=False)
class Lease:
    """A client in use, and the token that it was made with."""

    client: Any
    held: Held
    users: int = 0
    retired: bool = False


class SharedClient:
    """One Momento client for all threads: made from the source's token, and replaced when that is.

    `make(token)` gives a `CacheClient` or a `TopicClient`. A client that was replaced is closed when the last call that
    uses it is over.
    """

    def __init__(self, source: TokenSource, make: Callable[[str], Any]) -> None:
        self._source, self._make = source, make
        self._lock = threading.Lock()
        self._lease: Lease | None = None

    def call(self, operation: Callable[[Any], Any]) -> Any:
        """`operation(client)`, and its answer. If Momento refuses the token, again with a newer one, if there is one.

        A refused call has done nothing, so doing it again is safe for every operation. Raises `TokenUnavailable`.
        """
        while True:
            with self.lease() as lease:
                answer = operation(lease.client)
            if not is_refused(answer) or not self._source.renew(lease.held):
                return answer

    @contextmanager
    def lease(self) -> Iterator[Lease]:
        """The client, for something that takes longer than a call, such as a subscription. Raises `TokenUnavailable`."""
        lease, replaced = self._take(self._source.held())
        try:
            self._close(replaced)
            yield lease
        finally:
            self._close(self._give_back(lease))

    def is_outdated(self, lease: Lease) -> bool:
        """Is there a newer token than this client's? Raises `TokenUnavailable`."""
        return self._source.held().number > lease.held.number

    def close(self) -> None:
        """Close the client as soon as nobody uses it. The next call makes another."""
        self._close(self._retire())

    def _take(self, held: Held) -> tuple[Lease, Lease | None]:
        """A lease of the newest client, and the one that it replaced if that can be closed."""
        with self._lock:
            replaced = None
            if self._lease is None or held.number > self._lease.held.number:
                new = Lease(self._make(held.token), held)
                replaced, self._lease = self._retired(self._lease), new
            self._lease.users += 1
            return self._lease, replaced

    def _give_back(self, lease: Lease) -> Lease | None:
        """The lease, if it was the last of a client that is to be closed."""
        with self._lock:
            lease.users -= 1
            return lease if lease.retired and not lease.users else None

    def _retire(self) -> Lease | None:
        with self._lock:
            lease, self._lease = self._lease, None
            return self._retired(lease)

    @staticmethod
    def _retired(lease: Lease | None) -> Lease | None:
        if lease is None:
            return None
        lease.retired = True
        return None if lease.users else lease

    @staticmethod
    def _close(lease: Lease | None) -> None:
        if lease:
            lease.client.__exit__(None, None, None)


class AsyncSharedClient(SharedClient):
    """As `SharedClient`, for asyncio: `make(token)` gives a `CacheClientAsync` or a `TopicClientAsync`."""

    async def call(self, operation: Callable[[Any], Awaitable[Any]]) -> Any:
        while True:
            answer, held = await self._call(operation)
            if not is_refused(answer) or not await self._source.arenew(held):
                return answer

    async def close(self) -> None:
        await self._aclose(self._retire())

    async def _call(self, operation: Callable[[Any], Awaitable[Any]]) -> tuple[Any, Held]:
        lease, replaced = self._take(await self._source.aheld())
        try:
            await self._aclose(replaced)
            return await operation(lease.client), lease.held
        finally:
            await self._aclose(self._give_back(lease))

    @staticmethod
    async def _aclose(lease: Lease | None) -> None:
        if lease:
            await lease.client.__aexit__(None, None, None)


def is_refused(answer: Any) -> bool:
    """Does Momento say with this answer that the token is not, or no longer, good?"""
    return getattr(answer, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR
