"""The preflight names what is missing and how to fix it; the first notebook's first cell, what stands in its way."""

from __future__ import annotations

import subprocess
import sys

import nbformat
import pytest
from test_notebooks import FOLDER

from helpers import preflight as module
from helpers.preflight import preflight


def test_here_all_is_found():
    shown = repr(preflight())
    assert shown.startswith("Ready to start") and "✗" not in shown


def test_a_package_that_is_too_old_is_named(monkeypatch):
    monkeypatch.setattr(module, "requires", lambda name: ["momento>=999", "boto3"])
    assert "✗ missing | momento: run `make lab` again;" in repr(preflight())


def test_a_project_that_was_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(module, "PROJECT", "not-installed")
    assert "not-installed: run `make lab`" in repr(preflight())


def test_a_mode_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("TUTORIAL_CLOUD", "prod")
    assert "unset it for the sandbox, or set it to live" in repr(preflight())


def test_ministack_that_is_missing_is_named_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(module.ministack, "FOLDER", tmp_path)
    assert f"-m pip install --upgrade --no-deps --require-hashes --target {tmp_path}" in repr(preflight())


@pytest.mark.parametrize("file", ["helpers/__init__.py", "sandbox.py", ""])
def test_a_file_that_stands_in_for_one_of_our_packages_is_named(tmp_path, monkeypatch, file):
    (tmp_path / "helpers").mkdir()
    if file:
        (tmp_path / file).touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    first = next(one for one in nbformat.read(FOLDER / "00_start_here.ipynb", 4).cells if one.cell_type == "code")
    done = subprocess.run([sys.executable, "-c", first.source], cwd="/", capture_output=True, text=True)
    assert (f"is imported from {tmp_path / file}" in done.stderr) == bool(file) == bool(done.returncode)
