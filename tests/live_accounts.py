"""Fixtures for live mode: a sandbox in the place of both clouds, and AWS behind a proxy that can lag."""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import pytest
from between import Between

from helpers import cloud as cloud_module
from sandbox.processes import Sandbox


@pytest.fixture(scope="session")
def shared_accounts() -> Iterator[Sandbox]:
    sandbox = Sandbox().wait_until_ready()
    yield sandbox
    sandbox.close()


@pytest.fixture
def accounts(shared_accounts, monkeypatch) -> Iterator[Sandbox]:
    """Live mode, with a sandbox in the place of both clouds: empty, and with a key of the test's own."""
    sandbox = shared_accounts
    sandbox.api_key = sandbox.ask("issue")
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
    boto3.DEFAULT_SESSION = None
    sandbox.ask("clear_faults")
    _empty(sandbox)


@pytest.fixture
def between(accounts, monkeypatch) -> Iterator[Between]:
    """The same, with Secrets Manager behind a proxy whose `rules` a test sets."""
    proxy = Between(accounts.aws)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", proxy.url)
    yield proxy
    proxy.close()


def _empty(sandbox: Sandbox) -> None:
    session = boto3.Session(sandbox.aws_access_key, sandbox.aws_access_key)
    for region in ("us-west-2", "eu-west-1"):
        client = session.client("secretsmanager", region, endpoint_url=sandbox.aws)
        for page in client.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True):
            for secret in page["SecretList"]:
                client.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)


def calls_since(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Calls that arrived at a sandbox between two answers to "seen"."""
    return {name: count - before.get(name, 0) for name, count in after.items() if count > before.get(name, 0)}
