"""What an operator can see of a token: events, for logs and metrics, and states, for a health check."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

log = logging.getLogger(__package__)
# Where warnings go is the service's decision. Without this line Python writes them to stderr.
log.addHandler(logging.NullHandler())


class State(StrEnum):
    """How good the token is. Whether it can be used is `TokenSource.ready`."""

    FRESH = "fresh"  # served immediately
    DUE = "due"  # served immediately, while it is refreshed in the background
    STALE = "stale"  # older than `ttl`: served only while Secrets Manager can't be reached
    REFUSED = "refused"  # Momento refuses it, and no other has been read
    DENIED = "denied"  # Secrets Manager denied the last read
    UNAVAILABLE = "unavailable"  # nothing to serve, and the last read failed
    EMPTY = "empty"  # nothing has been read yet


@dataclass(frozen=True)
class Event:
    """Something that an operator may want to count. No field holds a token, a cache key or a user's name.

    - "read": the secret was read, in `seconds`.
    - "failed": a read brought no usable token; `code` says why, `denied` whether Secrets Manager denied it.
    - "stale": a caller got a copy of an age of `seconds`, because no newer one could be read.
    - "unknown_key": the token has none of the formats that this package knows. It is still used.
    - "client_replaced": a new Momento client took the place of one with an older token.
    - "client_failed": no client could be made with the new token (`code`). The one before stays in use if there is one.
    - "gap": messages of the topic `topic` are missing, `missed` of them if Momento says how many.
    """

    name: Literal["read", "failed", "stale", "unknown_key", "client_replaced", "client_failed", "gap"]
    message: str
    level: int = logging.DEBUG
    code: str = ""
    denied: bool = False
    seconds: float = 0.0
    topic: str = ""
    missed: int | None = None


def log_event(event: Event) -> None:
    """Log an event: the logger is "momento_token", and only what a person should see is above DEBUG."""
    log.log(event.level, "%s", event.message)


class Reporter:
    """Calls `report`, and never under a lock: what happens there is noted first, as `report` may ask for the token."""

    def __init__(self, report: Callable[[Event], None]) -> None:
        self._report, self._here = report, threading.local()
        self._noted: deque[Event] = deque()

    def note(self, event: Event) -> None:
        """Keep an event for `tell_noted`."""
        self._noted.append(event)

    def tell_noted(self) -> None:
        """Report what was noted."""
        while self._noted:
            with suppress(IndexError):  # another thread was quicker
                self.tell(self._noted.popleft())

    def tell(self, event: Event) -> None:
        """Report an event, but none that `report` causes itself. Its exceptions are logged, and change nothing."""
        if getattr(self._here, "busy", False):
            return
        self._here.busy = True
        try:
            self._report(event)
        except Exception:
            log.exception("The function `report` failed.")
        finally:
            self._here.busy = False
