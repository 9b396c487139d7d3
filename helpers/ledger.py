"""The ledger: every AWS and Momento call, as the SDKs themselves report it. Nothing in it is estimated.

AWS calls come from botocore's events `before-send` and `response-received`, one pair for each attempt, so each retry is
a line. Momento calls come from the SDK's middleware, which sees each attempt too. The SDK has no middleware for
`TopicClient`, so its calls are not in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, NamedTuple

import botocore
import botocore.session
import momento.config.middleware.aio as aio
import momento.config.middleware.synchronous as synchronous
from momento.config.middleware.models import (
    CONNECTION_ID_KEY,
    MiddlewareMessage,
    MiddlewareRequestHandlerContext,
    MiddlewareStatus,
)

from .display import Table, dollars, duration
from .pricing import price_of


def error_code(error: BaseException) -> str:
    """Return AWS's code for this error, such as "AccessDeniedException", or the name of its class."""
    response = getattr(error, "response", None) or {}  # botocore's connection errors have one that is None
    return str(response.get("Error", {}).get("Code", type(error).__name__))


def is_error(response: object) -> bool:
    """Recognise the response objects by which Momento's SDK reports a failure: it raises nothing."""
    return hasattr(response, "error_code")


class Call(NamedTuple):
    """One attempt of one call; `outcome` is "ok", an error's code, or "BrokenOff" if a part of the response is missing."""

    service: str
    operation: str
    started: float  # on the clock of `time.perf_counter`
    seconds: float
    outcome: str
    client: str = ""  # of Momento calls: the same for all calls of one client


class Page:
    """The calls that ended while its `with` block ran."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.calls: list[Call] = []

    def count(self, operation: str | None = None, *, service: str | None = None, outcome: str | None = None) -> int:
        """Count all calls, or those that match."""
        return len(self._matching(operation, service, outcome))

    def seconds(self, operation: str | None = None, *, service: str | None = None) -> float:
        """Return the time spent waiting for these calls, added up over all threads."""
        return sum(call.seconds for call in self._matching(operation, service, None))

    @property
    def momento_clients(self) -> int:
        """How many different cache clients made these calls."""
        return len({call.client for call in self.calls if call.service == "Momento"})

    @property
    def dollars(self) -> float:
        return sum(price_of(call.service, 1, call.outcome) for call in self.calls)

    def _matching(self, operation: str | None, service: str | None, outcome: str | None) -> list[Call]:
        wanted = {service, operation, outcome} - {None}
        return [call for call in self.calls if wanted <= {*_kind(call)}]

    def _table(self) -> Table:
        rows = []
        for service, operation, outcome in sorted({_kind(call) for call in self.calls}):
            calls = self._matching(operation, service, outcome)
            waited, cost = duration(sum(call.seconds for call in calls)), price_of(service, len(calls), outcome)
            rows.append((service, operation, outcome, len(calls), waited, dollars(cost) if cost else "–"))
        columns = ("Service", "Call", "Outcome", "Calls", "Waited", "Cost")
        return Table(columns, rows or [("–", "no call", "–", 0, "–", "–")], f"Ledger: {self.title}")

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._table())


def _kind(call: Call) -> tuple[str, str, str]:
    return call.service, call.operation, call.outcome


class Ledger(synchronous.Middleware):
    """The pages that are open; each call is added to all of them. It is a middleware of the SDK's, for sync clients."""

    def __init__(self) -> None:
        self._pages: list[Page] = []
        self._lock = threading.Lock()
        self._sending = threading.local()
        # For `configuration.with_middlewares(...)`: a sync and an async client each take the one that they can use.
        self.middlewares: list[Any] = [self, _AsyncMiddleware(self)]

    def watch_aws(self) -> None:
        """Listen to every botocore session created from now on, whichever library creates it."""
        botocore.register_initializer(self._listen)

    def stop(self) -> None:
        with suppress(ValueError):  # stopped already
            botocore.unregister_initializer(self._listen)

    @contextmanager
    def page(self, title: str) -> Iterator[Page]:
        """Open a page for all calls, of every thread, that end while the `with` block runs."""
        page = Page(title)
        with self._lock:
            self._pages.append(page)
        try:
            yield page
        finally:
            with self._lock:
                self._pages.remove(page)

    def add(self, service: str, operation: str, started: float, outcome: str, client: str = "") -> None:
        call = Call(service, operation, started, time.perf_counter() - started, outcome, client)
        with self._lock:
            for page in self._pages:
                page.calls.append(call)

    def on_new_request(self, context: MiddlewareRequestHandlerContext) -> _Request:
        return _Request(self, context)

    def _listen(self, session: botocore.session.Session) -> None:
        session.register("before-send", self._before_send)
        session.register("response-received", self._response_received)

    def _before_send(self, **_: object) -> None:  # returning anything would replace the request
        self._sending.started = time.perf_counter()

    def _response_received(
        self, event_name: str, response_dict: Any, parsed_response: Any, exception: Exception | None, **_: object
    ) -> None:
        service, operation = event_name.split(".")[1:]
        if exception is not None:
            outcome = type(exception).__name__
        elif _broke_off(operation, response_dict):
            outcome = "BrokenOff"
        else:
            outcome = (parsed_response or {}).get("Error", {}).get("Code", "ok")
        name = "Secrets Manager" if service == "secrets-manager" else service
        self.add(name, operation, self._sending.started, outcome)


def _broke_off(operation: str, response: Any) -> bool:
    """Compare what arrived with its Content-Length: botocore 1.44.5 takes half a response for a whole one."""
    if response is None or operation.startswith("Head") or not isinstance(response["body"], bytes):
        return False  # a response to HEAD has a length and no body; a stream is read later
    return len(response["body"]) < int(response["headers"].get("content-length", 0))


class _Request(synchronous.MiddlewareRequestHandler):
    """One Momento request, added to the ledger when its status is known."""

    def __init__(self, ledger: Ledger, context: MiddlewareRequestHandlerContext) -> None:
        self._ledger, self._client = ledger, context.context[CONNECTION_ID_KEY]
        self._operation, self._started = "?", time.perf_counter()

    def on_request_metadata(self, metadata: synchronous.MiddlewareMetadata) -> synchronous.MiddlewareMetadata:
        return metadata

    def on_request_body(self, request: MiddlewareMessage) -> MiddlewareMessage:
        self._operation = request.constructor_name.strip("_").removesuffix("Request")  # "_GetRequest" is a "Get"
        return request

    def on_response_metadata(self, metadata: synchronous.MiddlewareMetadata) -> synchronous.MiddlewareMetadata:
        return metadata

    def on_response_body(self, response: MiddlewareMessage) -> MiddlewareMessage:
        return response

    def on_response_status(self, status: MiddlewareStatus) -> MiddlewareStatus:
        code = status.grpc_status.name
        self._ledger.add("Momento", self._operation, self._started, "ok" if code == "OK" else code, self._client)
        return status


class _AsyncRequest(aio.MiddlewareRequestHandler):
    """The same for an async client."""

    def __init__(self, request: _Request) -> None:
        self._request = request

    async def on_request_metadata(self, metadata: aio.MiddlewareMetadata) -> aio.MiddlewareMetadata:
        return metadata

    async def on_request_body(self, request: MiddlewareMessage) -> MiddlewareMessage:
        return self._request.on_request_body(request)

    async def on_response_metadata(self, metadata: aio.MiddlewareMetadata) -> aio.MiddlewareMetadata:
        return metadata

    async def on_response_body(self, response: MiddlewareMessage) -> MiddlewareMessage:
        return response

    async def on_response_status(self, status: MiddlewareStatus) -> MiddlewareStatus:
        return self._request.on_response_status(status)


class _AsyncMiddleware(aio.Middleware):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def on_new_request(self, context: MiddlewareRequestHandlerContext) -> _AsyncRequest:
        return _AsyncRequest(_Request(self._ledger, context))
