"""One Momento client for a whole process, replaced when its token is.

Momento's clients take a token when they are made, and never another. So a new token means a new client, for everybody at
once, while the calls that use the old one finish. Nor do they survive a fork: the child makes its own.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    asynccontextmanager,
    contextmanager,
    suppress,
)
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
from momento import TopicClient, TopicClientAsync
from momento.errors import MomentoErrorCode
from momento.responses import TopicSubscribe

from .errors import SubscriptionError, TokenUnavailable
from .observer import Guarded, Observer
from .subscription import Message, Position, aitems, items
from .token_source import TokenSource, backoff
from .tokens import Token

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())

AnyClient = TypeVar("AnyClient")
Client = TypeVar("Client", bound=AbstractContextManager[Any])
AsyncClient = TypeVar("AsyncClient", bound=AbstractAsyncContextManager[Any])
Answer = TypeVar("Answer")

Subscription = TopicSubscribe.Subscription | TopicSubscribe.SubscriptionAsync

FAILED_SUBSCRIPTIONS = 50  # of the 100 streams that a client has

# What Momento answers when it can't tell whether the token is good.
_TELLS_NOTHING = {
    MomentoErrorCode.CANCELLED_ERROR,
    MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED,
    MomentoErrorCode.CONNECTION_ERROR,
    MomentoErrorCode.INTERNAL_SERVER_ERROR,
    MomentoErrorCode.LIMIT_EXCEEDED_ERROR,
    MomentoErrorCode.SERVER_UNAVAILABLE,
    MomentoErrorCode.TIMEOUT_ERROR,
    MomentoErrorCode.UNKNOWN_ERROR,
    MomentoErrorCode.UNKNOWN_SERVICE_ERROR,
}


@dataclass(eq=False)
class _Lease(Generic[AnyClient]):
    """A client in use, and the token that it was made with."""

    client: AnyClient
    token: Token
    pid: int
    users: int = 0
    retired: bool = False
    closing: bool = False  # it is closed once
    refused: bool = False
    failed_subscriptions: int = 0


class _TryAgain(Exception):
    """A stream ended, or could not begin, in a way that another one may mend."""


class _Clients(Generic[AnyClient]):
    """What both kinds of shared clients have in common: which client is in use, by how many, and when it may be closed."""

    def __init__(
        self,
        source: TokenSource,
        make: Callable[[Token], AnyClient],
        *,
        observer: Observer | None = None,
        timeout: float = 10,
        retry: float = 0.5,
        max_retry: float = 30,
    ) -> None:
        self._source, self._make, self._observer = source, make, Guarded(observer)
        self._timeout, self._retry, self._max_retry = timeout, retry, max_retry
        self._closed = False
        self._lease: _Lease[AnyClient] | None = None
        self._open: set[_Lease[AnyClient]] = set()
        self._swapped = 0
        self._streams: set[Subscription] = set()
        self._after_fork()
        _ALL.add(self)

    def __reduce__(self) -> str:
        raise TypeError("A shared client can't be pickled: make one in each process.")

    def __repr__(self) -> str:
        lease = self._lease
        held = "no client" if lease is None else f"a client with token {lease.token.number}"
        return f"<{type(self).__name__}: {'closed' if self._closed else held}>"

    def _take(
        self, token: Token, timeout: float
    ) -> tuple[_Lease[AnyClient], _Lease[AnyClient] | None]:
        """A client with this token or a newer one, and the client that it replaced, if that can be closed.

        While one thread makes the new client, the others go on with the old one, unless Momento refuses that: then they
        wait, so long at most. Raises `TokenUnavailable`.
        """
        while True:
            with self._lock:
                self._raise_if_closed()
                lease = self._lease
                if lease is not None and (
                    lease.token.number >= token.number
                    or (self._making.locked() and not lease.refused)
                ):
                    lease.users += 1
                    return lease, None
            if not self._making.acquire(timeout=min(timeout, threading.TIMEOUT_MAX)):
                raise TokenUnavailable(
                    f"The new Momento client has not been made within {timeout:.3g} s: see what `make` waits for.",
                    code="NoClient",
                )
            try:
                if self._lease is lease:  # nobody has made it while we waited
                    return self._replace(_Lease(self._make(token), token, os.getpid()))
            finally:
                self._making.release()

    def _replace(
        self, new: _Lease[AnyClient]
    ) -> tuple[_Lease[AnyClient], _Lease[AnyClient] | None]:
        with self._lock:
            self._open.add(new)
            new.users = 1
            new.retired = self._closed  # meanwhile: then it ends with this call
            old, self._lease = self._lease, None if self._closed else new
            self._swapped += old is not None
            return new, self._retired(old)

    def _tell_swap(self, lease: _Lease[AnyClient]) -> None:
        """Tell the observer of what was replaced since. Under no lock: it may call us."""
        with self._lock:
            swapped, self._swapped = self._swapped, 0
        for _ in range(swapped):
            self._observer.tell("swapped", lease.token.number)

    def _give_back(self, lease: _Lease[AnyClient]) -> _Lease[AnyClient] | None:
        """The lease, if it was the last of a client that is to be closed."""
        with self._lock:
            lease.users -= 1
            return self._closable(lease)

    def _retire(self, only: _Lease[AnyClient] | None = None) -> _Lease[AnyClient] | None:
        """Use the client no longer. It, if it can be closed at once."""
        with self._lock:
            lease = self._lease
            if only is not None and lease is not only:
                return None
            self._lease = None
            return self._retired(lease)

    def _retired(self, lease: _Lease[AnyClient] | None) -> _Lease[AnyClient] | None:
        if lease is None:
            return None
        lease.retired = True
        return self._closable(lease)

    def _closable(self, lease: _Lease[AnyClient]) -> _Lease[AnyClient] | None:
        """The lease, once, if it is to be closed now. One that was made before a fork never is: gRPC may hang on it."""
        over = lease.retired and not lease.users and not lease.closing
        if not over or lease.pid != os.getpid():
            return None
        lease.closing = True
        self._open.discard(lease)
        return lease

    def _shut(self) -> _Lease[AnyClient] | None:
        """End all streams and take no more calls. The client, if it can be closed at once."""
        self._closed = True
        self._closing.set()
        with self._lock:
            streams = list(self._streams)
        for stream in streams:
            stream.unsubscribe()
        return self._retire()

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise TokenUnavailable("This shared client was closed: make a new one.", code="Closed")

    def _after_fork(self) -> None:
        """In the child: its own locks, and no client. The parent's is kept from the garbage collector, which would close it."""
        # Reentrant, as a signal handler or a finaliser of this thread may close, or give a client back.
        self._lock, self._making = threading.RLock(), threading.Lock()
        self._closing = threading.Event()
        self._swapped = 0  # what the parent has not told yet, it tells
        self._streams.clear()
        _INHERITED.extend(self._open)
        self._open.clear()
        self._lease = None

    # Subscriptions

    def _is_outdated(self, lease: _Lease[AnyClient]) -> bool:
        """Is there a newer token than this stream's? A problem of the source is no reason to leave the stream."""
        self._source.refresh_if_due()
        return self._source.has_newer(lease.token)

    def _subscribed(self, answer: object, position: Position) -> Subscription:
        """The subscription. Raises `SubscriptionError` where asking again won't help, else `_TryAgain`."""
        if isinstance(answer, Subscription):
            position.begin()
            with self._lock:
                self._streams.add(answer)
            if self._closed:  # between the check and the subscription: nobody else would end it
                answer.unsubscribe()
            return answer
        assert isinstance(answer, TopicSubscribe.Error)
        code = answer.error_code
        if code in _TELLS_NOTHING or (position.begun and is_refused(answer)):
            raise _TryAgain
        raise SubscriptionError(
            f"Momento doesn't let us subscribe ({code.name}): "
            + (
                "it refuses the token, and the secret holds no other."
                if is_refused(answer)
                else answer.message
            ),
            code.name,
        )

    def _worn_out(self, lease: _Lease[AnyClient], answer: object) -> bool:
        """Has this client to be replaced, since a failed subscription takes up one of its streams for good?"""
        if not isinstance(answer, TopicSubscribe.Error):
            return False
        lease.failed_subscriptions += 1
        exhausted = answer.error_code is MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED
        return exhausted or lease.failed_subscriptions >= FAILED_SUBSCRIPTIONS

    def _leave(self, subscription: Subscription, lease: _Lease[AnyClient]) -> None:
        with self._lock:
            self._streams.discard(subscription)
        if lease.pid == os.getpid():
            subscription.unsubscribe()

    def _pause(self, position: Position, error: Exception) -> float:
        """How long to wait before the next stream, in seconds. Raises what no waiting mends."""
        final = isinstance(error, TokenUnavailable) and (error.denied or error.code == "Closed")
        if final or (isinstance(error, TokenUnavailable) and not position.begun):
            raise error
        return backoff(position.fail(), self._retry, self._max_retry)


class SharedClient(_Clients[Client]):
    """One Momento client for all threads of a process: made from the source's token, and replaced when that is.

    `make(token)` gives a `CacheClient` or a `TopicClient`. A client that was replaced is closed when the last call that
    uses it is over. After a fork the child makes a client of its own. Fork before the traffic begins: gRPC can't be
    forked safely while other threads are in it.

    `timeout`, in seconds: so long a call waits at most for another thread that makes the first client, or one in the
    place of a refused one. `retry` and `max_retry`, in seconds, bound the pauses between the streams of `messages`, as
    those of `TokenSource`.
    """

    def call(self, operation: Callable[[Client], Answer], timeout: float | None = None) -> Answer:
        """`operation(client)`, and its answer. If Momento refuses the token, again with a newer one, if there is one.

        A refused call has done nothing, so doing it again is safe for every operation. It may wait for a token, as
        `TokenSource.get` does, each time at most `timeout` seconds. Raises `TokenUnavailable`.
        """
        while True:
            with self._using(self._source.get(timeout), timeout) as lease:
                answer = operation(lease.client)
            if not is_refused(answer):
                return answer
            lease.refused = True
            if not self._source.renew(lease.token, timeout):
                return answer

    @contextmanager
    def lease(self) -> Iterator[Client]:
        """The client, for something that takes longer than a call. It stays open until the block ends.

        It may wait for a token, as `TokenSource.get` does. Raises `TokenUnavailable`.
        """
        with self._using(self._source.get()) as lease:
            yield lease.client

    def messages(
        self: SharedClient[TopicClient], cache_name: str, topic_name: str
    ) -> Generator[Message, None, None]:
        """The messages of a topic, from its latest one on, until this shared client is closed.

        It outlives rotations, lost streams and problems of the source: it subscribes again after the last message. A
        message with `gap` says that others before it are missing. Its stream is closed when you stop: at once where you
        close the iterator, with `contextlib.closing` or by leaving a `for` loop that is its only holder.

        Raises `SubscriptionError` where Momento says no, such as for a cache that doesn't exist, and `TokenUnavailable`
        where there is no token to begin with, or Secrets Manager says no when a stream has to be replaced.
        """
        position = Position(topic_name, self._observer)
        while not self._closed:
            try:
                yield from self._stream(cache_name, topic_name, position)
            except (_TryAgain, TokenUnavailable, grpc.RpcError) as error:
                if not self._closed:
                    self._closing.wait(self._pause(position, error))

    def _stream(
        self: SharedClient[TopicClient], cache_name: str, topic_name: str, position: Position
    ) -> Iterator[Message]:
        """The messages of one stream. It ends when there is a newer token; raises `_TryAgain` when it broke off."""
        with self._using(self._source.get()) as lease:
            answer = lease.client.subscribe(cache_name, topic_name, *position.resume_at)
            if is_refused(answer):
                lease.refused = True
                if self._source.renew(lease.token):
                    return
            if self._worn_out(lease, answer):
                self._close(self._retire(lease))
            subscription = self._subscribed(answer, position)
            try:
                for item in items(subscription):
                    if message := position.read(item):
                        yield message
                    if self._is_outdated(lease):
                        return
                raise _TryAgain
            finally:
                self._leave(subscription, lease)

    def reset(self) -> None:
        """Make a new client for the next call: for a process that was restored from a snapshot."""
        self._close(self._retire())

    def close(self) -> None:
        """End all subscriptions, and close the client as soon as the last call that uses it is over. Waits for nobody.

        A subscription that is just being made ends when Momento answers.
        """
        self._close(self._shut())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    @contextmanager
    def _using(self, token: Token, timeout: float | None = None) -> Iterator[_Lease[Client]]:
        lease, replaced = self._take(token, self._timeout if timeout is None else timeout)
        try:
            self._close(replaced)
            self._tell_swap(lease)
            yield lease
        finally:
            self._close(self._give_back(lease))

    @staticmethod
    def _close(lease: _Lease[Client] | None) -> None:
        if lease:
            try:
                lease.client.__exit__(None, None, None)
            except Exception as error:  # which is not the trouble of whoever gave it back last
                log.warning("A Momento client could not be closed (%s).", type(error).__name__)


class AsyncSharedClient(_Clients[AsyncClient]):
    """As `SharedClient`, for the tasks of one event loop: `make(token)` gives a `CacheClientAsync` or a `TopicClientAsync`."""

    async def call(
        self, operation: Callable[[AsyncClient], Awaitable[Answer]], timeout: float | None = None
    ) -> Answer:
        """As `SharedClient.call`; while it waits, the event loop goes on."""
        while True:
            async with self._using(await self._source.aget(timeout), timeout) as lease:
                answer = await operation(lease.client)
            if not is_refused(answer):
                return answer
            lease.refused = True
            if not await self._source.arenew(lease.token, timeout):
                return answer

    @asynccontextmanager
    async def lease(self) -> AsyncIterator[AsyncClient]:
        """As `SharedClient.lease`."""
        async with self._using(await self._source.aget()) as lease:
            yield lease.client

    async def messages(
        self: AsyncSharedClient[TopicClientAsync], cache_name: str, topic_name: str
    ) -> AsyncGenerator[Message, None]:
        """As `SharedClient.messages`. Close it with `contextlib.aclosing` if you stop before its end."""
        position = Position(topic_name, self._observer)
        while not self._closed:
            try:
                async with aclosing(self._stream(cache_name, topic_name, position)) as stream:
                    async for message in stream:
                        yield message
            except (_TryAgain, TokenUnavailable, grpc.RpcError) as error:
                if not self._closed:
                    await self._sleep(self._pause(position, error))
            except asyncio.CancelledError:
                task = asyncio.current_task()
                if not self._closed or (task is not None and task.cancelling()):
                    raise  # else it is the stream that `close` has cancelled

    async def _stream(
        self: AsyncSharedClient[TopicClientAsync],
        cache_name: str,
        topic_name: str,
        position: Position,
    ) -> AsyncGenerator[Message, None]:
        async with self._using(await self._source.aget()) as lease:
            answer = await lease.client.subscribe(cache_name, topic_name, *position.resume_at)
            if is_refused(answer):
                lease.refused = True
                if await self._source.arenew(lease.token):
                    return
            if self._worn_out(lease, answer):
                await self._close(self._retire(lease))
            subscription = self._subscribed(answer, position)
            try:
                async for item in aitems(subscription):
                    if message := position.read(item):
                        yield message
                    if self._is_outdated(lease):
                        return
                raise _TryAgain
            finally:
                self._leave(subscription, lease)

    async def reset(self) -> None:
        """As `SharedClient.reset`."""
        await self._close(self._retire())

    async def close(self) -> None:
        """As `SharedClient.close`."""
        await self._close(self._shut())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @asynccontextmanager
    async def _using(
        self, token: Token, timeout: float | None = None
    ) -> AsyncIterator[_Lease[AsyncClient]]:
        lease, replaced = self._take(token, self._timeout if timeout is None else timeout)
        try:
            await self._close(replaced)
            self._tell_swap(lease)
            yield lease
        finally:
            await self._close(self._give_back(lease))

    async def _sleep(self, seconds: float) -> None:
        """Sleep, or until this is closed."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self._closed:
                    await asyncio.sleep(min(seconds, 0.1))

    @staticmethod
    async def _close(lease: _Lease[AsyncClient] | None) -> None:
        if lease:
            closing = asyncio.ensure_future(lease.client.__aexit__(None, None, None))
            try:
                await asyncio.shield(closing)  # a cancelled task must not leave it half closed
            except Exception as error:
                log.warning("A Momento client could not be closed (%s).", type(error).__name__)


def is_refused(answer: object) -> bool:
    """Does Momento say with this answer that the token is not, or no longer, good?"""
    return getattr(answer, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR


def proves(answer: object) -> bool:
    """For `TokenSource`'s `prove`: does this answer show that the token is good?

    A token that may not do what was asked is no better than a wrong one. Raises `RuntimeError` where the answer doesn't
    tell, as Momento couldn't be reached.
    """
    code = getattr(answer, "error_code", None)
    if code in _TELLS_NOTHING:
        raise RuntimeError(f"Momento answered {code.name}")
    return code not in (MomentoErrorCode.AUTHENTICATION_ERROR, MomentoErrorCode.PERMISSION_ERROR)


# In the child of a fork no client of the parent's is used, closed or collected.
_ALL: weakref.WeakSet[_Clients[Any]] = weakref.WeakSet()
_INHERITED: list[object] = []


def _after_fork_in_child() -> None:
    for clients in list(_ALL):
        clients._after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
