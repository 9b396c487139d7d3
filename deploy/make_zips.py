"""`make lambda`: the two functions as zips for AWS Lambda, each with its packages for Lambda's platform, into build/lambda.

boto3 is left out, as Lambda's runtime brings it. Run without make: `.venv/bin/python deploy/make_zips.py`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = {"service": "lambda_handler.py", "rotation": "rotation_function.py"}
LAMBDA = ("--python-platform", "x86_64-manylinux2014", "--python-version", "3.13")
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LIMITS = "Lambda takes 50 MB zipped, uploaded directly, and 250 MB unzipped."
MEGABYTE = 1_000_000
NOT_PACKED = shutil.ignore_patterns("__pycache__", "bin", ".lock")
NOT_OF_OURS = shutil.ignore_patterns("__pycache__", "tests", ".*", "*.md", "*.toml")


def make(to: Path, platform: tuple[str, ...] = LAMBDA) -> list[Path]:
    """The zips, in the folder `to`; without `platform` they are for this Python and machine."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    zips = []
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder) / "packages"
        install(packages, platform)
        for name, file in FUNCTIONS.items():
            task = Path(folder) / name  # what Lambda unpacks into /var/task
            shutil.copytree(packages, task, ignore=NOT_PACKED)
            shutil.copy(ROOT / "notebooks" / file, task)
            shutil.copytree(ROOT / "momento_token", task / "momento_token", ignore=NOT_OF_OURS)
            zips.append(zipped(task, to / f"{name}.zip"))
    return zips


def install(packages: Path, platform: tuple[str, ...]) -> None:
    """momento and what it needs, in the versions of the lock, as wheels."""
    named = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    (momento,) = [it for it in named if re.match(r"momento[^-\w]", it + " ")]
    what = [momento, "--constraint", str(ROOT / "requirements.txt"), "--only-binary", ":all:"]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(packages)]
    subprocess.run([*uv, *platform, *what], check=True)


def zipped(task: Path, path: Path) -> Path:
    """The same content gives the same bytes: files in order, and with one date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(it for it in task.rglob("*") if it.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(task).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return path


def sizes(path: Path) -> tuple[float, float]:
    """Megabytes, zipped and unzipped."""
    with zipfile.ZipFile(path) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    return path.stat().st_size / MEGABYTE, unzipped / MEGABYTE


if __name__ == "__main__":
    for made in make(ROOT / "build" / "lambda"):
        print("{}: {:.1f} MB, unzipped {:.1f} MB".format(made.relative_to(ROOT), *sizes(made)))
    print(LIMITS)
