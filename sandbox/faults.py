"""Faults, in one vocabulary for both services: delays, errors and quotas, set from the parent at run time."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from typing import NamedTuple

# Beside the error codes of the services, for "aws": the connection itself fails.
REFUSED = "CONNECTION_REFUSED"  # nobody listens, and all open connections close; until faults are cleared
LOST = "CONNECTION_LOST"  # it closes in place of an answer
DROPPED = "CONNECTION_DROPPED"  # the answer breaks off half way
FAULT_MESSAGE = (
    "A fault is set in the sandbox: `cloud.clear_faults()` removes it"  # what an error says if it is told nothing else
)


class Met(NamedTuple):
    """What one call meets."""

    delay: float = 0.0  # seconds
    error: str = ""  # an AWS error code, or the name of a gRPC status
    message: str = ""


@dataclass
class Fault:
    """A fault on one `service` ("aws" or "momento") and `operation` ("*" for all), until faults are cleared.

    `delay` (seconds) is added to a call; `error` (an AWS error code, the name of a gRPC status, `REFUSED`, `LOST` or `DROPPED`)
    answers it; `per_second` turns that error into a quota: only calls beyond that many in the last second get it.
    `times` ends the fault after so many calls, `seconds` after so long.
    """

    service: str
    operation: str = "*"
    delay: float = 0.0
    error: str = ""
    message: str = FAULT_MESSAGE
    per_second: int = 0
    times: int | None = None
    seconds: float | None = None
    started: float = field(default_factory=time.monotonic, repr=False)
    recent: deque[float] = field(default_factory=deque, repr=False)

    def applies_to(self, service: str, operation: str) -> bool:
        if self.seconds is not None and time.monotonic() > self.started + self.seconds:
            return False
        return self.service == service and self.operation in ("*", operation) and self.times != 0

    def within_quota(self) -> bool:
        if not self.per_second:
            return False
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - 1:
            self.recent.popleft()
        if len(self.recent) >= self.per_second:
            return False
        self.recent.append(now)
        return True


class Faults:
    """The faults in force, and a count of every call met: the sandbox's own witness beside the ledger."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._seen: Counter[str] = Counter()
        self._connections = {"aws": 0, "momento": 0}
        self._peers: dict[str, dict[str, float]] = {
            "aws": {},
            "momento": {},
        }  # when each last called
        self._clients = 0
        self._round_trip = self._handshake = 0.0

    def add(self, **fault) -> None:
        """Put a `Fault` in force. Raises `ValueError` for a service that there isn't, `TypeError` for a wrong word."""
        new = Fault(**fault)
        if new.service not in ("aws", "momento"):
            raise ValueError(f"There is no service {new.service!r}: choose 'aws' or 'momento'.")
        with self._lock:
            self._faults.append(new)

    def clear(self) -> None:
        with self._lock:
            self._faults.clear()

    def seen(self) -> dict[str, int]:
        """Calls so far by `service.operation`, those that met a fault included."""
        with self._lock:
            return dict(self._seen)

    def start_over(self) -> None:
        """No distance, and count from nothing."""
        with self._lock:
            self._round_trip = self._handshake = 0.0
            self._seen.clear()
            self._clients = 0
            for service, peers in self._peers.items():
                self._connections[service] = 0
                peers.clear()

    def add_distance(self, round_trip: float, handshake: float) -> None:
        """From now on a call travels for a `round_trip`, the first of a connection for a `handshake` more; seconds."""
        with self._lock:
            self._round_trip, self._handshake = round_trip, handshake

    def travel(self, service: str, peer: str, of_a_new_client: bool = False) -> float:
        """How long the call from this address and port travels, in seconds. A new one is a TCP connection of its own.

        So is one that comes back: the port of a connection that is over may be given to another one, after a second at
        the earliest. A client that makes its first call tells the two apart.
        """
        with self._lock:
            now, last = time.monotonic(), self._peers[service].get(peer)
            is_new = last is None or (of_a_new_client and now > last + 1)
            self._peers[service][peer] = now
            self._connections[service] += is_new
            return self._round_trip + self._handshake * is_new

    def connections(self) -> dict[str, int]:
        """How many TCP connections carried calls so far, by service."""
        with self._lock:
            return dict(self._connections)

    def note_client(self) -> None:
        """A Momento client has made its first call."""
        with self._lock:
            self._clients += 1

    def clients(self) -> int:
        """How many Momento cache clients have made calls so far."""
        with self._lock:
            return self._clients

    def meet(self, service: str, operation: str) -> Met:
        """Count a call and say what it meets: all delays add up, the first error counts."""
        delay, error, message = 0.0, "", ""
        with self._lock:
            self._seen[f"{service}.{operation}"] += 1
            for fault in self._faults:
                if not fault.applies_to(service, operation):
                    continue
                if fault.error and fault.within_quota():
                    continue
                if fault.times is not None:
                    fault.times -= 1
                delay += fault.delay
                if not error:
                    error, message = fault.error, fault.message
        return Met(delay, error, message)


def refusal(fault: Met) -> tuple[str, list[tuple[str, str]], bytes]:
    """The answer to a call that meets an error: status line, headers and body, in the protocol of AWS."""
    body = json.dumps({"__type": fault.error, "message": fault.message}).encode()
    status = {
        "InternalServiceError": "500 Internal Server Error",
        "ServiceUnavailableException": "503 Service Unavailable",
    }.get(fault.error, "400 Bad Request")
    headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("content-length", str(len(body))),
    ]
    return status, headers, body
