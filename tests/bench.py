"""`make bench`: the ways of notebook 04 and the pattern of 07 side by side, as a table and as build/bench.json.

Beside them stands the memory of what Binder runs: JupyterLab alone, and with the kernel and sandbox of a notebook.

The ways are taken from notebook 04 itself, from its cells tagged `ways`, so that what is measured is what is read.
Times on a shared machine vary from run to run; compare the ratios. Nothing here asserts a time.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import boto3
import nbformat
import psutil
from jupyter_client import BlockingKernelClient
from lab_server import lab_server
from names import SECRET_NAME

from helpers.cloud import Cloud, connect
from helpers.measure import (
    THREADS,
    Read,
    Way,
    calls_when_cold,
    latencies,
    percentile,
    reads_across_expiry,
)
from helpers.show import Table
from helpers.token_source import TokenSource

ROOT = Path(__file__).resolve().parent.parent
HEAVIEST = ROOT / "notebooks" / "02_lock_it_down.ipynb"  # it loads MiniStack
NOTEBOOK = ROOT / "notebooks" / "04_cache_it_on_the_client.ipynb"
ROUNDS = 5  # the ways take turns, so that a busy moment of the machine hits all of them
SLOW = 1e-3  # seconds


def ways_of_the_notebook(cloud: Cloud) -> list[Way]:
    """Run the tagged cells of notebook 04 and return its list of ways."""
    names: dict[str, Any] = {"cloud": cloud, "SECRET_NAME": SECRET_NAME}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if "ways" in cell.metadata.get("tags", []):
            exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
    return names["WAYS"]


def production_pattern(ttl: int) -> Read:
    return TokenSource(boto3.client("secretsmanager"), SECRET_NAME, ttl=ttl).get


def row(name: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "metric": metric, "value": value, "unit": unit}


def hit_rows(ways: Sequence[Way], rounds: int = ROUNDS) -> list[dict[str, Any]]:
    readers: dict[str, Read] = {way.name: way.make(3600) for way in ways}
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for read in readers.values():
        read()
    for _ in range(rounds):
        for name, read in readers.items():
            taken[name] += latencies(read)
    return [
        row(name, metric, round(percentile(values, quantile) * 1e6, 3), "µs")
        for name, values in taken.items()
        for metric, quantile in (("hit_p50", 0.5), ("hit_p99", 0.99))
    ]


def call_rows(cloud: Cloud, ways: Sequence[Way]) -> list[dict[str, Any]]:
    return [
        row(way.name, metric, calls_when_cold(cloud, way, threads), "calls")
        for way in ways
        for metric, threads in (("cold_calls", 1), (f"cold_calls_{THREADS}_threads", THREADS))
    ]


def expiry_rows(ways: Sequence[Way]) -> list[dict[str, Any]]:
    """Reads by four threads, for 2.5 s with a TTL of 1 s, that took longer than a millisecond."""
    return [
        row(
            way.name,
            "slow_reads_at_ttl",
            sum(one > SLOW for one in reads_across_expiry(way, ttl=1, seconds=2.5)),
            "reads",
        )
        for way in ways
        if way.expires
    ]


def memory_rows() -> list[dict[str, Any]]:
    """Megabytes of JupyterLab and all its child processes, shared pages counted once (PSS; USS where there is none)."""
    with tempfile.TemporaryDirectory() as runtime:
        environment = {**os.environ, "JUPYTER_RUNTIME_DIR": runtime}
        command, log = [sys.executable, "-m", "jupyter", "lab"], Path(runtime) / "log"
        with lab_server(command, ROOT / "notebooks", environment, log) as server:
            alone = _megabytes(server.pid)
            kernel = server.ask("/api/kernels", name="python3")["id"]
            _run_in(Path(runtime) / f"kernel-{kernel}.json", HEAVIEST)
            return [
                row("JupyterLab", "memory", alone, "MB"),
                row(f"JupyterLab with {HEAVIEST.stem}", "memory", _megabytes(server.pid), "MB"),
            ]


def _run_in(connection_file: Path, notebook: Path) -> None:
    client = BlockingKernelClient(connection_file=str(connection_file))
    client.load_connection_file()
    client.start_channels()
    client.wait_for_ready(timeout=30)
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            client.execute_interactive(cell.source, timeout=60, output_hook=lambda message: None)
    client.stop_channels()


def _megabytes(pid: int) -> float:
    process = psutil.Process(pid)
    parts = [one.memory_full_info() for one in (process, *process.children(recursive=True))]
    return round(sum(getattr(part, "pss", part.uss) for part in parts) / 1e6, 1)


def with_ratios(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each row with its ratio to the best, which is the lowest, of its metric; None where the best is 0 and it isn't."""
    best = {
        metric: min(r["value"] for r in rows if r["metric"] == metric)
        for metric in {r["metric"] for r in rows}
    }

    def ratio(one: dict[str, Any]) -> float | None:
        lowest = best[one["metric"]]
        if one["value"] == lowest:
            return 1.0
        return round(one["value"] / lowest, 2) if lowest else None

    return [{**one, "ratio_to_best": ratio(one)} for one in rows]


def main() -> None:
    cloud = connect()
    cloud.ensure_secret(SECRET_NAME)
    ways = ways_of_the_notebook(cloud)
    ways.append(Way("token_source", production_pattern, expires=True))
    rows = with_ratios(hit_rows(ways) + call_rows(cloud, ways) + expiry_rows(ways) + memory_rows())
    cloud.close()
    target = ROOT / "build" / "bench.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    order = sorted(rows, key=lambda one: (one["metric"], one["value"]))
    print(
        Table(
            tuple(rows[0]), [tuple(str(cell) for cell in one.values()) for one in order]
        ).as_columns()
    )
    print(f"Written to {target.relative_to(ROOT)}.")


if __name__ == "__main__":
    main()
