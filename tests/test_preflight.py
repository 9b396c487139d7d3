"""The preflight names what is missing and the way to mend it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError

import pytest

from helpers import preflight as module
from helpers.preflight import preflight


def test_here_all_is_found():
    shown = repr(preflight())
    assert shown.startswith("Ready to start") and "✗" not in shown


@pytest.mark.parametrize("installed", [None, "0.0.1"])
def test_a_package_that_is_missing_or_too_old_is_named(monkeypatch, installed):
    real = module.version

    def version(name):
        if name != "momento":
            return real(name)
        if installed is None:
            raise PackageNotFoundError(name)
        return installed

    monkeypatch.setattr(module, "version", version)
    shown = repr(preflight())
    assert shown.startswith("Something is missing")
    assert "✗ missing | momento: run `make lab` again;" in shown


def test_a_project_that_was_not_installed_is_named(monkeypatch):
    def requires(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "requires", requires)
    assert module.PROJECT in repr(preflight())


def test_a_mode_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("TUTORIAL_CLOUD", "prod")
    assert "unset it for the sandbox, or set it to live" in repr(preflight())


def test_a_python_of_another_version_is_named(monkeypatch):
    monkeypatch.setattr(module.sys, "version_info", (3, 10, 0))
    assert "make lab PYTHON=python3.14" in repr(preflight())


def test_a_newer_python_is_welcome(monkeypatch):
    monkeypatch.setattr(module.sys, "version_info", (3, 15, 0))
    assert repr(preflight()).startswith("Ready to start")


def test_ministack_that_is_missing_is_named_with_the_command(monkeypatch, tmp_path):
    monkeypatch.setattr(module.ministack, "FOLDER", tmp_path)
    shown = repr(preflight())
    assert shown.startswith("Something is missing")
    assert f"-m pip install --upgrade --no-deps --require-hashes --target {tmp_path}" in shown
