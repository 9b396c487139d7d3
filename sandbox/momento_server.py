"""Carry Momento's calls over gRPC: each passes the gate, waits, and gets what `Momento.answer` returns."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from concurrent.futures import Future
from typing import Any

import grpc

from .api_keys import ENDPOINT
from .gate import Gate
from .momento_proxy import new_certificate, start_proxy
from .momento_responses import HEARTBEAT, METHODS, Momento, Refused, Subscription

HEARTBEAT_SECONDS = 10.0
OPTIONS = (  # without these a silent subscription gets GOAWAY for its keepalive pings, and ends
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1000),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 6_000_000),
)


class MomentoServer(grpc.GenericRpcHandler):
    """Serves on 127.0.0.1, in a thread with an event loop of its own, until the process ends.

    At `port` without TLS, for the kernel; through the proxy at `proxy_port` over TLS, for other programs, which trust
    `certificate` (PEM).
    """

    def __init__(self, momento: Momento, gate: Gate) -> None:
        self._momento, self._gate = momento, gate
        key, self.certificate = new_certificate(ENDPOINT)
        started: Future[tuple[int, int]] = Future()
        credentials = grpc.ssl_server_credentials([(key, self.certificate)])
        serve = self._serve(credentials, started)
        threading.Thread(target=asyncio.run, args=(serve,), name="momento", daemon=True).start()
        self.port, self.proxy_port = started.result()

    async def _serve(self, credentials: grpc.ServerCredentials, started: Future[tuple[int, int]]) -> None:
        server = grpc.aio.server(options=OPTIONS)
        server.add_generic_rpc_handlers((self,))
        port = server.add_insecure_port("127.0.0.1:0")
        over_tls = server.add_secure_port("127.0.0.1:0", credentials)
        await server.start()
        started.set_result((port, await start_proxy(over_tls)))
        await server.wait_for_termination()

    def service(self, details: Any) -> grpc.RpcMethodHandler:
        """Return what handles this call; gRPC asks once for each."""
        method, metadata = details.method, dict(details.invocation_metadata)

        async def answer(request: Any, context: Any) -> Any:
            met = self._gate.meet_momento(method, metadata, context.peer())
            if met.delay:
                await asyncio.sleep(met.delay)
            if met.error:
                await context.abort(grpc.StatusCode[met.error], met.message)
            try:
                return self._momento.answer(method, request, metadata.get("cache", ""))
            except Refused as error:
                context.set_trailing_metadata(error.trailers)
                await context.abort(grpc.StatusCode[error.status], error.message)

        async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
            async for message in _messages(await answer(request, context)):
                yield message

        read = METHODS[method][1].FromString if method in METHODS else bytes
        write = lambda message: message.SerializeToString()  # noqa: E731
        if method.endswith("/Subscribe"):
            return grpc.unary_stream_rpc_method_handler(stream, read, write)
        return grpc.unary_unary_rpc_method_handler(answer, read, write)


async def _messages(subscription: Subscription) -> AsyncIterator[Any]:
    event = asyncio.Event()
    subscription.arrived = event.set
    try:
        while True:
            while subscription.waiting:
                yield subscription.waiting.popleft()
            event.clear()
            try:
                async with asyncio.timeout(HEARTBEAT_SECONDS):
                    await event.wait()
            except TimeoutError:
                yield HEARTBEAT
    finally:
        subscription.end()
