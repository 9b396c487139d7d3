"""What the pattern tells your metrics. otel.py passes it on to OpenTelemetry."""

from __future__ import annotations

import logging

from .errors import TokenUnavailable

log = logging.getLogger(__name__)


class Observer:
    """Derive from it and write the methods that you need; the others do nothing.

    They are called outside of all locks, by whichever thread noticed, and an exception of theirs is logged and changes
    nothing. `served_stale` and `swapped` are called on the way of a request: be quick there.
    """

    def read(self, seconds: float) -> None:
        """The secret was read, in this many seconds."""

    def failed(self, error: TokenUnavailable) -> None:
        """A read returned no usable token."""

    def denied(self, error: TokenUnavailable) -> None:
        """A read failed because Secrets Manager said no. `failed` is called too."""

    def served_stale(self, age: float) -> None:
        """A reader got a copy of this age in seconds, because Secrets Manager can't be asked."""

    def swapped(self, number: int) -> None:
        """A Momento client took the place of another; it holds the token of this number."""

    def gap(self, topic_name: str, missed: int | None) -> None:
        """So many messages of a topic did not arrive; None if Momento doesn't say how many."""


class Guarded:
    """Calls an observer, and lets no exception of its own out."""

    def __init__(self, observer: Observer | None) -> None:
        self._observer = observer or Observer()

    def tell(self, event: str, *details: object) -> None:
        try:
            getattr(self._observer, event)(*details)
        except Exception:
            log.exception("The observer's method %s failed.", event)
