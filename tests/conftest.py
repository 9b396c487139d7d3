from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest
from live_accounts import accounts, between, proxy  # noqa: F401  (fixtures)
from names import SECRET_NAME

from helpers import cloud as cloud_module
from helpers.cloud import Cloud, connect
from sandbox.processes import Sandbox, new_sandbox


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give every test the environment it started with: `connect()` changes it on purpose."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)
    boto3.DEFAULT_SESSION = None


_shared: dict[str, Sandbox] = {}


def shared_sandbox(engine: str = "moto") -> Sandbox:
    """Return what `new_sandbox` would: with moto it is as new, MiniStack keeps its secrets and users.

    All tests of a worker use it, as it takes a second and more to start. It ends with the worker.
    """
    if engine in _shared and _shared[engine].alive:
        _shared[engine].ask("clear_faults")
        if engine == "moto":
            _shared[engine].api_key = _shared[engine].ask("start_over")
    else:
        shared = _shared[engine] = new_sandbox(engine).wait_until_ready()
        shared.wait_until_ready, shared.close = lambda: shared, lambda: None
    return _shared[engine]


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox that is as good as new, seen from outside a `Cloud`."""
    return shared_sandbox()


def _connected(engine: str) -> Iterator[Cloud]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cloud_module, "new_sandbox", shared_sandbox)
        cloud = connect(engine)
    cloud.ensure_secret(SECRET_NAME)
    yield cloud
    cloud.close()


@pytest.fixture
def cloud(environment) -> Iterator[Cloud]:
    """A kernel's connection to a sandbox that is as good as new, with the secret of the notebooks in it."""
    yield from _connected("moto")


@pytest.fixture
def iam_cloud(environment) -> Iterator[Cloud]:
    """The same with MiniStack, which decides by IAM policies."""
    yield from _connected("ministack")
