"""The services of notebook 09, and the servers that run them: nothing is left of a server, however its kernel ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import httpx
import psutil
import pytest
from names import SECRET_NAME

from helpers.cloud import Cloud
from sandbox.processes import SandboxError, Server

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "services"
ENVIRONMENT = {"SECRET_NAME": SECRET_NAME, "CACHE_NAME": "tutorial"}
GUNICORN = ("gunicorn", "-b", "127.0.0.1:0", "--workers", "2", "--no-control-socket", "--preload")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn forks")


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def _processes(server: Server) -> list[psutil.Process]:
    watchdog = psutil.Process(server.watchdog)
    return [watchdog, *watchdog.children(recursive=True)]


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [(*GUNICORN, "visits_wsgi:application"), ("visits_pool",)], ids=["gunicorn", "pool"]
)
def test_each_says_nothing_of_its_token_and_leaves_no_process(cloud, tmp_path, command):
    """That they serve through rotations is in the notebook."""
    with Server(cloud, *command, folder=FOLDER, PROMETHEUS_MULTIPROC_DIR=str(tmp_path), **ENVIRONMENT) as server:
        assert httpx.post(f"{server.address}/visits/anna").json()["visits"] == 1
        health = httpx.get(f"{server.address}/health").json()
        assert health.pop("version") and health == {"token": "fresh", "problem": None}
        assert "token_reads_total 1.0\n" in _metrics(cloud, server)  # of the process that forked, too
        children = _processes(server)
        assert len(children) >= 4  # the watchdog, the server and two workers
    until(lambda: not [child for child in children if _lives(child.pid)])


@pytest.mark.slow
def test_health_says_why_recovers_without_traffic_and_the_service_ends_when_it_is_told(cloud):
    with Server(cloud, "uvicorn", "--port", "0", "visits_async:app", folder=FOLDER, **ENVIRONMENT) as server:
        cloud.add_fault("aws", error="AccessDeniedException")
        cloud.revoke_api_key(cloud.api_key)
        assert httpx.post(f"{server.address}/visits/anna").status_code in (502, 503)
        health = httpx.get(f"{server.address}/health")
        assert health.status_code == 503 and "AccessDenied" in health.json()["problem"]
        cloud.clear_faults()
        until(lambda: httpx.get(f"{server.address}/health").status_code == 200)
        assert 'token_read_failures_total{code="AccessDeniedException"}' in _metrics(cloud, server)
        (uvicorn,) = psutil.Process(server.watchdog).children()
        uvicorn.terminate()  # as platforms do: its lifespan is over then
        until(lambda: "Application shutdown complete" in server.said)
        until(lambda: not _lives(uvicorn.pid))


def _metrics(cloud: Cloud, server: Server) -> str:
    """Return the text of its metrics; neither that nor what it has said holds the token."""
    metrics = httpx.get(f"{server.address}/metrics").text
    assert cloud.api_key not in metrics + server.said
    return metrics


NOWHERE = cast(Cloud, SimpleNamespace(program_environment=dict))  # for servers that need no cloud


@pytest.mark.parametrize(
    ("server", "patience", "said"),
    [
        ("raise ValueError('no such thing')", 60, r"does not serve \(ValueError: no such thing\)"),
        ("import time; time.sleep(60)", 0.5, r"takes no requests within 0.5 s \(it said nothing\)"),
        # of others that serve there is talk in a log, too
        ("print('asking http://127.0.0.1:1'); 1 / 0", 60, r"does not serve \(ZeroDivisionError"),
        ("import socket\nwith socket.create_server(('127.0.0.1', 0)) as one: "
         "socket.create_server(one.getsockname())", 60, r"does not serve \(OSError: .*in use"),
    ],
    ids=["fails", "hangs", "speaks of another", "port taken"],
)  # fmt: skip
def test_a_server_that_does_not_start_is_told_with_its_last_words(tmp_path, server, patience, said):
    (tmp_path / "broken.py").write_text(server)
    broken = Server(NOWHERE, "broken", folder=tmp_path)
    broken.patience = patience
    with pytest.raises(SandboxError, match="broken " + said):
        with broken:
            pass
    assert not _lives(broken.watchdog)


STUBBORN = """
import os, signal, time
for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(which, signal.SIG_IGN)
os.fork(), os.fork()
print("Serving on http://127.0.0.1:1", flush=True)
time.sleep(60)
"""
KERNEL = """
import time
from pathlib import Path
from types import SimpleNamespace
from sandbox.processes import Server
with Server(SimpleNamespace(program_environment=dict), "stubborn", folder=Path({folder!r})) as server:
    print(server.watchdog, flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_the_kernel_ends_or_is_interrupted(how, tmp_path):
    """Not even of a server whose processes ignore signals."""
    (tmp_path / "stubborn.py").write_text(STUBBORN)
    kernel = subprocess.Popen(
        [sys.executable, "-c", KERNEL.format(folder=str(tmp_path))],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    assert kernel.stdout is not None
    watchdog = psutil.Process(int(kernel.stdout.readline()))
    until(lambda: len(watchdog.children(recursive=True)) == 4)
    pids = [watchdog.pid, *(child.pid for child in watchdog.children(recursive=True))]
    os.killpg(kernel.pid, how)  # as Jupyter does: the kernel and what is in its group
    kernel.wait(30)
    kernel.stdout.close()
    until(lambda: not [pid for pid in pids if _lives(pid)])


def _lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
