"""Check what the notebooks need from this machine before the first call, and say how to fix what is missing."""

from __future__ import annotations

import socket
import sys
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from sandbox import ministack

from .cloud import CloudError, chosen_mode
from .display import Table, checklist

PROJECT = "momento-secrets-tutorial"
_INSTALL = "run `make lab` again; in an editor, choose the Python of `.venv`"


def preflight() -> Table:
    """Return a row for each requirement: whether it is met, and how to fix it if not."""
    missing = _missing()
    checks = [
        ("Python 3.11 or newer", sys.version_info >= (3, 11), "run `make lab PYTHON=python3.14`"),
        ("the packages that the notebooks import", not missing, f"{', '.join(missing)}: {_INSTALL}"),
        ("MiniStack, which plays IAM in 06", ministack.installed(), ministack.how_to_install()),
        ("a free port on this machine", _can_listen(), "let your programs listen on 127.0.0.1"),
        ("TUTORIAL_CLOUD unset, or a mode we know", _mode_exists(), "unset it for the sandbox, or set it to live"),
    ]
    return checklist(checks, "Ready to start", "Something is missing")


def _missing() -> list[str]:
    """Return the project's packages that aren't installed, or not in a version that it accepts."""
    try:
        needed = [Requirement(line) for line in requires(PROJECT) or []]
    except PackageNotFoundError:
        return [PROJECT]
    return [one.name for one in needed if not _installed(one)]


def _installed(needed: Requirement) -> bool:
    try:
        return needed.specifier.contains(version(needed.name), prereleases=True)
    except PackageNotFoundError:
        return False


def _can_listen() -> bool:
    try:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
        return True
    except OSError:
        return False


def _mode_exists() -> bool:
    try:
        chosen_mode()
    except CloudError:
        return False
    return True
