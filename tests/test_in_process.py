"""The browser tab's sandbox, without a browser: it passes the other one's tests, and the core runs on it. The tab is in test_tab.py."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
CONTRACT = ("test_aws.py", "test_momento.py", "test_ledger.py", "test_closed_clients.py", "contract")
CORE = sorted((ROOT / "notebooks").glob("0[0-6]*.ipynb"))
IN_PROCESS = {"TUTORIAL_SANDBOX": "in-process", "PYTHONPATH": str(ROOT / "browser")}
CLOSED = """
from datetime import timedelta
import boto3
from helpers.cloud import connect
cloud = connect()
from momento import CacheClient, Configurations
momento = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(cloud.api_key), timedelta(minutes=1))
sm = boto3.client("secretsmanager")
sm.list_secrets(), momento.get("tutorial", "k")
cloud.close()
print(momento.get("tutorial", "k").error_code.name)
for call in (sm.list_secrets, cloud.calls_seen):
    try:
        call()
    except Exception as error:
        print(type(error).__name__)
"""


def passes(*arguments: str | Path) -> None:
    """Run pytest with the sandbox in its process, and in the kernels that it starts."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments)]
    done = subprocess.run(command, env={**os.environ, **IN_PROCESS}, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


@pytest.mark.parametrize("where", [{}, IN_PROCESS], ids=["child", "in process"])
def test_once_closed_it_answers_nobody_and_nothing_else_is_called(where):
    done = subprocess.run([sys.executable, "-c", CLOSED], env={**os.environ, **where}, capture_output=True, text=True)
    assert done.stdout.split() == ["SERVER_UNAVAILABLE", "EndpointConnectionError", "SandboxError"], done.stderr


def test_it_passes_the_tests_of_the_other_sandbox():
    passes("-m", "not needs_a_machine", *(ROOT / "tests" / name for name in CONTRACT))


@pytest.mark.slow
def test_the_core_runs_and_its_exercises_are_solved():
    passes(*CORE)
