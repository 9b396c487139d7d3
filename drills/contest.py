"""The contest of the ways to read a secret: how long, how many calls, what on the day that it goes wrong.

Counts come from the ledger and are exact. A delay is added where threads must meet while a call is in progress.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

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


def contest(
    cloud: Cloud, ways: Sequence[Way], ttl: int = 1, step: Callable[[str], None] = lambda name: None
) -> list[Result]:
    """Measure all ways. `step` is called with the name of each before its turn, then with "expiry" and "failure"."""
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
        results[way.name].on_revocation = "seen" if outcomes[way.name, DENIED] == "raises" else "not seen"
    return list(results.values())


def contest_table(results: Sequence[Result]) -> Table:
    many, waited = f"Calls, {THREADS} cold threads", f"Of {READERS} readers, waited at expiry"
    columns = ("Way", "Calls, cold", many, "Hit, p50", "Hit, p99", waited, "After an error", "Revocation", "Extra size")
    rows = []
    for it in results:
        hits, size = (duration(it.hit(0.5)), duration(it.hit(0.99))), f"{it.megabytes:.1f}\u202fMB"
        waited = "–" if it.waited_at_expiry is None else str(it.waited_at_expiry)
        rows.append((it.name, it.cold_calls, it.calls_of_many, *hits, waited, it.on_error, it.on_revocation, size))
    return Table(columns, rows, "The contest, in this run")


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
    return "serves the old value" if page.count() else "does not ask"


def extra_megabytes(package: str) -> float:
    """Return the size of this distribution and its requirements that boto3 doesn't bring, without compiled files."""
    names = _with_requirements(package) - _with_requirements("boto3")
    files = [Path(file.locate()) for name in names for file in distribution(name).files or [] if file.suffix != ".pyc"]
    return sum(path.stat().st_size for path in files if path.is_file()) / 1e6


def _with_requirements(package: str) -> set[str]:
    found, waiting = set[str](), [package] if package else []
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            needs = map(Requirement, distribution(name).requires or [])
        except PackageNotFoundError:  # for another platform
            continue
        found.add(name)
        waiting += [need.name for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})]
    return found
