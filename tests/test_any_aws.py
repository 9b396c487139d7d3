"""The notebooks give the same outputs with another AWS behind them: they depend on its API, not on moto."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# All that call AWS in the sandbox and don't choose the engine themselves.
NOTEBOOKS = [
    path for path in sorted((ROOT / "notebooks").rglob("*.ipynb")) if "ministack" not in path.read_text("utf-8")
]


@pytest.mark.again
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_the_same_with_ministack(path):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(path)],
        env={**os.environ, "TUTORIAL_AWS_ENGINE": "ministack"},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-4000:]
