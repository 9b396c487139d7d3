"""The folder `momento_token`, copied alone into an empty project with boto3 and momento, passes its own tests there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PATTERN = ROOT / "momento_token"

USE = """
from shop.vault.shared_client import SharedClient
from shop.vault.token_source import TokenSource
import sys
print(sorted(name for name in sys.modules if name.split(".")[0] in ("helpers", "moto", "IPython", "opentelemetry")))
"""


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_the_folder_alone(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    shutil.copytree(PATTERN, tmp_path / "momento_token", ignore=shutil.ignore_patterns("tests"))
    shutil.copytree(PATTERN, tmp_path / "shop" / "vault")  # it may have any name
    shutil.copytree(PATTERN / "tests", tmp_path / "tests")
    python = tmp_path / "venv" / "bin" / "python"
    run(sys.executable, "-m", "venv", "--without-pip", "venv")
    uv = Path(sys.executable).parent / "uv"
    locks = ["-c", ROOT / "requirements.txt", "-c", ROOT / "tests" / "requirements.txt"]
    run(uv, "pip", "install", "-q", "--python", python, "boto3", "momento", *locks)
    assert run(python, "-c", USE) == "[]\n"
    run(uv, "pip", "install", "-q", "--python", python, "pytest", "hypothesis", *locks)
    pytest_there = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    said = run(*pytest_there, "tests")
    assert " passed" in said and "failed" not in said and "skipped" not in said
