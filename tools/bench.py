"""`make bench`: measure the ways of the contest, services while Secrets Manager hangs or rotates, and JupyterLab's memory.

The ways are the cells of notebooks/deeper/contest_of_all_ways.ipynb that are tagged `ways`, so that what is measured is
what is read. The result is a table and build/bench.json. Times on a shared machine vary from run to run: compare the ratios.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import boto3
import nbformat
import psutil
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.config import Config
from cachetools import TTLCache, cached
from jupyter_client import BlockingKernelClient
from lab_server import lab_server
from momento import CacheClient, Configurations

from drills.contest import Way, calls_when_cold
from drills.rotation_drill import rotate, run_drill
from helpers.cloud import Cloud, connect
from helpers.display import Table
from helpers.ledger import is_error
from helpers.timing import THREADS, Read, at_once, latencies, percentile
from momento_token import Event, SharedClient, TokenSource

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "notebooks"))
from momento_client import MomentoClient  # noqa: E402

SECRET_NAME = "tutorial/momento-api-key"  # as in the notebooks
HEAVIEST = ROOT / "notebooks" / "06_let_only_the_right_identity_read_it.ipynb"  # it loads MiniStack
NOTEBOOK = ROOT / "notebooks" / "deeper" / "contest_of_all_ways.ipynb"
TARGET = ROOT / "build" / "bench.json"
ROUNDS = 5  # the ways take turns, so that a busy moment of the machine hits all of them


def ways_of_the_notebook(cloud: Cloud) -> list[Way]:
    """Run the tagged cells of the contest and return its list of ways."""
    names: dict[str, Any] = {"cloud": cloud, "SECRET_NAME": SECRET_NAME}
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if "ways" in cell.metadata.get("tags", []):
            exec(compile(cell.source, NOTEBOOK.name, "exec"), names)
    return names["WAYS"]


def row(name: str, metric: str, value: float, unit: str) -> dict[str, Any]:
    return {"name": name, "metric": metric, "value": value, "unit": unit}


def hit_rows(ways: Sequence[Way]) -> list[dict[str, Any]]:
    readers: dict[str, Read] = {way.name: way.make(3600) for way in ways}
    taken: dict[str, list[float]] = {way.name: [] for way in ways}
    for read in readers.values():
        read()
    for _ in range(ROUNDS):
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


def memory_rows() -> list[dict[str, Any]]:
    """Measure JupyterLab and its child processes in megabytes, shared pages counted once (PSS; USS where there is none)."""
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


def _ignore(event: Event) -> None:
    """Take the place of a log."""


# 32 threads of a service, by two libraries and by the two sizes of what a reader takes home

QUICK = Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2})
Call = Callable[[Callable[[CacheClient], Any]], Any]


def services(cloud: Cloud, ttl: float) -> dict[str, Call]:
    """Return functions that call Momento with a token that is cached for `ttl` seconds, each as its users write it."""
    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    sm = boto3.client("secretsmanager", config=QUICK)

    def new_client(token: str) -> CacheClient:
        return CacheClient(configuration, cloud.credentials_from(token), timedelta(minutes=1))

    def with_token_from(read: Callable[[], str]) -> Call:
        client_of = lru_cache(maxsize=1)(new_client)
        return lambda operation: operation(client_of(read()))

    @cached(TTLCache(1, ttl), condition=threading.Condition())
    def by_cachetools() -> str:
        return sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]

    library = SecretCache(SecretCacheConfig(secret_refresh_interval=ttl), sm)
    source = TokenSource(SECRET_NAME, ttl=ttl, report=_ignore)
    return {
        "cachetools": with_token_from(by_cachetools),
        "AWS's library": with_token_from(lambda: library.get_secret_string(SECRET_NAME)),
        "momento_client.py": MomentoClient(SECRET_NAME, new_client, ttl=ttl).call,
        "momento_token": SharedClient(source, new_client).call,
    }


def hang_rows(cloud: Cloud) -> list[dict[str, Any]]:
    """Measure 32 calls at the same time, when the copy has expired and Secrets Manager hangs: waits and failures."""
    rows = []
    for name, call in services(cloud, ttl=1).items():
        call(lambda client: client.get("tutorial", "key"))
        time.sleep(1.1)
        cloud.add_fault("aws", delay=3)  # longer than each waits for a response
        waits: list[tuple[float, bool]] = []

        def work(call: Call = call, waits: list[tuple[float, bool]] = waits) -> None:
            begun, failed = time.perf_counter(), True
            with suppress(Exception):
                failed = is_error(call(lambda client: client.get("tutorial", "key")))
            waits.append((time.perf_counter() - begun, failed))

        at_once(work, 32)
        cloud.clear_faults()
        seconds = [wait for wait, _ in waits]
        rows += [
            row(name, "wait_while_it_hangs_p50", round(percentile(seconds, 0.5), 3), "s"),
            row(name, "wait_while_it_hangs_worst", round(max(seconds), 3), "s"),
            row(name, "failed_while_it_hangs", sum(failed for _, failed in waits), "of 32"),
        ]
    return rows


def rotation_rows(cloud: Cloud) -> list[dict[str, Any]]:
    """Count which of 3,200 operations by 32 threads fail in ten rotations that revoke the old token immediately."""
    rows = []
    for name, pause in (
        ("momento_token", 0.0),
        ("momento_client.py", 1.1),
        ("momento_client.py", 0.0),
    ):
        call, last = services(cloud, ttl=3600)[name], [0.0]

        def operate(user: str, call: Call = call, pause: float = pause) -> Any:
            time.sleep(pause / 10)  # so that the traffic lasts as long as the rotations
            return call(lambda client: client.increment("tutorial", "visits"))

        def rotate_when_due(pause: float = pause, last: list[float] = last) -> None:
            time.sleep(max(0.0, last[0] + pause - time.monotonic()))
            rotate(cloud, SECRET_NAME)
            last[0] = time.monotonic()

        drill = run_drill(cloud, name, operate, rotate_when_due)
        apart = "a second apart" if pause else "at once"
        rows.append(row(name, f"failed_in_10_rotations_{apart}".replace(" ", "_"), drill.failed, "of 3,200"))
    return rows


def main() -> None:
    cloud = connect()
    cloud.ensure_secret(SECRET_NAME)
    ways = ways_of_the_notebook(cloud)
    rows = [
        *hit_rows(ways),
        *call_rows(cloud, ways),
        *hang_rows(cloud),
        *rotation_rows(cloud),
        *memory_rows(),
    ]
    cloud.close()
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    order = sorted(rows, key=lambda one: (one["metric"], one["value"]))
    print(Table(tuple(rows[0]), [tuple(str(cell) for cell in one.values()) for one in order]).as_columns())
    print(f"Written to {TARGET}.")


if __name__ == "__main__":
    main()
