"""What a cache of the token does: when its copy grows old, how ways to read compare, which thread calls for the others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from helpers.charts import Span
from helpers.cloud import Cloud
from helpers.display import duration
from helpers.timing import THREADS, Read, at_once

from . import fault
from .rotation_drill import current_token, store_new_token

Make = Callable[[int], Read]  # of a TTL in seconds: a reader with an empty cache
SETTLED, PATIENCE = 0.5, 5.0  # seconds before and after a change; seconds to wait until it is seen
DENIED, OUTAGE = "AccessDeniedException", "InternalServiceError"
COLUMNS = (
    "Way",
    "First read: calls",
    "Ten more reads: calls",
    "Sees a new token",
    "Stops when access is revoked",
    "In an outage",
)
NEXT, AGED, NEVER = "at the next read", "after its TTL", "never"
CALLS, WAITS = "calls Secrets Manager", "waits for that call"


@dataclass(frozen=True)
class Watched:
    """A copy that grew old: rows for a timeline, and the seconds for which it was stale."""

    rows: dict[str, list[Span]]
    stale: float
    seen: bool  # the new token came back in the end

    @property
    def message(self) -> str:
        return f"The copy was {'' if self.seen else 'still '}stale {'for' if self.seen else 'after'} {duration(self.stale)}"


def watch_a_copy(cloud: Cloud, secret_name: str, read: Read) -> Watched:
    """Read, store a new token in the secret, and read until it comes back."""
    with cloud.ledger.page("a copy") as page:
        started = time.perf_counter()
        first = read()
        time.sleep(SETTLED)
        store_new_token(cloud, secret_name)
        changed = time.perf_counter()
        seen = read() != first
        while not seen and time.perf_counter() < changed + PATIENCE:
            time.sleep(0.01)
            seen = read() != first
        noticed = time.perf_counter()
        time.sleep(SETTLED)
        end = time.perf_counter() - started

    def tokens(change: float) -> list[Span]:
        return [Span(0, change - started, "first token"), Span(change - started, end, "new token")]

    calls = [call for call in page.calls if call.operation != "PutSecretValue"]
    rows = {
        "the secret holds": tokens(changed),
        "your code gets": tokens(noticed) if seen else [Span(0, end, "first token")],
        "calls to read it": [Span(at := call.started - started, at + call.seconds, "call") for call in calls],
    }
    return Watched(rows, noticed - changed, seen)


def compare(
    cloud: Cloud, secret_name: str, ways: Mapping[str, Make], ttl: int = 2
) -> list[tuple[str, int, int, str, str, str]]:
    """Return for each way: calls of the first read and of ten more, when it sees a new token, when it stops, an outage.

    All copies grow old at the same time, so this takes little longer than one TTL.
    """
    counted = {}
    for name, make in ways.items():
        read = make(3600)
        with cloud.ledger.page(name) as first:
            read()
        with cloud.ledger.page(name) as later:
            for _ in range(10):
                read()
        counted[name] = first.count(), later.count()
    before = current_token(secret_name)
    changed, denied, away = ({name: make(ttl) for name, make in ways.items()} for _ in range(3))
    for read in [*changed.values(), *denied.values(), *away.values()]:
        read()
    store_new_token(cloud, secret_name)
    sees = {name: NEXT for name, read in changed.items() if read() != before}
    with fault(cloud, error=DENIED):
        stops = {name: NEXT for name, read in denied.items() if _raises(read)}
    time.sleep(ttl + 0.05)
    sees |= {name: AGED for name, read in changed.items() if name not in sees and read() != before}
    with fault(cloud, error=DENIED):
        stops |= {name: AGED for name, read in denied.items() if name not in stops and _raises(read)}
    with fault(cloud, error=OUTAGE):
        fails = {name for name, read in away.items() if _raises(read)}
    return [
        (name, *counted[name], sees.get(name, NEVER), stops.get(name, NEVER), "fails" if name in fails else "goes on")
        for name in ways
    ]


def read_together(cloud: Cloud, client: Any, readers: Mapping[str, Read]) -> dict[str, dict[str, list[Span]]]:
    """Let threads read at the same moment; return a row for each: did it call by `client`, or wait for one that did?

    A call takes 0.3 s longer than normal, so that they meet. Needs a machine that starts threads.
    """
    groups = {}
    for name, read in readers.items():
        times: list[Span] = []
        with fault(cloud, delay=0.3), _callers(client) as callers:
            for outcome in at_once(partial(_time, read, callers, times), THREADS):
                if isinstance(outcome, Exception):
                    raise outcome
        begun = min(times).start
        rows = [[Span(start - begun, end - begun, kind)] for start, end, kind in sorted(times, key=lambda one: one.end)]
        groups[name] = {f"thread {number}": row for number, row in enumerate(rows, start=1)}
    return groups


def _time(read: Read, callers: set[int], times: list[Span]) -> None:
    started = time.perf_counter()
    read()
    times.append(Span(started, time.perf_counter(), CALLS if threading.get_ident() in callers else WAITS))


def count_callers(rows: Mapping[str, list[Span]]) -> int:
    """Count the threads that called Secrets Manager themselves."""
    return sum(span.kind == CALLS for row in rows.values() for span in row)


@contextmanager
def _callers(client: Any) -> Iterator[set[int]]:
    """Collect the threads that send a call by this boto3 client."""
    threads: set[int] = set()

    def note(**_: object) -> None:
        threads.add(threading.get_ident())

    client.meta.events.register("before-send", note)
    try:
        yield threads
    finally:
        client.meta.events.unregister("before-send", note)


def _raises(read: Read) -> bool:
    try:
        read()
    except Exception:
        return True
    return False
