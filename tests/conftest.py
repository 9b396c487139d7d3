from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from live_accounts import accounts, between, shared_accounts  # noqa: F401  (fixtures)
from names import SECRET_NAME

from helpers import cloud as cloud_module
from helpers.cloud import Cloud, connect
from sandbox.processes import Sandbox


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give every test the environment it started with: `connect()` changes it on purpose."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cloud(environment, request, monkeypatch) -> Iterator[Cloud]:
    """A sandbox that is as good as new, with the secret of the notebooks in it.

    Its process is shared by the tests of a worker; a test marked `own_sandbox` gets one of its own.
    """
    if not request.node.get_closest_marker("own_sandbox"):
        monkeypatch.setattr(cloud_module, "Sandbox", as_good_as_new)
    connected = connect()
    monkeypatch.setattr(cloud_module, "Sandbox", Sandbox)
    connected.ensure_secret(SECRET_NAME)
    yield connected
    connected.close()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    """A sandbox that is as good as new, seen from outside a `Cloud`."""
    yield as_good_as_new("--aws-engine", "moto")


class SharedSandbox(Sandbox):
    """A sandbox that outlives the tests that use it: each starts as if it were new."""

    def __init__(self) -> None:
        super().__init__()
        super().wait_until_ready()

    def wait_until_ready(self) -> SharedSandbox:
        return self

    def close(self) -> None:
        """It ends with the worker."""

    def start_over(self) -> None:
        self.api_key = self.ask("start_over")


_shared: SharedSandbox | None = None


def as_good_as_new(*arguments: str) -> Sandbox:
    global _shared
    if arguments != ("--aws-engine", "moto"):
        return Sandbox(*arguments)
    if _shared is None or not _shared.alive:
        _shared = SharedSandbox()
    else:
        _shared.start_over()
    return _shared
