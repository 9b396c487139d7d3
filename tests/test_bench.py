"""`make bench` measures the notebook's own ways and writes rows that a program can read."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from bench import ROOT, with_ratios

NAMES = {
    "aws-secretsmanager-caching",
    "powertools",
    "cachetools",
    "dogpile",
    "functools",
    "token_source",
}
METRICS = {"hit_p50", "hit_p99", "cold_calls_32_threads", "slow_reads_at_ttl", "memory"}


def test_ratios_are_to_the_lowest_of_the_metric():
    rows = with_ratios(
        [
            {"name": n, "metric": m, "value": v, "unit": "u"}
            for n, m, v in (("a", "x", 2), ("b", "x", 3), ("a", "y", 0), ("b", "y", 4))
        ]
    )
    assert [row["ratio_to_best"] for row in rows] == [1.0, 1.5, 1.0, None]


@pytest.mark.again
@pytest.mark.timeout(240)
def test_it_runs_and_writes_its_rows():
    target = ROOT / "build" / "bench.json"
    target.unlink(missing_ok=True)
    done = subprocess.run([sys.executable, "tools/bench.py"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows = json.loads(target.read_text(encoding="utf-8"))
    assert all(set(row) == {"name", "metric", "value", "unit", "ratio_to_best"} for row in rows)
    assert {row["name"] for row in rows} >= NAMES and {row["metric"] for row in rows} >= METRICS
    calls = {row["name"]: row["value"] for row in rows if row["metric"] == "cold_calls_32_threads"}
    assert (calls["cachetools"], calls["dogpile"], calls["aws-secretsmanager-caching"]) == (1, 1, 2)
    assert calls["token_source"] == 1
    assert min(calls["powertools"], calls["functools"]) > 1  # 32, but on a machine that is busy
