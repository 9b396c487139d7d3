"""`make bench`: the ways of notebook 03 side by side, as a table and as build/bench.json.

Beside them stands the memory of what Binder runs: JupyterLab alone, and with the kernel and sandbox of a notebook.

The ways are taken from notebook 03 itself, from its cells tagged `ways`, so that what is measured is what is read.
Times on a shared machine vary from run to run; compare the ratios. Nothing here asserts a time.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import psutil
from botocore.exceptions import ClientError
from jupyter_client import BlockingKernelClient
from lab_server import lab_server

from helpers.cloud import Cloud, connect
from helpers.display import Table
from helpers.experiments.contest import Way, calls_when_cold, reads_across_expiry
from helpers.sandbox.api_keys import new_api_key
from helpers.timing import THREADS, Read, latencies, percentile
from momento_token.token_source import TokenSource, TokenUnavailable

ROOT = Path(__file__).resolve().parent.parent
SECRET_NAME = "tutorial/momento-api-key"  # as in the notebooks
HEAVIEST = ROOT / "notebooks" / "06_lock_it_down.ipynb"  # it loads MiniStack
NOTEBOOK = ROOT / "notebooks" / "03_cache_it_on_the_client.ipynb"
ROUNDS = 5  # the ways take turns, so that a busy moment of the machine hits all of them
SLOW = 1e-3  # seconds


def ways_of_the_notebook(cloud: Cloud) -> list[Way]:
    """Run the tagged cells of notebook 03 and return its list of ways."""
    names: dict[str, Any] = {"cloud": cloud, "SECRET_NAME": SECRET_NAME}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if "ways" in cell.metadata.get("tags", []):
            exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
    return names["WAYS"]


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


def pattern_rows() -> list[dict[str, Any]]:
    """How the pattern behaves when Secrets Manager doesn't: each with the bound that it has to keep."""
    return [
        row("token_source", "calls_in_60_s_throttled", *most_calls_when_throttled()),
        row("token_source", "longest_wait_while_it_hangs", longest_wait_while_it_hangs(), "s"),
        row("token_source", "exit_while_a_read_hangs", exit_while_a_read_hangs(), "s"),
    ]


class Throttled:
    """A Secrets Manager that says "not now", and counts how often."""

    def __init__(self) -> None:
        self.calls = 0

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:
        self.calls += 1
        raise ClientError({"Error": {"Code": "ThrottlingException"}}, "GetSecretValue")


def most_calls_when_throttled(sources: int = 1_000, seconds: int = 60) -> tuple[float, str]:
    """Of a fleet of sources that are all read ten times a second: the calls of the one that makes most, and the mean's."""
    logging.getLogger("momento_token.token_source").setLevel(
        logging.ERROR
    )  # a thousand would say so
    now = [0.0]
    fleet = []
    for _ in range(sources):
        service = Throttled()
        source = TokenSource(
            service, "s", clock=lambda: now[0], in_background=lambda work: work(), timeout=0
        )
        fleet.append((service, source))
    while now[0] < seconds:
        for _, source in fleet:
            with suppress(TokenUnavailable):
                source.get()
        now[0] += 0.1
    calls = [service.calls for service, _ in fleet]
    return max(calls), f"calls at most, {sum(calls) / sources:.1f} in the mean"


def longest_wait_while_it_hangs(patience: float = 0.5) -> float:
    """Of a reader whose copy may be served, with that patience, in seconds."""
    hangs = threading.Event()

    class Hanging:
        def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:
            hangs.wait()
            return {"SecretString": new_api_key(), "VersionId": "1"}

    now = [0.0]
    source = TokenSource(Hanging(), "s", patience=patience, clock=lambda: now[0])
    hangs.set()
    source.get()
    hangs.clear()
    now[0] += 301  # nobody has read it for longer than its TTL
    waited = []
    for _ in range(20):
        started = time.perf_counter()
        source.get()
        waited.append(time.perf_counter() - started)
        now[0] += waited[-1]
    hangs.set()
    return round(max(waited), 3)


EXIT = """
import time
from momento_token.token_source import TokenSource, TokenUnavailable
class Hanging:
    def get_secret_value(self, *, SecretId, VersionStage):
        time.sleep(60)
try:
    TokenSource(Hanging(), "s").get(timeout=0.1)
except TokenUnavailable:
    print("the end", flush=True)
"""


def exit_while_a_read_hangs() -> float:
    """Seconds from the last line of a program to the end of its process."""
    with subprocess.Popen([sys.executable, "-c", EXIT], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        started = time.perf_counter()
        process.wait(120)
        return round(time.perf_counter() - started, 3)


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
    rows = with_ratios(
        hit_rows(ways) + call_rows(cloud, ways) + expiry_rows(ways) + pattern_rows() + memory_rows()
    )
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
