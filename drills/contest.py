"""The contest of the ways to read a secret: how long, how many calls, what on the day that it goes wrong.

Counts come from the ledger and are exact. A delay is added where threads must meet while a call is in progress.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from helpers.cloud import Cloud
from helpers.display import Table, duration
from helpers.timing import OVERLAP, THREADS, Read, at_once, latencies, percentile

from . import fault

READERS = 4  # at the expiry of a copy
OUTAGE, DENIED = "InternalServiceError", "AccessDeniedException"


@dataclass(frozen=True)
class Way:
    """A way to read a secret: `make(ttl)` returns a new reader whose copies live `ttl` seconds."""

    name: str
    make: Callable[[int], Read]
    expires: bool = False  # whether its copies expire, so that a refresh can be watched


@dataclass
class Result:
    """What was found about one way. Latencies in seconds."""

    name: str
    cold_calls: int = 0
    calls_of_many: int = 0
    hits: list[float] = field(default_factory=list)
    waited_at_expiry: int | None = None
    on_error: str = ""
    stops: bool = False  # when access is revoked

    def hit(self, quantile: float) -> float:
        return percentile(self.hits, quantile)


def contest(
    cloud: Cloud, ways: Sequence[Way], ttl: int = 1, step: Callable[[str], None] = lambda name: None
) -> list[Result]:
    """Measure all ways. `step` is called with the name of each before its turn, then with "expiry" and "failure"."""
    results = {way.name: Result(way.name) for way in ways}
    for way in ways:
        step(way.name)
        result = results[way.name]
        result.cold_calls = calls_when_cold(cloud, way, threads=1)
        result.calls_of_many = calls_when_cold(cloud, way, threads=THREADS)
        result.hits = warm_latencies(way)
    step("expiry")
    for name, waited in waited_at_expiry(cloud, [way for way in ways if way.expires], ttl).items():
        results[name].waited_at_expiry = waited
    step("failure")
    outcomes = after_failures(cloud, ways, ttl, (OUTAGE, DENIED))
    for way in ways:
        results[way.name].on_error = outcomes[way.name, OUTAGE]
        results[way.name].stops = outcomes[way.name, DENIED] == "raises"
    return list(results.values())


def warm_latencies(way: Way) -> list[float]:
    """Time reads after the first, in seconds."""
    read = way.make(3600)
    read()
    return latencies(read)


def later_reads(ways: Iterable[Way]) -> dict[str, tuple[float, float]]:
    """Return the median and the 99th percentile of reads after the first, by way."""
    times = {}
    for way in ways:
        taken = warm_latencies(way)
        times[way.name] = percentile(taken, 0.5), percentile(taken, 0.99)
    return times


def calls_table(results: Sequence[Result]) -> Table:
    """Show how many calls each way makes, and how long a read takes once the value is cached."""
    columns = (
        "Way",
        "First read: calls",
        f"{THREADS} threads' first read: calls",
        "Later reads: median",
        "99th percentile",
    )
    rows = [(it.name, it.cold_calls, it.calls_of_many, duration(it.hit(0.5)), duration(it.hit(0.99))) for it in results]
    return Table(columns, rows, "Calls and time, in this run")


def bad_day_table(results: Sequence[Result]) -> Table:
    """Show what each way does when its copy has expired: who waits, and what an error leads to."""
    columns = ("Way", f"Of {READERS} readers, wait at expiry", "After an error", "Stops when access is revoked")
    waiting = ["–" if it.waited_at_expiry is None else str(it.waited_at_expiry) for it in results]
    rows = [
        (it.name, wait, it.on_error, "yes" if it.stops else "no") for it, wait in zip(results, waiting, strict=True)
    ]
    return Table(columns, rows, "On a bad day, in this run")


def calls_when_cold(cloud: Cloud, way: Way, threads: int) -> int:
    """Count the calls to AWS when this many threads read simultaneously and nothing has been read before."""
    read = way.make(3600)
    with fault(cloud, delay=OVERLAP if threads > 1 else 0.0), cloud.ledger.page(way.name) as page:
        at_once(read, threads)
    return page.count()


def waited_at_expiry(cloud: Cloud, ways: Iterable[Way], ttl: int) -> dict[str, int]:
    """Count the readers that waited for the network when the copy expired, by way. All ways run side by side.

    A call takes `OVERLAP` longer than normal, so a reader that waits for one can't be mistaken. It is over before a copy
    can expire for the second time.
    """
    reads = {way.name: way.make(ttl) for way in ways}
    for read in reads.values():
        read()
    with fault(cloud, delay=OVERLAP), ThreadPoolExecutor(READERS * len(reads)) as pool:
        end = time.perf_counter() + ttl + 2 * OVERLAP + 0.2
        jobs = {name: [pool.submit(_meets_a_wait, read, end) for _ in range(READERS)] for name, read in reads.items()}
        return {name: sum(job.result() for job in waits) for name, waits in jobs.items()}


def _meets_a_wait(read: Read, end: float) -> bool:
    """Read until one read waits for a call, or until `end`; return whether one did."""
    while True:
        started = time.perf_counter()
        read()
        if time.perf_counter() - started > OVERLAP / 2:
            return True
        if time.perf_counter() > end:
            return False
        time.sleep(0.002)


def after_failures(cloud: Cloud, ways: Sequence[Way], ttl: int, errors: Sequence[str]) -> dict[tuple[str, str], str]:
    """Return what a read gives when its copy has expired and Secrets Manager returns an error, by way and error code."""
    readers = {(way.name, error): way.make(ttl) for way in ways for error in errors}
    for read in readers.values():
        read()
    time.sleep(ttl + 0.05)
    outcomes: dict[tuple[str, str], str] = {}
    for error in errors:
        with fault(cloud, error=error):
            outcomes |= {key: _outcome(cloud, read) for key, read in readers.items() if key[1] == error}
    return outcomes


def _outcome(cloud: Cloud, read: Read) -> str:
    with cloud.ledger.page("after a failure") as page:
        try:
            read()
        except Exception:
            return "raises"
        end = time.monotonic() + 0.5  # a refresh in the background starts a moment later
        while not page.calls and time.monotonic() < end:
            time.sleep(0.01)
    return "serves the old value" if page.count() else "makes no call"
