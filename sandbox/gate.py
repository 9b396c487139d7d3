"""Decide what every call meets before it is answered, over HTTP and gRPC alike, and count it.

Nothing here waits or sends: whatever carries the call waits for `Met.delay` in its own way, and sends the error.
"""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

AWS, MOMENTO = "aws", "momento"
# Beside the error codes of the services, for AWS: the connection itself fails.
LOST = "CONNECTION_LOST"  # it closes in place of a response
DROPPED = "CONNECTION_DROPPED"  # the response breaks off half way
FAULT_MESSAGE = "A fault is set in the sandbox: `cloud.clear_faults()` removes it"
# The errors of gRPC, https://grpc.io/docs/guides/status-codes/
STATUSES = (
    *("CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE"),
    *("UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)


class Met(NamedTuple):
    """What one call meets: seconds to wait, then an AWS error code or the name of a gRPC status, or neither."""

    delay: float = 0.0
    error: str = ""
    message: str = ""


DENIED = {
    AWS: ("UnrecognizedClientException", "The security token included in the request is invalid."),
    MOMENTO: ("UNAUTHENTICATED", "Invalid authentication credentials to access the service"),
}


@dataclass
class Fault:
    """A fault on one `service` ("aws" or "momento") and `operation` ("*" for all), until faults are cleared.

    `delay` (seconds) is added to a call; `error` (an AWS error code, the name of a gRPC status, `LOST` or `DROPPED`) is
    its response; `per_second` turns that error into a quota: only calls beyond that many in the last second get it.
    `times` ends the fault after that many calls, `seconds` after that time.
    """

    service: str
    operation: str = "*"
    delay: float = 0.0
    error: str = ""
    message: str = FAULT_MESSAGE
    per_second: int = 0
    times: int | None = None
    seconds: float | None = None
    started: float = field(default_factory=time.monotonic)
    recent: deque[float] = field(default_factory=deque)

    def hits(self, service: str, operation: str) -> bool:
        """Tell whether this call meets the fault, and count it against `per_second` and `times`."""
        if self.service != service or self.operation not in ("*", operation) or self.times == 0:
            return False
        now = time.monotonic()
        if self.seconds is not None and now > self.started + self.seconds:
            return False
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if self.per_second and len(self.recent) < self.per_second:
            self.recent.append(now)
            return False
        if self.times is not None:
            self.times -= 1
        return True


class Gate:
    """The faults in force, the distance, the keys that are accepted, and the number of every call that arrived."""

    def __init__(self) -> None:
        self._known: dict[str, set[str]] = {AWS: set(), MOMENTO: set()}
        self._revoked: set[str] = set()
        self._lock = threading.Lock()
        self.start_over()

    def start_over(self) -> None:
        """Remove faults and distance, and count from zero; the keys stay as they are."""
        with self._lock:
            self._faults: list[Fault] = []
            self._round_trip = self._handshake = 0.0
            self._calls: Counter[str] = Counter()
            self._connections = Counter({AWS: 0, MOMENTO: 0})
            self._last_call: dict[tuple[str, str], float] = {}
            self._clients = 0

    def accept(self, service: str, key: str) -> None:
        """Let calls with this key through: an AWS access key, or what Momento's SDK sends as `authorization`."""
        self._known[service].add(key)
        self._revoked.discard(key)

    def revoke(self, key: str) -> None:
        """Deny calls with this key from now on. A call is authorized when it starts: open subscriptions live on."""
        self._revoked.add(key)

    def add_fault(self, **fault: Any) -> None:
        """Put a `Fault` in force. Raises `ValueError` or `TypeError` for one that no call could meet."""
        new = Fault(**fault)
        if new.service not in self._known:
            raise ValueError(f"There is no service {new.service!r}: choose 'aws' or 'momento'.")
        if new.service == MOMENTO and new.error and new.error not in STATUSES:
            raise ValueError(f"Momento has no error {new.error!r}: choose one of {', '.join(STATUSES)}.")
        if not new.delay >= 0:
            raise ValueError(f"A delay of {new.delay!r} s can't be: choose 0 or more.")
        with self._lock:
            self._faults.append(new)

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def add_distance(self, round_trip: float, handshake: float) -> None:
        """From now on a call travels for `round_trip` seconds, the first one of a connection `handshake` more."""
        with self._lock:
            self._round_trip, self._handshake = round_trip, handshake

    def meet(self, service: str, operation: str, key: str, connection: str, first_of_client: bool = False) -> Met:
        """Count a call and return what it meets: all delays add up, the first error counts.

        A call with a key that was never accepted here is denied and not counted: it is no call of this kernel's.
        `connection` names the TCP connection. Momento's SDK says when a client makes its first call: that tells a new
        connection on a port that another one had before.
        """
        if key not in self._known[service]:
            return Met(0.0, *DENIED[service])
        with self._lock:
            now, last = time.monotonic(), self._last_call.get((service, connection))
            is_new = last is None or (first_of_client and now > last + 1)  # a port comes back after a second or more
            self._last_call[service, connection] = now
            self._connections[service] += is_new
            self._clients += first_of_client
            self._calls[f"{service}.{operation}"] += 1
            delay = self._round_trip + self._handshake * is_new
            met = [fault for fault in self._faults if fault.hits(service, operation)]
        delay += sum(fault.delay for fault in met)
        for fault in met:
            if fault.error:
                return Met(delay, fault.error, fault.message)
        return Met(delay, *DENIED[service]) if key in self._revoked else Met(delay)

    def meet_momento(self, method: str, metadata: Mapping[str, str], connection: str) -> Met:
        """Count a call that came over gRPC, by its path and its metadata, and return what it meets."""
        # The SDK names itself with a client's first call, and never again.
        first = "agent" in metadata and method.startswith("/cache_client.Scs/")
        key, operation = metadata.get("authorization", ""), method.rpartition("/")[2]
        return self.meet(MOMENTO, operation, key, connection, first)

    def calls(self) -> dict[str, int]:
        """Return the number of calls so far by `service.operation`, those that met a fault included."""
        with self._lock:
            return dict(self._calls)

    def connections(self) -> dict[str, int]:
        """Return the number of TCP connections that carried calls so far, by service."""
        with self._lock:
            return dict(self._connections)

    def clients(self) -> int:
        """Return the number of Momento cache clients that made calls so far."""
        with self._lock:
            return self._clients
