"""The rotation drill over HTTP: real servers in child processes, loaded by real clients while the token is replaced.

A rotation waits until each process of the service has answered since the one before, so how often a process has to read
the secret is the same in every run, whatever the machine does meanwhile.
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

from .rotation_drill import ROTATIONS, rotate

CLIENTS = 8  # threads, each with connections of its own
REQUESTS = 24  # at least, between two rotations
PATIENCE = 30.0  # seconds in which each process should have answered


class Answer(NamedTuple):
    """What came of a request: did it succeed, and which process says so (None if nobody answered)."""

    succeeded: bool
    process: int | None


class Request(NamedTuple):
    started: float
    seconds: float
    answer: Answer


@dataclass(frozen=True)
class Target:
    """A service under load: how to ask it, its processes, the seconds until it took requests, and its other two pages."""

    name: str
    ask: Callable[[int], Answer]
    processes: int
    started: float
    reads_before: int  # that had arrived before it started, and Momento clients
    clients_before: int
    health: Callable[[], str] = lambda: "–"
    metrics: Callable[[], str] = lambda: ""


@dataclass
class ServiceDrill:
    """What happened. `reads` are the calls of GetSecretValue that arrived, without those of the rotations."""

    target: Target
    requests: list[Request] = field(default_factory=list)
    reads: int = 0
    seen: int = 0  # Momento clients, by the sandbox
    said: set[str] = field(default_factory=set)  # by /health, during the drill
    metrics: str = ""

    @property
    def failed(self) -> int:
        return sum(not request.answer.succeeded for request in self.requests)

    @property
    def clients(self) -> int:
        """Momento clients that were made, by the service's own metrics; by the sandbox if it has none.

        The sandbox may count one twice if two threads make its first call at once; a Lambda function has one at a time.
        """
        found = re.search(r"^momento_clients_opened_total (\S+)", self.metrics, re.M)
        return int(float(found[1])) if found else self.seen

    @property
    def health(self) -> str:
        return ", ".join(sorted(self.said))


def run_service_drill(
    cloud: Cloud, secret_name: str, target: Target, step: Callable[[str], None] = lambda text: None
) -> ServiceDrill:
    """Load the service from eight threads, and rotate the token ten times meanwhile; each old one is revoked at once.

    Raises `CloudError` if one of its processes answers nothing for half a minute.
    """
    drill, over = ServiceDrill(target), threading.Event()

    def load(client: int) -> None:
        number = client
        while not over.is_set():
            started = time.perf_counter()
            answer = target.ask(number)
            taken = time.perf_counter() - started
            drill.requests.append(Request(started, taken, answer))
            number += CLIENTS

    threads = [threading.Thread(target=load, args=(one,), daemon=True) for one in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        for rotation in range(ROTATIONS + 1):
            if rotation:
                rotate(cloud, secret_name)
            _wait_for_all(drill, since=time.perf_counter())
            drill.said.add(target.health())
            step(f"{target.name}, rotation {rotation}: {len(drill.requests):,} requests")
    finally:
        over.set()
    for thread in threads:
        thread.join(PATIENCE)
    drill.metrics = target.metrics()
    drill.reads = _reads(cloud) - target.reads_before - ROTATIONS
    drill.seen = cloud.clients_seen() - target.clients_before
    return drill


def drill_table(drills: list[ServiceDrill]) -> Table:
    columns = (
        "Service",
        "Processes",
        "Requests",
        "Failed",
        "Reads of the secret",
        "Momento clients",
    )
    rows = []
    for drill in drills:
        taken = [request.seconds for request in drill.requests]
        rows.append(
            (
                drill.target.name,
                drill.target.processes,
                len(drill.requests),
                drill.failed,
                drill.reads,
                drill.clients,
                duration(percentile(taken, 0.5)),
                duration(percentile(taken, 0.99)),
                duration(drill.target.started),
                drill.health,
            )
        )
    return Table((*columns, "p50", "p99", "Start", "/health said"), rows)


def _reads(cloud: Cloud) -> int:
    return cloud.calls_seen().get("aws.GetSecretValue", 0)


def _wait_for_all(drill: ServiceDrill, since: float) -> None:
    """Until there are enough requests that began since then, and each process has answered one of them."""
    end, counted = time.perf_counter() + PATIENCE, 0
    seen: set[int] = set()
    place = max(0, len(drill.requests) - 10 * CLIENTS)
    while counted < REQUESTS or len(seen) < drill.target.processes:
        if time.perf_counter() > end:
            raise CloudError(
                f"{drill.target.name}: only {len(seen)} of its {drill.target.processes} processes have answered "
                f"within {PATIENCE:g} s: close other programs and run this cell again."
            )
        time.sleep(0.005)
        arrived = drill.requests[place:]
        place += len(arrived)
        for request in arrived:
            if request.started >= since:
                counted += 1
                if request.answer.process is not None:
                    seen.add(request.answer.process)


@contextmanager
def served(
    cloud: Cloud, name: str, *command: str, folder: Path, processes: int = 1, **environment: str
) -> Iterator[Target]:
    """The service that this command starts, over HTTP, for as long as the block runs."""
    before = _reads(cloud), cloud.clients_seen()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as counters:
        if processes > 1:
            environment["PROMETHEUS_MULTIPROC_DIR"] = counters
        # No connection is kept, so that each request may meet another process, as behind a load balancer.
        alone = httpx.Limits(max_keepalive_connections=0)
        with (
            Server(cloud, *command, folder=folder, **environment) as server,
            httpx.Client(base_url=server.address, limits=alone, timeout=20, trust_env=False) as http,
        ):

            def ask(number: int) -> Answer:
                try:
                    answer = http.post(f"/visits/user-{number % 100}")
                    return Answer(answer.status_code == 200, answer.json().get("process"))
                except (httpx.HTTPError, ValueError):
                    return Answer(False, None)

            def health() -> str:
                answer = http.get("/health")
                said = answer.json()
                return f"{answer.status_code} {said.get('token') or said.get('status')}"

            def metrics() -> str:
                return http.get("/metrics").text

            yield Target(name, ask, processes, server.started, *before, health, metrics)


@contextmanager
def invoked(cloud: Cloud, name: str, file: str, **environment: str) -> Iterator[Target]:
    """A Lambda function made from this file, invoked by boto3 over HTTP."""
    before, begun = (_reads(cloud), cloud.clients_seen()), time.perf_counter()
    function = cloud.deploy_function(file, **environment)
    client = boto3.client("lambda")

    def ask(number: int) -> Answer:
        event = json.dumps({"user": f"user-{number % 100}"})
        return Answer("FunctionError" not in client.invoke(FunctionName=function, Payload=event), 1)

    if not ask(0).succeeded:
        raise CloudError(f"{file} fails at its first invocation: run it in a cell of its own to see why.")
    yield Target(name, ask, 1, time.perf_counter() - begun, *before)
