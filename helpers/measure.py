"""Measure ways of doing the same: how long, how many calls, what on the day that it goes wrong.

Counts come from the ledger and are exact. A delay is added where threads must meet while a call is under way; it is
said wherever it is used.
"""

from __future__ import annotations

import gc
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement

from .cloud import Cloud
from .show import Table, duration

THREADS = 32
READERS = 4  # at the expiry of a copy
OVERLAP = 0.2  # seconds added to each call, so that threads which start together really overlap
OUTAGE, DENIED = "InternalServiceError", "AccessDeniedException"
BASE = "boto3"  # what every reader of Secrets Manager has installed anyway

Read = Callable[[], str]


@dataclass(frozen=True)
class Way:
    """A way to read a secret: `make(ttl)` gives a fresh reader whose copies live `ttl` seconds."""

    name: str
    make: Callable[[int], Read]
    package: str = ""  # the distribution that it needs beyond boto3
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
    on_revocation: str = ""
    megabytes: float = 0.0

    def hit(self, quantile: float) -> float:
        return percentile(self.hits, quantile)


def percentile(values: Sequence[float], quantile: float) -> float:
    """The value below which this part (0 to 1) of the values lies, the nearest one that occurs."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def latencies(read: Read, seconds: float = 0.1, least: int = 5, most: int = 5_000) -> list[float]:
    """Time reads, for this long or until there are enough.

    A read that is over in less than 20 microseconds is timed in batches of 32, each giving its mean, as reading the
    clock would take as long as the read.
    """
    taken: list[float] = []
    batch = 32 if _time_of(read, 1) < 20e-6 else 1
    end = time.perf_counter() + seconds
    with _no_garbage_collection():
        while len(taken) < least or (len(taken) < most and time.perf_counter() < end):
            taken.append(_time_of(read, batch))
    return taken


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """As `timeit` does: what is measured is the read, not the sweep that it happens to set off."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _time_of(read: Read, times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        read()
    return (time.perf_counter() - started) / times


def at_once(read: Read, threads: int = THREADS) -> list[object]:
    """Call `read` from this many threads, all released at the same moment; the results, or the exceptions raised."""
    barrier = threading.Barrier(threads)

    def wait_and_read(_) -> object:
        barrier.wait()
        try:
            return read()
        except Exception as error:
            return error

    with _no_garbage_collection(), ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_read, range(threads)))


def calls_when_cold(cloud: Cloud, way: Way, threads: int) -> int:
    """Calls to AWS when this many threads read at once and nothing has been read before."""
    read = way.make(3600)
    if threads > 1:
        cloud.add_fault("aws", delay=OVERLAP)
    try:
        with cloud.ledger.page(way.name) as page:
            at_once(read, threads)
    finally:
        cloud.clear_faults()
    return page.count()


def reads_across_expiry(way: Way, ttl: int, seconds: float, pause: float = 0.002) -> list[float]:
    """Latencies of all reads by a few threads, from a warm start, for this long; it should include an expiry."""
    read = way.make(ttl)
    read()
    end = time.perf_counter() + seconds

    def read_on(_) -> list[float]:
        taken = []
        while time.perf_counter() < end:
            started = time.perf_counter()
            read()
            taken.append(time.perf_counter() - started)
            time.sleep(pause)  # else the readers wait for one another, not for the cache
        return taken

    with ThreadPoolExecutor(READERS) as pool:
        return [latency for taken in pool.map(read_on, range(READERS)) for latency in taken]


def waited_at_expiry(cloud: Cloud, ways: Iterable[Way], ttl: int) -> dict[str, int]:
    """How many readers waited for the network when the copy expired, by way. All ways run side by side.

    A call takes `OVERLAP` longer than normal meanwhile, so a reader that waits for one can't be mistaken. It is over
    before a copy can expire for the second time.
    """
    reads = {way.name: way.make(ttl) for way in ways}
    for read in reads.values():
        read()
    cloud.add_fault("aws", delay=OVERLAP)
    try:
        with ThreadPoolExecutor(READERS * len(reads)) as pool:
            end = time.perf_counter() + ttl + 2 * OVERLAP + 0.2
            jobs = {
                name: [pool.submit(_meets_a_wait, read, end) for _ in range(READERS)]
                for name, read in reads.items()
            }
            return {name: sum(job.result() for job in waits) for name, waits in jobs.items()}
    finally:
        cloud.clear_faults()


def _meets_a_wait(read: Read, end: float) -> bool:
    """Read on until one read waits for a call, or until this moment; whether one did."""
    while True:
        started = time.perf_counter()
        read()
        if time.perf_counter() - started > OVERLAP / 2:
            return True
        if time.perf_counter() > end:
            return False
        time.sleep(0.002)


def after_failures(
    cloud: Cloud, ways: Sequence[Way], ttl: int, errors: Sequence[str]
) -> dict[tuple[str, str], str]:
    """What a read gives when its copy has expired and Secrets Manager answers with an error code, by way and code."""
    readers = {(way.name, error): way.make(ttl) for way in ways for error in errors}
    for read in readers.values():
        read()
    time.sleep(ttl + 0.05)
    outcomes = {}
    for error in errors:
        cloud.add_fault("aws", error=error, message="set in the sandbox")
        try:
            outcomes |= {
                key: _outcome(cloud, read) for key, read in readers.items() if key[1] == error
            }
        finally:
            cloud.clear_faults()
    return outcomes


def _outcome(cloud: Cloud, read: Read) -> str:
    with cloud.ledger.page("after a failure") as page:
        try:
            read()
        except Exception:
            return "raises"
        time.sleep(0.05)  # a refresh in the background asks a moment later
    return "serves the old value" if page.count() else "does not ask"


def extra_megabytes(package: str) -> float:
    """What this distribution, with all that it needs, adds on disk to an environment that has boto3; compiled files left out."""
    if not package:
        return 0.0
    names = _closure(package) - _closure(BASE)
    files = [
        file for name in names for file in distribution(name).files or [] if file.suffix != ".pyc"
    ]
    return sum(path.stat().st_size for file in files if (path := file.locate()).is_file()) / 1e6


def _closure(package: str) -> set[str]:
    found: set[str] = set()
    waiting = [package]
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        try:
            lines = distribution(name).requires or []
        except PackageNotFoundError:
            continue
        if name in found:
            continue
        found.add(name)
        needs = map(Requirement, lines)
        waiting += [
            need.name
            for need in needs
            if need.marker is None or need.marker.evaluate({"extra": ""})
        ]
    return found


def contest(
    cloud: Cloud, ways: Sequence[Way], ttl: int = 1, step: Callable[[str], None] = lambda name: None
) -> list[Result]:
    """Everything about every way. `step` is told the name of each before its turn, then "expiry" and "failure"."""
    results = {way.name: Result(way.name, megabytes=extra_megabytes(way.package)) for way in ways}
    for way in ways:
        step(way.name)
        result = results[way.name]
        result.cold_calls = calls_when_cold(cloud, way, threads=1)
        result.calls_of_many = calls_when_cold(cloud, way, threads=THREADS)
        read = way.make(3600)
        read()
        result.hits = latencies(read)
    step("expiry")
    for name, waited in waited_at_expiry(cloud, [way for way in ways if way.expires], ttl).items():
        results[name].waited_at_expiry = waited
    step("failure")
    outcomes = after_failures(cloud, ways, ttl, (OUTAGE, DENIED))
    for way in ways:
        results[way.name].on_error = outcomes[way.name, OUTAGE]
        results[way.name].on_revocation = (
            "seen" if outcomes[way.name, DENIED] == "raises" else "not seen"
        )
    return list(results.values())


def contest_table(results: Sequence[Result]) -> Table:
    columns = (
        "Way",
        "Calls, cold",
        f"Calls, {THREADS} cold threads",
        "Hit, p50",
        "Hit, p99",
        f"Of {READERS} readers, waited at expiry",
        "After an error",
        "Revocation",
        "Extra MB",
    )
    rows = [
        (
            result.name,
            result.cold_calls,
            result.calls_of_many,
            duration(result.hit(0.5)),
            duration(result.hit(0.99)),
            "–" if result.waited_at_expiry is None else str(result.waited_at_expiry),
            result.on_error,
            result.on_revocation,
            f"{result.megabytes:.1f}",
        )
        for result in results
    ]
    return Table(columns, rows, "The contest, on this machine, in this run")
