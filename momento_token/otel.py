"""The pattern's events as OpenTelemetry metrics. It needs opentelemetry-api; leave the file out if you have no use for it.

observer = MetricsObserver(metrics.get_meter("visits"))
source = TokenSource(client, secret_id, observer=observer)
observer.watch(source)
"""

from __future__ import annotations

from collections.abc import Iterable

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from .errors import TokenUnavailable
from .observer import Observer
from .token_source import State, TokenSource


class MetricsObserver(Observer):
    """Counts what happens. No attribute holds a token, nor anything of unbounded variety but the topics' names.

    `token.reads` (a histogram, in seconds), `token.failures` and `token.denials` (by AWS's error code),
    `token.served_stale`, `token.swaps`, `topic.gaps` (by topic), `topic.missed`; with `watch` also `token.state`, which
    is 1 for the state that the source is in and 0 for the others.
    """

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._reads = meter.create_histogram("token.reads", "s", "Reads of the secret")
        self._failures = meter.create_counter("token.failures", "1", "Reads without a usable token")
        self._denials = meter.create_counter(
            "token.denials", "1", "Reads that Secrets Manager denied"
        )
        self._stale = meter.create_counter("token.served_stale", "1", "Old copies served")
        self._swaps = meter.create_counter("token.swaps", "1", "Momento clients replaced")
        self._gaps = meter.create_counter("topic.gaps", "1", "Gaps in topics")
        self._missed = meter.create_counter("topic.missed", "1", "Messages known to be lost")

    def watch(self, source: TokenSource) -> None:
        """Report the source's state whenever metrics are collected."""

        def states(options: CallbackOptions) -> Iterable[Observation]:
            now = source.state
            return [Observation(int(state == now), {"state": state.value}) for state in State]

        self._meter.create_observable_gauge("token.state", [states], "1", "The source's state")

    def read(self, seconds: float) -> None:
        self._reads.record(seconds)

    def failed(self, error: TokenUnavailable) -> None:
        self._failures.add(1, {"code": error.code})

    def denied(self, error: TokenUnavailable) -> None:
        self._denials.add(1, {"code": error.code})

    def served_stale(self, age: float) -> None:
        self._stale.add(1)

    def swapped(self, number: int) -> None:
        self._swaps.add(1)

    def gap(self, topic_name: str, missed: int | None) -> None:
        self._gaps.add(1, {"topic": topic_name})
        self._missed.add(missed or 0, {"topic": topic_name})
