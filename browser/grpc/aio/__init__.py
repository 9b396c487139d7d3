"""The same for asyncio, where calls can wait for each other."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from .. import Call as _Call
from .. import ChannelConnectivity, Connection, Failed, StatusCode, _Details, _Named
from .. import _Channel as _SyncChannel
from .. import _Method as _SyncMethod

EOF = object()  # what `read` returns at the end: here it raises


class AioRpcError(Failed): ...


class Metadata:
    """Names and values in the order in which they were added, as grpcio has them."""

    def __init__(self, *pairs: tuple[str, Any]) -> None:
        self._pairs = list(pairs)

    def add(self, name: str, value: Any) -> None:
        self._pairs.append((name, value))

    def get(self, name: str, default: Any = None) -> Any:
        return next((value for key, value in self._pairs if key == name), default)

    def __iter__(self) -> Any:
        return iter(self._pairs)

    def __repr__(self) -> str:
        return f"Metadata({tuple(self._pairs)!r})"


class ClientCallDetails(_Details):
    def __init__(
        self, method: Any, timeout: float | None, metadata: Any, credentials: Any = None, wait_for_ready: Any = None
    ) -> None:
        super().__init__(method, timeout, metadata)
        self.credentials, self.wait_for_ready = credentials, wait_for_ready


ClientInterceptor = UnaryUnaryClientInterceptor = UnaryStreamClientInterceptor = _Named


class UnaryUnaryCall(_Call):
    """A call under way. It can be awaited more than once, and its code and metadata too."""

    def __init__(self, response: Awaitable[Any]) -> None:
        self._task = asyncio.ensure_future(response)

    def __await__(self) -> Any:
        return self._task.__await__()

    async def _failed(self) -> Failed | None:
        try:
            await asyncio.shield(self._task)  # who stops waiting for a code doesn't stop the call
        except Failed as failed:
            return failed
        return None

    async def code(self) -> StatusCode:
        failed = await self._failed()
        return failed.code() if failed else StatusCode.OK

    async def details(self) -> str:
        failed = await self._failed()
        return failed.details() if failed else ""

    async def initial_metadata(self) -> Metadata:
        await self._failed()
        return Metadata()

    async def trailing_metadata(self) -> Metadata:
        failed = await self._failed()
        return Metadata(*failed.trailing_metadata()) if failed else Metadata()


class InterceptedUnaryStreamCall(_Call):
    """A subscription: `read` waits for its next message. After its deadline, or `cancel`, there is none."""

    def __init__(self, begin: Awaitable[Any], read: Callable[[bytes], Any], timeout: float | None) -> None:
        self._begin, self._read, self._arrived = asyncio.ensure_future(begin), read, asyncio.Event()
        self._end = None if timeout is None else asyncio.get_running_loop().time() + timeout
        self._subscription: Any = None
        self._cancelled = False

    async def read(self) -> Any:
        if self._subscription is None:
            self._subscription = await self._begin
            self._subscription.arrived = self._arrived.set
        try:
            async with asyncio.timeout_at(self._end):
                await asyncio.sleep(0)
                while not self._subscription.waiting and not self._cancelled:
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            self.cancel()
            raise AioRpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        except asyncio.CancelledError:
            self.cancel()  # as in grpcio: who gives up a read gives up the call
            raise
        if self._cancelled:
            raise asyncio.CancelledError
        return self._read(self._subscription.waiting.popleft().SerializeToString())

    def cancel(self) -> None:
        if self._subscription and not self._cancelled:
            self._subscription.end()
        self._cancelled = True
        self._arrived.set()

    __del__ = cancel


class _Method(_SyncMethod):
    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None, **_: Any) -> Any:
        if self._channel._closed:
            raise RuntimeError("Channel is closed.")
        metadata = metadata if metadata is None or isinstance(metadata, Metadata) else Metadata(*metadata)
        whole = self._through(0, ClientCallDetails(self._path.encode(), timeout, metadata), request)
        if self._streams:
            return InterceptedUnaryStreamCall(whole, self._read, timeout)

        async def response() -> Any:
            return await (await whole)

        return UnaryUnaryCall(response())

    async def _through(self, place: int, details: Any, request: Any) -> Any:
        """Pass the call to the interceptor at this place, or to the other side. Return a call, or a subscription."""
        if place < len(self._intercept):

            async def after(details: Any, request: Any) -> Any:
                return await self._through(place + 1, details, request)

            return await self._intercept[place](after, details, request)
        response = self._send(details, request)
        return await response if self._streams else UnaryUnaryCall(response)

    async def _send(self, details: Any, request: Any) -> Any:
        try:
            async with asyncio.timeout(details.timeout):
                answer = self._channel.connection.begin(details.method, self._write(request), details.metadata)
                await asyncio.sleep(answer.delay)
            response = answer.respond()
        except Failed as failed:
            raise AioRpcError(failed.code(), failed.details(), failed.trailing_metadata()) from None
        except TimeoutError:
            raise AioRpcError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded") from None
        return response if self._streams else self._read(response.SerializeToString())


class Channel(_SyncChannel):
    _method = _Method

    def get_state(self, try_to_connect: bool = False) -> ChannelConnectivity:
        return ChannelConnectivity.READY

    async def close(self, grace: float | None = None) -> None:
        super().close()


def insecure_channel(target: str, options: Any = None, compression: Any = None, interceptors: Any = None) -> Channel:
    return Channel(Connection.to(target, "aio", *(options or ())), tuple(interceptors or ()))


def secure_channel(
    target: str, credentials: Any, options: Any = None, compression: Any = None, interceptors: Any = None
) -> Channel:
    return insecure_channel(target, options, compression, interceptors)


from . import _call, _interceptor, _typing  # noqa: E402, F401
