"""The timing itself, on readers whose behaviour is known."""

from __future__ import annotations

import gc
import threading
import time

import pytest

from helpers.timing import at_once, latencies, percentile


def test_percentiles_are_values_that_occur():
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0), percentile(values, 0.5), percentile(values, 0.99)) == (
        1.0,
        51.0,
        100.0,
    )
    assert percentile([3.0], 0.99) == 3.0


def test_latencies_find_a_known_time():
    assert 0.005 <= percentile(latencies(lambda: time.sleep(0.005), seconds=0.1), 0.5) < 0.05
    assert percentile(latencies(lambda: None, seconds=0.05), 0.5) < 20e-6
    assert len(latencies(lambda: time.sleep(0.01), seconds=0, least=3)) == 3


def test_measuring_leaves_garbage_collection_as_it_was():
    latencies(lambda: None, seconds=0.01)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        latencies(lambda: 1 / 0)
    assert gc.isenabled()


def test_at_once_is_at_once_and_brings_errors_back():
    together = threading.Barrier(8, timeout=10)
    assert at_once(lambda: together.wait() >= 0, threads=8) == [True] * 8
    assert [type(answer) for answer in at_once(lambda: 1 / 0, threads=3)] == [ZeroDivisionError] * 3
