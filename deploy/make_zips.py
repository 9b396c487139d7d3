"""`make lambda`: pack the two functions as zips for AWS Lambda, with their packages for its platform, into build/lambda.

boto3 is among the packages: Lambda's runtime brings one, but not the one that was tested, and it changes without notice.
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
PACKAGES = ("boto3", "momento")
PLATFORM = ("--python-platform", "aarch64-manylinux2014", "--python-version", "3.13")  # arm64 in the templates
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
LIMITS = "Lambda takes 50 MB zipped, uploaded directly, and 250 MB unzipped."
NOT_PACKED = shutil.ignore_patterns("__pycache__", "bin", ".lock")
NOT_OF_OURS = shutil.ignore_patterns("__pycache__", "tests", ".*", "*.md", "*.toml")


def make(to: Path) -> list[Path]:
    """Make the zips in the folder `to`, and return their paths."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    zips = []
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(folder) / "packages"
        install(packages)
        for name, file in FUNCTIONS.items():
            task = Path(folder) / name  # what Lambda unpacks into /var/task
            shutil.copytree(packages, task, ignore=NOT_PACKED)
            shutil.copy(ROOT / "notebooks" / file, task)
            shutil.copytree(ROOT / "momento_token", task / "momento_token", ignore=NOT_OF_OURS)
            zips.append(zipped(task, to / f"{name}.zip"))
    return zips


def install(packages: Path) -> None:
    """Install the packages and what they need, in the versions of the lock, as wheels."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    what = [it for it in declared if re.split(r"[^\w.-]", it)[0] in PACKAGES]
    uv = [sys.executable, "-m", "uv", "pip", "install", "--quiet", "--target", str(packages), *PLATFORM]
    locked = ["--constraint", str(ROOT / "requirements.txt"), "--only-binary", ":all:"]
    subprocess.run([*uv, *locked, *what], check=True)


def zipped(task: Path, path: Path) -> Path:
    """Zip a folder so that the same content gives the same bytes: files in order, and with one date."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(it for it in task.rglob("*") if it.is_file()):
            entry = zipfile.ZipInfo(file.relative_to(task).as_posix(), (1980, 1, 1, 0, 0, 0))
            entry.external_attr, entry.compress_type = 0o644 << 16, zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return path


def sizes(path: Path) -> tuple[float, float]:
    """Return its megabytes, zipped and unzipped."""
    with zipfile.ZipFile(path) as archive:
        unzipped = sum(entry.file_size for entry in archive.infolist())
    return path.stat().st_size / 1e6, unzipped / 1e6


if __name__ == "__main__":
    for made in make(ROOT / "build" / "lambda"):
        print("{}: {:.1f} MB, unzipped {:.1f} MB".format(made.relative_to(ROOT), *sizes(made)))
    print(LIMITS)
