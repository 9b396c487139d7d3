"""The sandbox in the kernel's own process, for where no other can be started: a browser tab.

The stand-ins, their gate and their commands are those of the child process. What carries the calls differs: boto3's
requests are taken where botocore would send them, below its events and retries; Momento's by browser/grpc, a stand-in
for grpcio. docs/stand-ins.md has what remains different.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import sys
import threading
from collections.abc import Iterator
from secrets import token_hex
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

if sys.platform == "emscripten":
    import types

    # moto asks IAM which account a key belongs to; the rest of its IAM would need `cryptography`.
    _iam, _access = types.ModuleType("moto.iam.models"), types.ModuleType("moto.iam.access_control")
    _iam.mark_account_as_visited = lambda *_, **__: None  # type: ignore[attr-defined]
    _iam.get_account_id_from = lambda access_key: "123456789012"  # type: ignore[attr-defined]
    _nobody = types.SimpleNamespace(get_user_from_access_key_id=lambda access_key: None)
    _iam.AccessKey, _iam.iam_backends = object, {"123456789012": {"aws": _nobody}}  # type: ignore[attr-defined]
    _access.IAMRequest = _access.S3IAMRequest = object  # type: ignore[attr-defined]
    sys.modules.update({"moto.iam": types.ModuleType("moto.iam"), _iam.__name__: _iam, _access.__name__: _access})

import grpc
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.httpsession import URLLib3Session

from .__main__ import answer
from .api_keys import ENDPOINT
from .aws_responses import Refused, Request, Response, after
from .commands import CACHES, StandIns
from .gate import AWS, DROPPED, LOST
from .momento_responses import METHODS, Momento
from .momento_responses import Refused as RefusedByMomento
from .processes import Sandbox, SandboxError

URL, ADDRESS = "http://127.0.0.1:4566", "127.0.0.1:8080"  # names only: nothing listens there


class InProcessSandbox(Sandbox):
    """What `Sandbox` is, without a child process. Only the newest one of a process gets calls."""

    def __init__(self, engine: str) -> None:
        self.aws, self.momento, self.momento_endpoint, self.caches = URL, ADDRESS, ENDPOINT, CACHES
        self.aws_access_key, self.proxied, self.pid = f"sandbox{token_hex(16)}", {}, os.getpid()
        self._stand_ins = StandIns(self.aws_access_key, engine)
        self._connections: WeakKeyDictionary[URLLib3Session, int] = WeakKeyDictionary()
        self._numbers, self._lock = itertools.count(1), threading.Lock()
        # moto's secrets are the process's, and a new sandbox has none.
        self.api_key = self._stand_ins.start_over() if engine == "moto" else self._stand_ins.issue()
        self.closed = False
        # For good: once it is closed, a client that is left must not call whatever listens at its address.
        URLLib3Session.send = lambda session, request: self._send(session, request)
        grpc.serve(self._begin)

    def wait_until_ready(self) -> Sandbox:
        return self

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        if self.closed:
            raise SandboxError("The sandbox has ended: run this notebook's first cells again.")
        reply: dict[str, Any] = json.loads(json.dumps(answer(self._stand_ins, json.dumps(command))))
        return reply

    @property
    def alive(self) -> bool:
        return not self.closed

    def close(self) -> None:
        self.closed = True

    # ---- AWS: what botocore's session does with a prepared request ----

    def _send(self, session: URLLib3Session, prepared: AWSPreparedRequest) -> AWSResponse:
        if self.closed or not prepared.url.startswith(f"{URL}/"):
            raise EndpointConnectionError(endpoint_url=prepared.url, error="nothing leaves the sandbox")
        request = _request(prepared)
        connection = self._connections.setdefault(session, next(self._numbers))
        met = self._stand_ins.gate.meet(AWS, request.operation, request.signed("key"), str(connection))
        limit = getattr(session._timeout, "read_timeout", session._timeout)  # of boto3's settings, in seconds
        late = limit is not None and met.delay > limit
        grpc.wait(limit if late else met.delay)
        response, sent = after(met, request, self._respond)
        if late or met.error in (LOST, DROPPED):  # the next request opens another connection
            del self._connections[session]
        if late:  # but what was asked is done
            raise ReadTimeoutError(endpoint_url=prepared.url, error="Read timed out.")
        if met.error == LOST:
            raise ConnectionClosedError(endpoint_url=prepared.url, request=prepared, error="closed by the sandbox")
        headers = {**response.headers, "content-length": str(len(response.body))}
        return AWSResponse(prepared.url, response.status, headers, _Body(sent))

    def _respond(self, request: Request) -> Response:
        try:
            return self._stand_ins.aws(request)
        except Exception as error:  # as a server does
            return Refused("InternalServiceError", f"{type(error).__name__}: {error}").response(request)

    # ---- Momento: what gRPC does with a call ----

    def _begin(
        self, address: str, connection: str, method: str, request: bytes, metadata: dict[str, str]
    ) -> grpc.Answer:
        if self.closed or address != ADDRESS:
            raise grpc.Failed(grpc.StatusCode.UNAVAILABLE, "failed to connect to all addresses")
        met = self._stand_ins.gate.meet_momento(method, metadata, connection)

        def respond() -> Any:
            if met.error:
                raise grpc.Failed(grpc.StatusCode[met.error], met.message)
            with self._lock:
                return _momento_response(self._stand_ins.momento, method, request, metadata.get("cache", ""))

        return grpc.Answer(met.delay, respond)


def _momento_response(momento: Momento, method: str, request: bytes, cache_name: str) -> Any:
    """Return the response to a serialised call; raise what gRPC's client raises."""
    try:
        message = METHODS[method][1].FromString(request) if method in METHODS else request
    except Exception:  # as a server of gRPC does
        raise grpc.Failed(grpc.StatusCode.UNKNOWN, "The request is no message of this method") from None
    try:
        return momento.answer(method, message, cache_name)
    except RefusedByMomento as error:
        raise grpc.Failed(grpc.StatusCode[error.status], error.message, error.trailers) from None


def _request(prepared: AWSPreparedRequest) -> Request:
    url, body = urlsplit(prepared.url), prepared.body or b""
    headers = {name.lower(): _text(value) for name, value in prepared.headers.items()}
    headers.setdefault("host", url.netloc)
    return Request(
        prepared.method, url.path or "/", url.query, headers, body if isinstance(body, bytes) else body.encode()
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Body(io.BytesIO):
    """A body as botocore reads it, of urllib3's response."""

    def stream(self) -> Iterator[bytes]:
        yield self.getvalue()
