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


def passes(*arguments: str | Path) -> None:
    """Run pytest with the sandbox in its process, and in the kernels that it starts."""
    environment = {**os.environ, "TUTORIAL_SANDBOX": "in-process", "PYTHONPATH": str(ROOT / "browser")}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *map(str, arguments)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:]


def test_it_passes_the_tests_of_the_other_sandbox():
    passes("-m", "not needs_a_machine", *(ROOT / "tests" / name for name in CONTRACT))


@pytest.mark.slow
def test_the_core_runs_and_its_exercises_are_solved():
    passes(*CORE)
