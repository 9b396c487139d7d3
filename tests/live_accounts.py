"""Fixtures for live mode: a sandbox in the place of both clouds, and AWS behind a proxy that can lag."""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest
from between import Between

from helpers import cloud as cloud_module
from sandbox.processes import Sandbox


@pytest.fixture
def accounts(sandbox, monkeypatch) -> Iterator[Sandbox]:
    """Live mode, with a sandbox in the place of both clouds."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "TUTORIAL_CLOUD": "live",
        "TUTORIAL_MOMENTO_ADDRESS": sandbox.momento,
        "MOMENTO_API_KEY": sandbox.api_key,
        "MOMENTO_ENDPOINT": sandbox.momento_endpoint,
        "AWS_ENDPOINT_URL": sandbox.aws,
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": sandbox.aws_access_key,
        "AWS_SECRET_ACCESS_KEY": sandbox.aws_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    boto3.DEFAULT_SESSION = None
    yield sandbox
    if cloud_module._current:
        cloud_module._current.close()


@pytest.fixture(scope="session")
def proxy() -> Between:
    return Between()


@pytest.fixture
def between(proxy, accounts, monkeypatch) -> Between:
    """The same, with Secrets Manager behind a proxy whose `rules` a test sets."""
    proxy.begin(accounts.aws, accounts.aws_access_key)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", proxy.url)
    return proxy


def calls_since(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return the calls that arrived at a sandbox between two responses to "seen"."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
