"""All notebooks but 06 give the same outputs with another AWS behind them: they depend on its API, not on moto."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sandbox.processes import Sandbox

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if not path.stem.startswith("06")]


@pytest.mark.again
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_the_same_with_ministack(path):
    other = Sandbox("--aws-engine", "ministack", "--aws-access-key", "sandbox").wait_until_ready()
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
            env={**os.environ, "AWS_ENDPOINT_URL": other.aws},
            cwd=ROOT,
            capture_output=True,
            text=True,
        )
        seen = other.ask("seen")
    finally:
        other.close()
    assert done.returncode == 0, done.stdout[-4000:]
    assert sum(count for name, count in seen.items() if name.startswith("aws.")) > 0
