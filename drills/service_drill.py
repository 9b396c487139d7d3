"""The rotation drill over HTTP: real servers in child processes, loaded by real clients while the token is replaced.

A rotation waits until each process of the service has responded since the one before, so how often a process has to read
the secret is the same in every run, however slow the machine is.
"""

from __future__ import annotations

import json
import re
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import boto3
import httpx

from helpers.cloud import Cloud, CloudError
from helpers.display import Table, duration
from helpers.timing import percentile
from sandbox.processes import Server

from . import reads_seen
from .rotation_drill import ROTATIONS, rotate

# Threads, each with its own connections; requests between two rotations, at least; seconds for each process to respond.
CLIENTS, REQUESTS, PATIENCE = 8, 24, 30.0


class Request(NamedTuple):
    started: float
    seconds: float
    succeeded: bool
    process: int | None  # that served it


@dataclass(frozen=True)
class Target:
    """A service under load; the counts are those before it started.

    `send(number)` sends a request, and returns whether it succeeded and which process served it.
    """

    name: str
    send: Callable[[int], tuple[bool, int | None]]
    processes: int
    reads_before: int
    clients_before: int
    health: Callable[[], str] = lambda: "–"
    metrics: Callable[[], str] = lambda: ""


@dataclass
class ServiceDrill:
    """What happened. `reads` are the calls of GetSecretValue that arrived, without those of the rotations."""

    target: Target
    requests: list[Request] = field(default_factory=list)
    reads: int = 0
    clients: int = 0  # Momento clients that were made
    health: str = ""  # what /health said in the end

    @property
    def failed(self) -> int:
        return sum(not request.succeeded for request in self.requests)


def run_service_drill(cloud: Cloud, secret_name: str, target: Target) -> ServiceDrill:
    """Load the service from eight threads while the token is rotated ten times; each old one is revoked immediately.

    Raises `CloudError` if one of its processes responds to nothing for half a minute.
    """
    drill, over = ServiceDrill(target), threading.Event()

    def load(number: int) -> None:
        while not over.is_set():
            started = time.perf_counter()
            succeeded, process = target.send(number)
            drill.requests.append(Request(started, time.perf_counter() - started, succeeded, process))
            number += CLIENTS

    threads = [threading.Thread(target=load, args=(client,), daemon=True) for client in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for rotation in range(ROTATIONS + 1):
            if rotation:
                rotate(cloud, secret_name)
            _wait_for_all(drill, since=time.perf_counter())
            drill.health = target.health()
    finally:
        over.set()
    for thread in threads:
        thread.join(PATIENCE)
    drill.reads = reads_seen(cloud) - target.reads_before - ROTATIONS
    # By the service's own metrics if it has any: the sandbox may count one twice if two threads make its first calls.
    opened = re.search(r"^momento_clients_opened_total (\S+)", target.metrics(), re.M)
    drill.clients = int(float(opened[1])) if opened else cloud.clients_seen() - target.clients_before
    return drill


def _wait_for_all(drill: ServiceDrill, since: float) -> None:
    """Wait until there are enough requests that began since then, and each process has served one of them."""
    target, end = drill.target, time.perf_counter() + PATIENCE
    while True:
        served_by = [request.process for request in list(drill.requests) if request.started >= since]
        processes = len(set(served_by) - {None})
        if len(served_by) >= REQUESTS and processes >= target.processes:
            return
        if time.perf_counter() > end:
            raise CloudError(
                f"{target.name}: only {processes} of its {target.processes} processes have responded "
                f"within {PATIENCE:g} s: close other programs and run this cell again."
            )
        time.sleep(0.01)


def drill_table(drills: list[ServiceDrill]) -> Table:
    rows = []
    for drill in drills:
        taken = [request.seconds for request in drill.requests]
        times = [duration(percentile(taken, quantile)) for quantile in (0.5, 0.99)]
        rows.append((drill.target.name, len(drill.requests), drill.failed, *times, drill.health))
    return Table(("Service", "Requests", "Failed", "p50", "p99", "/health said"), rows)


@contextmanager
def served(
    cloud: Cloud, name: str, *command: str, folder: Path, processes: int = 1, **environment: str
) -> Iterator[Target]:
    """Serve over HTTP, with the service that this command starts, while the block runs."""
    before = reads_seen(cloud), cloud.clients_seen()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as counters:
        if processes > 1:
            environment["PROMETHEUS_MULTIPROC_DIR"] = counters
        # No connection is kept, so that each request may meet another process, as behind a load balancer.
        alone = httpx.Limits(max_keepalive_connections=0)
        with (
            Server(cloud, *command, folder=folder, **environment) as server,
            httpx.Client(base_url=server.address, limits=alone, timeout=20, trust_env=False) as http,
        ):

            def send(number: int) -> tuple[bool, int | None]:
                try:
                    response = http.post(f"/visits/user-{number % 100}")
                    return response.status_code == 200, response.json().get("process")
                except (httpx.HTTPError, ValueError):
                    return False, None

            def health() -> str:
                response = http.get("/health")
                said = response.json()
                return f"{response.status_code} {said.get('token') or said.get('status')}"

            yield Target(name, send, processes, *before, health, lambda: http.get("/metrics").text)


@contextmanager
def invoked(cloud: Cloud, name: str, file: str, **environment: str) -> Iterator[Target]:
    """Deploy this file as a Lambda function, invoked by boto3 over HTTP."""
    before = reads_seen(cloud), cloud.clients_seen()
    function = cloud.deploy_function(file, **environment)
    client = boto3.client("lambda")

    def send(number: int) -> tuple[bool, int | None]:
        event = json.dumps({"user": f"user-{number % 100}"})
        return "FunctionError" not in client.invoke(FunctionName=function, Payload=event), 1

    if not send(0)[0]:
        raise CloudError(f"{file} fails at its first invocation: run it in a cell of its own to see why.")
    yield Target(name, send, 1, *before)
