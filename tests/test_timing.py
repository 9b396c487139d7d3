"""The timing itself, on readers whose behaviour is known."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from helpers.timing import at_once, latencies, percentile


def test_percentiles_are_values_that_occur():
    values = [float(n) for n in range(100, 0, -1)]
    assert [percentile(values, part) for part in (0, 0.5, 0.99)] == [1.0, 51.0, 100.0]
    assert percentile([3.0], 0.99) == 3.0


def test_latencies_are_as_many_as_wanted_and_leave_garbage_collection_on():
    slow = latencies(lambda: time.sleep(0.005), seconds=0, least=3)
    assert len(slow) == 3 and min(slow) >= 0.005
    assert len(latencies(lambda: None, seconds=60, most=10)) == 10
    with pytest.raises(ZeroDivisionError):
        latencies(lambda: 1 / 0)
    assert gc.isenabled()


def test_at_once_is_simultaneous_and_returns_errors():
    together = threading.Barrier(8, timeout=10)
    assert at_once(lambda: together.wait() >= 0, threads=8) == [True] * 8
    assert [type(result) for result in at_once(lambda: 1 / 0, threads=3)] == [ZeroDivisionError] * 3
