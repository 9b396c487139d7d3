"""Write environment.yml from the lock: `python tools/environment_file.py`; `make lock` runs it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

HEAD = """\
# The same environment for conda users, made by `make lock` from requirements.txt. Then: bash binder/postBuild
name: momento-secrets-tutorial
channels:
  - conda-forge
dependencies:
  - python=3.12
  - pip
  - pip:
"""


def pins(lock: str) -> list[str]:
    """The lines `name==version`, with their markers, of a lock with hashes."""
    return [line.rstrip(" \\") for line in lock.splitlines() if re.match(r"[a-z0-9-]+==", line)]


def environment_yml(lock: str) -> str:
    return HEAD + "".join(f'      - "{pin}"\n' for pin in pins(lock))


if __name__ == "__main__":
    (ROOT / "environment.yml").write_text(environment_yml((ROOT / "requirements.txt").read_text()))
