from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from names import SECRET_NAME

from helpers.cloud import Cloud, connect


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Give every test the environment it started with: `connect()` changes it on purpose."""
    before = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def cloud(environment) -> Iterator[Cloud]:
    """A sandbox of the test's own, with the secret of the notebooks in it."""
    connected = connect()
    connected.ensure_secret(SECRET_NAME)
    yield connected
    connected.close()
