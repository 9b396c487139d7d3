"""The ledger: every AWS and Momento call, as the SDKs themselves report it. Nothing in it is estimated.

AWS calls come from botocore's events `before-send` and `response-received`, one pair for each attempt, so a retry is a
line of its own. Momento calls come from the SDK's middleware, which sees each attempt too; the SDK offers none for
`TopicClient`, so its calls are not in the ledger.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
    """AWS's code for this error, such as "AccessDeniedException"; if AWS didn't answer, the name of its class."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", type(error).__name__))


def is_error(answer: object) -> bool:
    """Is this one of the answers by which Momento's SDK says that a call failed? It raises nothing."""
    return hasattr(answer, "error_code")


_SERVICES = {"secrets-manager": "Secrets Manager"}


class Call(NamedTuple):
    """One attempt of one call: `started` on the clock of `time.perf_counter`, `outcome` "ok", an error's code, or "BrokenOff"."""

    service: str
    operation: str
    started: float  # seconds
    seconds: float
    outcome: str
    # Momento calls only: the same for all calls of one client, another for each client.
    client: str = ""


class Page:
    """The calls of one part of a program."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.calls: list[Call] = []

    def count(
        self,
        operation: str | None = None,
        *,
        service: str | None = None,
        outcome: str | None = None,
    ) -> int:
        """How many calls, of all or of those that match."""
        return len(self._matching(operation, service, outcome))

    def seconds(self, operation: str | None = None, *, service: str | None = None) -> float:
        """The time spent waiting for these calls, added up over all threads."""
        return sum(call.seconds for call in self._matching(operation, service, None))

    @property
    def momento_clients(self) -> int:
        """How many different cache clients made these Momento calls."""
        return len({call.client for call in self.calls if call.service == "Momento"})

    @property
    def dollars(self) -> float:
        return sum(price_of(call.service, 1) for call in self.calls)

    def _matching(self, operation: str | None, service: str | None, outcome: str | None) -> list[Call]:
        return [
            call
            for call in self.calls
            if operation in (None, call.operation)
            and service in (None, call.service)
            and outcome in (None, call.outcome)
        ]

    def _table(self) -> Table:
        rows = []
        for service, operation, outcome in sorted({(c.service, c.operation, c.outcome) for c in self.calls}):
            calls = self._matching(operation, service, outcome)
            cost = price_of(service, len(calls))
            time_spent = duration(sum(call.seconds for call in calls))
            rows.append(
                (
                    service,
                    operation,
                    outcome,
                    len(calls),
                    time_spent,
                    dollars(cost) if cost else "–",
                )
            )
        if not rows:
            rows.append(("–", "no call", "–", 0, "–", "–"))
        return Table(("Service", "Call", "Outcome", "Calls", "Waited", "Cost"), rows, f"Ledger: {self.title}")

    def _repr_html_(self) -> str:
        return self._table()._repr_html_()

    def __repr__(self) -> str:
        return repr(self._table())


class Ledger:
    """Records from the moment `watch_aws()` is called; every boto3 session created after that is seen."""

    def __init__(self) -> None:
        self._pages: list[Page] = []
        self._lock = threading.Lock()
        self._sending = threading.local()
        self._watching = False
        # For `configuration.with_middlewares(...)`: a sync and an async client each take the one they can use.
        self.middlewares: list[Any] = [_SyncMiddleware(self), _AsyncMiddleware(self)]

    def watch_aws(self) -> None:
        """Listen to every botocore session created from now on, whichever library creates it."""
        botocore.register_initializer(self._listen)
        self._watching = True

    def stop(self) -> None:
        if self._watching:
            botocore.unregister_initializer(self._listen)
            self._watching = False

    @contextmanager
    def page(self, title: str) -> Iterator[Page]:
        """A page that gets all calls, of every thread, that end while the `with` block runs."""
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

    def _listen(self, session: botocore.session.Session) -> None:
        session.register("before-send", self._before_send)
        session.register("response-received", self._response_received)

    def _before_send(self, **_: object) -> None:  # returning anything would replace the request
        self._sending.started = time.perf_counter()

    def _response_received(
        self,
        event_name: str,
        response_dict: dict[str, Any] | None,
        parsed_response: dict[str, Any] | None,
        exception: Exception | None,
        **_: object,
    ) -> None:
        service, operation = event_name.split(".")[1:]
        if exception is not None:
            outcome = type(exception).__name__
        elif _broke_off(operation, response_dict):
            outcome = "BrokenOff"
        else:
            outcome = (parsed_response or {}).get("Error", {}).get("Code", "ok")
        self.add(_SERVICES.get(service, service), operation, self._sending.started, outcome)


def _broke_off(operation: str, answer: dict[str, Any] | None) -> bool:
    """Whether less arrived than the answer's Content-Length. botocore 1.44.5 takes it for a whole one all the same."""
    if answer is None or operation.startswith("Head") or not isinstance(answer["body"], bytes):
        return False  # an answer to HEAD has a length and no body; a stream is read later
    return len(answer["body"]) < int(answer["headers"].get("content-length", 0))


class _Request:
    """One Momento request, told to the ledger when its status is known."""

    def __init__(self, ledger: Ledger, context: MiddlewareRequestHandlerContext) -> None:
        self._ledger = ledger
        self._client = context.context[CONNECTION_ID_KEY]
        self._operation = "?"
        self._started = time.perf_counter()

    def begin(self, message: MiddlewareMessage) -> None:
        self._operation = message.constructor_name.strip("_").removesuffix("Request")  # "_GetRequest" is a "Get"

    def end(self, status: MiddlewareStatus) -> None:
        code = status.grpc_status.name
        self._ledger.add("Momento", self._operation, self._started, "ok" if code == "OK" else code, self._client)


class _SyncRequest(_Request, synchronous.MiddlewareRequestHandler):
    def on_request_metadata(self, metadata: synchronous.MiddlewareMetadata) -> synchronous.MiddlewareMetadata:
        return metadata

    def on_request_body(self, request: MiddlewareMessage) -> MiddlewareMessage:
        self.begin(request)
        return request

    def on_response_metadata(self, metadata: synchronous.MiddlewareMetadata) -> synchronous.MiddlewareMetadata:
        return metadata

    def on_response_body(self, response: MiddlewareMessage) -> MiddlewareMessage:
        return response

    def on_response_status(self, status: MiddlewareStatus) -> MiddlewareStatus:
        self.end(status)
        return status


class _AsyncRequest(_Request, aio.MiddlewareRequestHandler):
    async def on_request_metadata(self, metadata: aio.MiddlewareMetadata) -> aio.MiddlewareMetadata:
        return metadata

    async def on_request_body(self, request: MiddlewareMessage) -> MiddlewareMessage:
        self.begin(request)
        return request

    async def on_response_metadata(self, metadata: aio.MiddlewareMetadata) -> aio.MiddlewareMetadata:
        return metadata

    async def on_response_body(self, response: MiddlewareMessage) -> MiddlewareMessage:
        return response

    async def on_response_status(self, status: MiddlewareStatus) -> MiddlewareStatus:
        self.end(status)
        return status


class _SyncMiddleware(synchronous.Middleware):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def on_new_request(self, context: MiddlewareRequestHandlerContext) -> _SyncRequest:
        return _SyncRequest(self._ledger, context)


class _AsyncMiddleware(aio.Middleware):
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def on_new_request(self, context: MiddlewareRequestHandlerContext) -> _AsyncRequest:
        return _AsyncRequest(self._ledger, context)
