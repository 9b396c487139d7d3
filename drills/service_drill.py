"""Load real servers in child processes by real clients, while the token is replaced.

A rotation waits until each process of the service has responded since the one before, so how often a process has to read
the secret is the same in every run, however slow the machine is.
"""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from statistics import median
from typing import NamedTuple, Self

import boto3
import httpx
from IPython.display import HTML

from helpers.cloud import Cloud, CloudError
from helpers.display import duration
from sandbox.processes import invoke_lambda, plain
from sandbox.program import Program

from . import reads_seen
from .rotation_drill import ROTATIONS, rotate

# Threads, each with its own connections; requests between two rotations, at least; seconds for each process to respond.
CLIENTS, REQUESTS, PATIENCE = 8, 24, 30.0
Send = Callable[[int], tuple[bool, int | None]]  # sends request number n: did it succeed, and which process responded?


class Request(NamedTuple):
    started: float
    succeeded: bool
    process: int | None


@dataclass(frozen=True)
class ServiceDrill:
    """What happened to a service; `reads` are its reads of the secret."""

    requests: list[Request]
    reads: int

    @property
    def failed(self) -> int:
        return sum(not request.succeeded for request in self.requests)

    @property
    def processes(self) -> int:
        """Count the processes that responded."""
        return len({request.process for request in self.requests} - {None})


class Load:
    """Requests from eight threads without a pause, while the block runs."""

    def __init__(self, send: Send, processes: int) -> None:
        self._send, self._processes, self._over = send, processes, threading.Event()
        self._threads, self.requests = ThreadPoolExecutor(CLIENTS), list[Request]()

    def __enter__(self) -> Self:
        for client in range(CLIENTS):
            self._threads.submit(self._run, client)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._threads.shutdown()

    def wait_for_all(self) -> list[Request]:
        """Wait until enough requests that begin from now on have ended, and each process has responded. Return those.

        Raises `CloudError` if a process does not respond within half a minute.
        """
        since = time.perf_counter()
        while True:
            ended = [request for request in list(self.requests) if request.started >= since]
            responded = len({request.process for request in ended} - {None})
            if len(ended) >= REQUESTS and responded >= self._processes:
                return ended
            if time.perf_counter() > since + PATIENCE:
                raise CloudError(
                    f"{responded} of {self._processes} processes responded within {PATIENCE:g} s: close other programs "
                    "and run this cell again."
                )
            time.sleep(0.01)

    def _run(self, number: int) -> None:
        while not self._over.is_set():
            started = time.perf_counter()
            self.requests.append(Request(started, *self._send(number)))
            number += CLIENTS


def parts_of(file: str, *names: str) -> HTML:
    """Show the parts of a Python file that hold one of these texts. Two blank lines end a part."""
    parts = plain(file).read_text(encoding="utf-8").split("\n\n\n")
    shown = "\n\n\n".join(part for part in parts if any(name in part for name in names))
    return HTML(f'<pre style="white-space: pre; overflow-x: auto">{escape(shown)}</pre>')


@contextmanager
def served(cloud: Cloud, command: str, **environment: str) -> Iterator[httpx.Client]:
    """Run a Python module in the notebook's folder `services`, and give an HTTP client for it while the block runs."""
    folder, module = plain("services/visits_metrics.py").parent, [sys.executable, "-m", *shlex.split(command)]
    # No connection is kept, so that each request may meet another process, as behind a load balancer.
    alone = httpx.Limits(max_keepalive_connections=0)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as counters,
        Program(cloud, module, folder, PROMETHEUS_MULTIPROC_DIR=counters, **environment) as program,
        httpx.Client(base_url=program.address, limits=alone, timeout=20, trust_env=False) as http,
    ):
        yield http


def visits(http: httpx.Client) -> Send:
    """Return a function that sends a visit to this server."""

    def send(number: int) -> tuple[bool, int | None]:
        try:
            response = http.post(f"/visits/user-{number % 100}")
            return response.status_code == 200, response.json().get("process")
        except (httpx.HTTPError, ValueError):  # no response, or not the service's own
            return False, None

    return send


def drill_server(cloud: Cloud, command: str, settings: dict[str, str], processes: int = 1) -> ServiceDrill:
    """Load a server while its token is replaced ten times; each old one is revoked immediately."""
    before = reads_seen(cloud)
    with served(cloud, command, **settings) as http:
        requests = _rotate_under_load(cloud, settings["SECRET_NAME"], visits(http), processes)
        return ServiceDrill(requests, reads_seen(cloud) - before - ROTATIONS)


def drill_function(cloud: Cloud, file: str, settings: dict[str, str]) -> ServiceDrill:
    """Load a file as `drill_server` does, deployed as a Lambda function, which boto3 invokes over HTTP."""
    before, function, client = reads_seen(cloud), cloud.deploy_function(file, **settings), boto3.client("lambda")

    def send(number: int) -> tuple[bool, int | None]:
        event = json.dumps({"user": f"user-{number % 100}"})
        return "FunctionError" not in client.invoke(FunctionName=function, Payload=event), 1

    requests = _rotate_under_load(cloud, settings["SECRET_NAME"], send, 1)
    return ServiceDrill(requests, reads_seen(cloud) - before - ROTATIONS)


def ten_invocations(cloud: Cloud, file: str, settings: dict[str, str]) -> tuple[int, int, str, str]:
    """Invoke a Lambda handler ten times in a fresh process.

    Return the reads of the secret, the connections to Momento, and the time of the first invocation, imports included, and
    of the median one of the others.
    """
    reads, connections = reads_seen(cloud), cloud.connections_seen()["momento"]
    ran = invoke_lambda(cloud, file, [{"user": "anna"}] * 10, **settings)
    reads, connections = reads_seen(cloud) - reads, cloud.connections_seen()["momento"] - connections
    return reads, connections, duration(ran.init + ran.seconds[0]), duration(median(ran.seconds[1:]))


def _rotate_under_load(cloud: Cloud, secret_name: str, send: Send, processes: int) -> list[Request]:
    with Load(send, processes) as load:
        load.wait_for_all()
        for _ in range(ROTATIONS):
            rotate(cloud, secret_name)
            load.wait_for_all()
    return load.requests
