"""A stand-in for grpcio where that can't run, as in a browser tab: the unchanged Momento SDK calls a function of its own process.

There is no server, no socket and no thread. `serve(answer)` says who answers; everything else has the names and the
behaviour of grpcio that the SDK relies on, https://grpc.github.io/grpc/python/grpc.html. Requests and responses are
serialised as on a wire, so that nobody holds an object of the other side.
"""

from __future__ import annotations

import enum
import itertools
import time
from collections.abc import Callable
from typing import Any, NamedTuple

__version__ = "1.999.0"  # what generated code compares with its own


# https://grpc.io/docs/guides/status-codes/, in the order of their numbers
_CODES = """OK CANCELLED UNKNOWN INVALID_ARGUMENT DEADLINE_EXCEEDED NOT_FOUND ALREADY_EXISTS PERMISSION_DENIED
    RESOURCE_EXHAUSTED FAILED_PRECONDITION ABORTED OUT_OF_RANGE UNIMPLEMENTED INTERNAL UNAVAILABLE DATA_LOSS
    UNAUTHENTICATED""".split()  # noqa: SIM905
StatusCode = enum.Enum("StatusCode", [(it, (at, it.lower().replace("_", " "))) for at, it in enumerate(_CODES)])


class ChannelConnectivity(enum.Enum):
    IDLE, CONNECTING, READY, TRANSIENT_FAILURE, SHUTDOWN = range(5)


class RpcError(Exception):
    """The base of what a failed call raises."""


class Call:
    """The base of all calls."""


class _Named:
    """What the SDK only names, in annotations and as a base."""


Channel = ChannelCredentials = CallCredentials = ClientCallDetails = Future = _Named
UnaryUnaryClientInterceptor = UnaryStreamClientInterceptor = _Named


class _Ended(Call):
    _code, _details, _trailers = StatusCode.OK, "", ()

    def code(self) -> StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def initial_metadata(self) -> tuple:
        return ()

    def trailing_metadata(self) -> tuple:
        return self._trailers


class Done(_Ended):
    """A call that has ended well."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def result(self, timeout: float | None = None) -> Any:
        return self._value


class Failed(RpcError, _Ended):
    """A call that has failed, and the exception that it raises, in one object as in grpcio."""

    def __init__(self, code: StatusCode, details: str, trailers: tuple = ()) -> None:
        super().__init__(f"{code.name}: {details}")
        self._code, self._details, self._trailers = code, details, trailers

    def result(self, timeout: float | None = None) -> Any:
        raise self


class WaitsForever(KeyboardInterrupt):
    """A wait for a message that can't come. The SDK would repeat the call after any `Exception`, for ever."""

    def _render_traceback_(self) -> list[str]:  # IPython calls it
        return [f"✗ {self}"]


class Answer(NamedTuple):
    """What a call gets: the seconds until then, and the function that returns the response or raises `Failed`.

    The response to a subscription has `waiting`, a deque of messages, `arrived`, to be called when one comes, and `end`.
    """

    delay: float
    respond: Callable[[], Any]


# Of the address, the connection's name, the method, the request and the metadata.
Serve = Callable[[str, str, str, bytes, dict[str, str]], Answer]
_serve: Serve


def serve(answer: Serve) -> None:
    """Let `answer` respond to every call from now on."""
    global _serve
    _serve = answer


def wait(seconds: float) -> None:
    """Wait this long, to the tenth of a millisecond: a browser's `time.sleep` ends early below 3 ms."""
    end = time.perf_counter() + seconds
    if seconds > 0.01:
        time.sleep(seconds - 0.005)
    while time.perf_counter() < end:
        pass


class Connection:
    """What a channel calls through. Open channels that are alike share one, as grpcio's share a TCP connection."""

    _open: dict[tuple, Connection] = {}
    _numbers = itertools.count(1)

    def __init__(self, address: str) -> None:
        self.address, self.name, self.channels = address, f"connection {next(self._numbers)}", 0

    @classmethod
    def to(cls, address: str, *kind: object) -> Connection:
        connection = cls._open.setdefault((address, *kind), cls(address))
        connection.channels += 1
        return connection

    def leave(self) -> None:
        self.channels -= 1
        if not self.channels:
            Connection._open = {where: one for where, one in self._open.items() if one is not self}

    def begin(self, method: Any, request: bytes, metadata: Any) -> Answer:
        method = method.decode() if isinstance(method, bytes) else method
        return _serve(self.address, self.name, method, request, dict(metadata or ()))


class _Details(ClientCallDetails):
    def __init__(self, method: str, timeout: float | None, metadata: Any) -> None:
        self.method, self.timeout, self.metadata = method, timeout, metadata
        self.credentials = self.wait_for_ready = None


class Stream(Call):
    """A subscription: an iterator over the messages that have been published, until it is cancelled or its deadline is over."""

    def __init__(self, subscription: Any, read: Callable[[bytes], Any], timeout: float | None) -> None:
        self._subscription, self._read, self._cancelled = subscription, read, False
        self._end = time.monotonic() + (float("inf") if timeout is None else timeout)

    def __next__(self) -> Any:
        if self._cancelled or time.monotonic() > self._end:
            raise WaitsForever("This subscription has ended, so no message will come: subscribe again.")
        if not self._subscription.waiting:
            raise WaitsForever("Nothing is on this topic, and nothing can come while this cell waits: publish first.")
        return self._read(self._subscription.waiting.popleft().SerializeToString())

    next = __next__

    def cancel(self) -> None:
        if not self._cancelled:
            self._cancelled = True
            self._subscription.end()

    __del__ = cancel


class _Method:
    """What a stub calls. The interceptors see the call first, the last one that was added before the others."""

    def __init__(self, channel: _Channel, path: str, write: Any, read: Any, streams: bool) -> None:
        self._channel, self._path, self._streams = channel, path, streams
        self._write, self._read = write or bytes, read or bytes
        kind = "intercept_unary_stream" if streams else "intercept_unary_unary"
        self._intercept = [getattr(one, kind) for one in channel.interceptors if hasattr(one, kind)]

    def __call__(self, request: Any, timeout: float | None = None, metadata: Any = None, **_: Any) -> Any:
        call = self._through(0, _Details(self._path, timeout, metadata), request)
        return call if self._streams else call.result()

    def _through(self, place: int, details: Any, request: Any) -> Any:
        """Pass the call to the interceptor at this place, or to the other side. Failed calls are returned, not raised."""
        try:
            if place < len(self._intercept):
                after = lambda details, request: self._through(place + 1, details, request)  # noqa: E731
                return self._intercept[place](after, details, request)
            return self._send(details, request)
        except Failed as failed:
            if self._streams:
                raise
            return failed

    def _send(self, details: Any, request: Any) -> Any:
        answer = self._channel.connection.begin(details.method, self._write(request), details.metadata)
        late = details.timeout is not None and answer.delay > details.timeout
        wait(details.timeout if late else answer.delay)
        if late:
            raise Failed(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
        response = answer.respond()
        if self._streams:
            return Stream(response, self._read, details.timeout)
        return Done(self._read(response.SerializeToString()))


class _Channel(Channel):
    _method: Any = _Method

    def __init__(self, connection: Connection, interceptors: tuple = (), within: bool = False) -> None:
        self.connection, self.interceptors, self._closed = connection, interceptors, within

    def unary_unary(
        self, path: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        return self._method(self, path, request_serializer, response_deserializer, False)

    def unary_stream(
        self, path: str, request_serializer: Any = None, response_deserializer: Any = None, **_: Any
    ) -> Any:
        return self._method(self, path, request_serializer, response_deserializer, True)

    def stream_unary(self, *_: Any, **__: Any) -> None: ...

    stream_stream = stream_unary

    def subscribe(self, callback: Callable[[ChannelConnectivity], object], try_to_connect: bool = False) -> None:
        callback(ChannelConnectivity.READY)

    def unsubscribe(self, callback: object) -> None: ...

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self.connection.leave()

    def __del__(self) -> None:
        _Channel.close(self)


def insecure_channel(target: str, options: Any = None, compression: Any = None) -> _Channel:
    return _Channel(Connection.to(target, *(options or ())))


def secure_channel(target: str, credentials: Any, options: Any = None, compression: Any = None) -> _Channel:
    return insecure_channel(target, options)


def ssl_channel_credentials(*_: Any, **__: Any) -> ChannelCredentials:
    return ChannelCredentials()


def intercept_channel(channel: _Channel, *interceptors: Any) -> _Channel:
    # It belongs to the channel, which is what gets closed.
    return _Channel(channel.connection, (*interceptors, *channel.interceptors), within=True)


from . import _channel, _interceptor, _typing, _utilities, aio  # noqa: E402, F401
