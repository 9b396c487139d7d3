"""The services of notebook 09, and the servers that run them: nothing is left of a server, however its kernel ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import psutil
import pytest
from names import SECRET_NAME

from helpers.cloud import Cloud
from sandbox.program import NotListening, Program

FOLDER = Path(__file__).resolve().parent.parent / "notebooks" / "services"
ENVIRONMENT = {"SECRET_NAME": SECRET_NAME, "CACHE_NAME": "tutorial"}
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:$PORT", "--workers", "2", "--no-control-socket", "--preload")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="gunicorn forks")


def until(true: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.02)


def serving(cloud: Cloud, *module: str, **more: str) -> Program:
    return Program(cloud, [sys.executable, "-m", *module], FOLDER, **ENVIRONMENT, **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    "command", [(*GUNICORN, "visits_wsgi:application"), ("visits_pool",)], ids=["gunicorn", "pool"]
)
def test_each_says_nothing_of_its_token_and_leaves_no_process(cloud, tmp_path, command):
    """That they serve through rotations is in the notebook."""
    with serving(cloud, *command, PROMETHEUS_MULTIPROC_DIR=str(tmp_path)) as server:
        assert httpx.post(f"{server.address}/visits/anna").json()["visits"] == 1
        health = httpx.get(f"{server.address}/health").json()
        assert health.pop("version") and health == {"token": "fresh", "problem": None}
        assert "token_reads_total 1.0\n" in _metrics(cloud, server)  # of the process that forked, too
        processes = server.processes()
        assert len(processes) >= 3  # the server and two workers
    until(lambda: not [one for one in processes if _lives(one.pid)])


@pytest.mark.slow
def test_health_says_why_recovers_without_traffic_and_the_service_ends_when_it_is_told(cloud):
    with serving(cloud, "uvicorn", "--port", "$PORT", "visits_async:app") as server:
        cloud.add_fault("aws", error="AccessDeniedException")
        cloud.revoke_api_key(cloud.api_key)
        assert httpx.post(f"{server.address}/visits/anna").status_code in (502, 503)
        health = httpx.get(f"{server.address}/health")
        assert health.status_code == 503 and "AccessDenied" in health.json()["problem"]
        cloud.clear_faults()
        until(lambda: httpx.get(f"{server.address}/health").status_code == 200)
        assert 'token_read_failures_total{code="AccessDeniedException"}' in _metrics(cloud, server)
        (uvicorn,) = server.processes()
        uvicorn.terminate()  # as platforms do: its lifespan is over then
        until(lambda: "Application shutdown complete" in server.output())
        until(lambda: not _lives(uvicorn.pid))


def _metrics(cloud: Cloud, server: Program) -> str:
    """Return the text of its metrics; neither that nor what it has said holds the token."""
    metrics = httpx.get(f"{server.address}/metrics").text
    assert cloud.api_key not in metrics + server.output()
    return metrics


def test_a_program_that_never_listens_is_told_with_its_last_words_and_killed(cloud, monkeypatch):
    """One that ends is in test_trials.py."""
    monkeypatch.setattr("sandbox.program.PATIENCE", 2)
    with pytest.raises(NotListening) as told, Program(cloud, ["sh", "-c", "echo $$; sleep 60"]):
        pass
    said, pid = str(told.value).rsplit(" ", 1)
    assert said == "after 2 s it doesn't listen at PORT; it printed last:"
    until(lambda: not _lives(int(pid)))


STUBBORN = """
import os, signal, socket, time
from contextlib import suppress
for which in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(which, signal.SIG_IGN)
os.fork(), os.fork()
with suppress(OSError), socket.create_server(("127.0.0.1", int(os.environ["PORT"]))):
    time.sleep(60)
time.sleep(60)
"""
KERNEL = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from sandbox.program import Program
with Program(SimpleNamespace(program_environment=dict), [sys.executable, "stubborn.py"], Path({folder!r})) as program:
    print(program.processes()[0].ppid(), flush=True)
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
