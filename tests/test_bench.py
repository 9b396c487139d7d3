"""`make bench` writes rows that a program can read, and counts the calls that the notebooks claim."""

from __future__ import annotations

import json

import bench
import pytest


@pytest.mark.again
@pytest.mark.timeout(240)
def test_it_runs_and_writes_its_rows(monkeypatch, tmp_path):
    monkeypatch.setattr(bench, "TARGET", tmp_path / "bench.json")
    bench.main()
    rows = json.loads((tmp_path / "bench.json").read_text(encoding="utf-8"))
    calls = {row["name"]: row["value"] for row in rows if row["metric"] == "cold_calls_32_threads"}
    assert (calls["cachetools"], calls["dogpile"], calls["aws-secretsmanager-caching"]) == (1, 1, 2)
    assert calls["token_source"] == 1 and min(calls["powertools"], calls["functools"]) > 1
