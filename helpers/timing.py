"""Time reads, and make many of them simultaneously."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

THREADS = 32
OVERLAP = 0.4  # seconds to add to each call, so that threads which start together really overlap

Read = Callable[[], str]


def percentile(values: Sequence[float], quantile: float) -> float:
    """Return the value below which this part (0 to 1) of the values lies, the nearest one that occurs."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def latencies(read: Callable[[], object], seconds: float = 0.1, least: int = 5, most: int = 5_000) -> list[float]:
    """Time reads for this long, at least `least` and at most `most` of them.

    Reads of less than 20 microseconds are timed in batches of 32, each giving its mean: reading the clock would take
    as long as one of them.
    """
    taken: list[float] = []
    batch = 32 if _time_of(read, 1) < 20e-6 else 1
    end = time.perf_counter() + seconds
    gc.disable()  # as `timeit` does: measure the read, and not a collection that it happens to trigger
    try:
        while len(taken) < least or (len(taken) < most and time.perf_counter() < end):
            taken.append(_time_of(read, batch))
    finally:
        gc.enable()
    return taken


def _time_of(read: Callable[[], object], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        read()
    return (time.perf_counter() - started) / times


def at_once(read: Callable[[], object], threads: int = THREADS) -> list[object]:
    """Call `read` from this many threads, all released at the same moment. Returns the results and raised exceptions."""
    barrier = threading.Barrier(threads)

    def wait_and_read(_: int) -> object:
        barrier.wait()
        try:
            return read()
        except Exception as error:
            return error

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(wait_and_read, range(threads)))
