"""One Momento client for a whole process, replaced when its token is.

Momento's clients take a token when they are made, and never another. So a new token means a new client for all callers,
while calls that use the old one finish. A client survives neither a fork nor the end of its event loop: each process has
its own, and so has each loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Self, TypeVar

from momento.errors import MomentoErrorCode

from .errors import TokenUnavailable
from .events import Event, log
from .token_source import TokenSource
from .tokens import Token
from .waiting import Blocking, ProcessLock, Suspending, end_of, new_future, run

AnyClient = TypeVar("AnyClient")
Client = TypeVar("Client", bound=AbstractContextManager[Any])
AsyncClient = TypeVar("AsyncClient", bound=AbstractAsyncContextManager[Any])
Response = TypeVar("Response")
Place = tuple[int, asyncio.AbstractEventLoop | None]  # the process and the loop in which a client can be used

# Errors of Momento that don't tell whether the token is good.
SAYS_NOTHING = frozenset({
    MomentoErrorCode.CANCELLED_ERROR, MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED, MomentoErrorCode.CONNECTION_ERROR,
    MomentoErrorCode.INTERNAL_SERVER_ERROR, MomentoErrorCode.LIMIT_EXCEEDED_ERROR, MomentoErrorCode.SERVER_UNAVAILABLE,
    MomentoErrorCode.TIMEOUT_ERROR, MomentoErrorCode.UNKNOWN_ERROR, MomentoErrorCode.UNKNOWN_SERVICE_ERROR,
})  # fmt: skip
ANOTHER_TRY = 10.0  # seconds until a client is made again with a token with which none could be made


def is_refused(response: object) -> bool:
    """Return whether Momento refused this call because its token is not, or no longer, good."""
    return getattr(response, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR


def is_accepted(response: object) -> bool:
    """Return whether this response shows that Momento accepts the token, for what was called: see `try_token`.

    Raises `RuntimeError` if the response doesn't tell, as Momento could not be reached.
    """
    code = getattr(response, "error_code", None)
    if code in SAYS_NOTHING:
        raise RuntimeError(f"Momento's response was {code.name}")
    return code not in (MomentoErrorCode.AUTHENTICATION_ERROR, MomentoErrorCode.PERMISSION_ERROR)


@dataclass(eq=False)
class Lease(Generic[AnyClient]):
    """A client in use, the token that it was made with, and where it can be used."""

    client: AnyClient
    token: Token
    place: Place
    users: int = 1
    retired: bool = False  # it is closed when its last user has gone
    refused: bool = False
    failed_subscriptions: int = 0


class SharedClients(Generic[AnyClient]):
    """What the two kinds of shared clients have in common: which client is in use, by how many, and when it is closed."""

    how: type[Blocking]

    def __init__(self, source: TokenSource, new_client: Callable[[Token], AnyClient]) -> None:
        self.source, self._new_client = source, new_client
        self._closed = False
        self._lock = ProcessLock()
        self._current: dict[Place, Lease[AnyClient]] = {}
        self._open: set[Lease[AnyClient]] = set()
        self._making: dict[Place, Future[None]] = {}
        self._problem: TokenUnavailable | None = None
        self._failed_at, self._failed_with = 0.0, 0  # the number of a token

    @property
    def ready(self) -> bool:
        """Whether calls can be expected to succeed. For a readiness check: see `TokenSource.ready`."""
        usable = self._problem is None or any(not lease.refused for lease in list(self._current.values()))
        return self.source.ready and usable and not self._closed

    @property
    def problem(self) -> TokenUnavailable | None:
        """Why there is no client with the newest token, or why the last read of the secret failed, or None."""
        return self._problem or self.source.problem

    def __reduce__(self) -> str:
        raise TypeError("A shared client can't be pickled: make one in each process.")

    def __repr__(self) -> str:
        held = ", ".join(f"token {it.token.number}" for it in self._current.values()) or "no client"
        return f"<{type(self).__name__}: {'closed' if self._closed else held}>"

    async def _call(self, operation: Callable[[AnyClient], Any], timeout: float | None) -> Any:
        while True:
            lease = await self._lease(timeout)
            try:
                response = await self.how.result_of(partial(operation, lease.client))
            finally:
                await self._give_back(lease)
            if not is_refused(response):
                if getattr(response, "error_code", None) not in SAYS_NOTHING:
                    lease.refused = False
                    self.source.accepted(lease.token)
                return response
            if not await self._renewed(lease, timeout):
                return response

    async def _renewed(self, lease: Lease[AnyClient], timeout: float | None = None) -> bool:
        """Momento has refused this client's token: return whether there is a newer one."""
        lease.refused = True
        return await self.source.renew_as(self.how, lease.token, timeout)

    async def _lease(self, timeout: float | None = None) -> Lease[AnyClient]:
        """Return a client with the current token, for `_give_back` after its use.

        While one caller makes it the others use the one before, unless that is refused: then they wait.
        """
        token = await self.source.get_as(self.how, timeout)
        end, place = end_of(timeout), self._place()
        while True:
            with self._lock.here():
                if self._closed:
                    raise TokenUnavailable("This shared client was closed: make a new one.", code="Closed")
                lease, making = self._current.get(place), self._making.get(place)
                if lease is not None:
                    spared = not lease.refused and (making is not None or self._failed_lately(token))
                    if lease.token.number >= token.number or spared:
                        lease.users += 1
                        return lease
            if making is not None:
                await self.how.until(making, end - time.monotonic())
                if not making.done():
                    said = "No Momento client was made in time: see what the function that makes it waits for."
                    raise TokenUnavailable(said, code="NoClient")
                continue
            mine, is_ours = new_future(), False
            try:
                with self._lock.here():
                    is_same = self._current.get(place) is lease
                    if is_same and place not in self._making:  # no call follows in this line or the next, so no signal
                        self._making[place], is_ours = mine, True
                new = self._make(token, place, lease) if is_ours else None
            finally:
                if is_ours:  # before any other call, so that no signal leaves it there
                    self._making.pop(place, None)
                mine.set_result(None)
                self.source.events.tell_noted()
            if new is not None:
                return new

    def _make(self, token: Token, place: Place, before: Lease[AnyClient] | None) -> Lease[AnyClient] | None:
        """Make a client, and return None if that fails and the one before can still be used."""
        self._forget_dead()
        try:
            new = Lease(self._new_client(token), token, place)
        except Exception as error:
            code = type(error).__name__
            said = f"No Momento client can be made with the new token ({code})"
            said += "." if before is None or before.refused else ": the one before stays in use."
            self._problem = TokenUnavailable(said, code=code)
            self._failed_at, self._failed_with = time.monotonic(), token.number
            self.source.events.note(Event("client_failed", said, logging.WARNING, code))
            if before is None or before.refused:
                raise
            return None
        with self._lock.here():
            self._open.add(new)
            self._problem, old = None, self._current.pop(place, None)
            new.retired = self._closed  # in the meantime: then it serves this call only
            if not self._closed:
                self._current[place] = new
        if old is not None:
            old.retired = True
            self.source.events.note(Event("client_replaced", "A Momento client with a newer token is in use."))
        return new

    def _failed_lately(self, token: Token) -> bool:
        return self._failed_with == token.number and time.monotonic() < self._failed_at + ANOTHER_TRY

    def _place(self) -> Place:
        return os.getpid(), self.how.loop()

    def _forget_dead(self) -> None:
        """Forget the clients of loops that have ended, and of a parent process: gRPC may hang if a child closes those."""
        for lease in list(self._open):
            pid, loop = lease.place
            if pid != os.getpid():
                _INHERITED.append(lease)
            elif loop is None or not loop.is_closed():
                continue
            self._open.discard(lease)
            self._current.pop(lease.place, None)

    async def _give_back(self, lease: Lease[AnyClient]) -> None:
        with self._lock.here():
            lease.users -= 1
        await self._close_idle()

    async def _close_idle(self) -> None:
        """Close the clients that were replaced and are not used any more."""
        while True:
            with self._lock.here():
                idle = [it for it in self._open if it.retired and not it.users and it.place == self._place()]
                if not idle:
                    return
                self._open.discard(idle[0])
            try:
                await self.how.close(idle[0].client)
            except Exception as error:  # nothing that the caller who gave it back could do about
                log.warning("A Momento client could not be closed (%s).", type(error).__name__)

    async def _shut(self) -> None:
        self._closed = True
        while self._current:
            self._current.popitem()[1].retired = True
        await self._close_idle()


class SharedClient(SharedClients[Client]):
    """One Momento client for all threads of a process: made with the source's token, and replaced when that is.

    `new_client(token)` makes a `CacheClient` or a `TopicClient`. One that was replaced is closed when the last call that
    uses it has returned. A forked child makes a client of its own; fork before the traffic begins, as gRPC can't be
    forked safely while other threads use it.
    """

    how = Blocking

    def call(self, operation: Callable[[Client], Response], timeout: float | None = None) -> Response:
        """Return the response of `operation(client)`. If Momento refuses the token, repeat it with a newer one, if any.

        A refused call has done nothing, so any operation may be repeated. Before and after it, waits for a token as
        `TokenSource.get` does, at most `timeout` seconds each time. Raises `TokenUnavailable`.
        """
        response: Response = run(self._call(operation, timeout))
        return response

    def close(self) -> None:
        """Close the client as soon as the last call that uses it has returned. Waits for none of them."""
        run(self._shut())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncSharedClient(SharedClients[AsyncClient]):
    """As SharedClient, for tasks: `new_client(token)` makes a `CacheClientAsync` or a `TopicClientAsync`, for each loop."""

    how = Suspending

    async def call(
        self, operation: Callable[[AsyncClient], Awaitable[Response]], timeout: float | None = None
    ) -> Response:
        """Return what `operation(client)` returns, as `SharedClient.call` does, without blocking the event loop."""
        response: Response = await self._call(operation, timeout)
        return response

    async def close(self) -> None:
        """Close the client as `SharedClient.close` does; those of other event loops go with their loops."""
        await self._shut()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


_INHERITED: list[object] = []  # kept from the garbage collector, which would close them
