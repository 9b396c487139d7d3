"""The ledger against an independent witness: what the sandbox says that it received."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, EndpointConnectionError
from momento import CacheClient, CacheClientAsync, Configurations
from names import SECRET_NAME

from helpers.pricing import API_CALL

CACHE = "tutorial"


@pytest.fixture
def configuration(cloud):
    return Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)


@pytest.mark.slow
def test_it_counts_what_arrives_from_many_threads_and_sessions(cloud):
    before = cloud.calls_seen().get("aws.GetSecretValue", 0)

    def read(_):
        boto3.Session().client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)

    with cloud.ledger.page("threads") as page, ThreadPoolExecutor(8) as pool:
        list(pool.map(read, range(16)))
    assert page.count("GetSecretValue") == cloud.calls_seen()["aws.GetSecretValue"] - before == 16
    assert page.dollars == pytest.approx(16 * API_CALL.amount)
    assert page.seconds() > 0


@pytest.mark.slow
def test_every_attempt_of_a_retried_call_is_a_line(cloud):
    client = boto3.client("secretsmanager", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    cloud.add_fault("aws", "GetSecretValue", error="ThrottlingException", times=2)
    with cloud.ledger.page("retries") as page:
        client.get_secret_value(SecretId=SECRET_NAME)
    assert [call.outcome for call in page.calls] == ["ThrottlingException", "ThrottlingException", "ok"]


def test_errors_have_their_code_or_the_name_of_their_class(cloud):
    with cloud.ledger.page("missing") as page, pytest.raises(ClientError):
        boto3.client("secretsmanager").get_secret_value(SecretId="nowhere")
    assert page.count(outcome="ResourceNotFoundException") == page.count() == 1
    away = boto3.client(
        "secretsmanager", endpoint_url="http://127.0.0.1:9", config=Config(retries={"total_max_attempts": 1})
    )
    with cloud.ledger.page("away") as page, pytest.raises(EndpointConnectionError):
        away.get_secret_value(SecretId=SECRET_NAME)
    assert page.count(outcome="EndpointConnectionError") == 1


def test_momento_calls_sync_and_async_with_their_outcome(cloud, configuration):
    credentials = cloud.credentials_from(cloud.api_key)

    async def run():
        async with CacheClientAsync(configuration, credentials, timedelta(seconds=60)) as client:
            await asyncio.gather(*(client.get(CACHE, "k") for _ in range(20)))
            await client.get("nowhere", "k")

    with cloud.ledger.page("momento") as page:
        with CacheClient(configuration, credentials, timedelta(seconds=60)) as client:
            client.set(CACHE, "k", "v")
            client.get("nowhere", "k")
        asyncio.run(run())
    assert page.count("Set", outcome="ok") == 1
    assert page.count("Get", outcome="ok") == 20
    assert page.count("Get", outcome="NOT_FOUND") == 2
    assert page.count(service="Momento") == sum(
        count for name, count in cloud.calls_seen().items() if name.startswith("momento.")
    )
    assert page.dollars == 0


def test_momento_retries_are_lines_too(cloud, configuration):
    cloud.add_fault("momento", "Get", error="UNAVAILABLE", times=2)
    with cloud.ledger.page("retries") as page:
        with CacheClient(configuration, cloud.credentials_from(cloud.api_key), timedelta(seconds=60)) as client:
            client.get(CACHE, "k")
    assert [call.outcome for call in page.calls] == ["UNAVAILABLE", "UNAVAILABLE", "ok"]


def test_pages_may_nest_and_end_with_their_block(cloud):
    client = boto3.client("secretsmanager")
    with cloud.ledger.page("outer") as outer:
        client.get_secret_value(SecretId=SECRET_NAME)
        with cloud.ledger.page("inner") as inner:
            client.describe_secret(SecretId=SECRET_NAME)
    client.list_secrets()
    assert (outer.count(), inner.count()) == (2, 1)


def test_what_it_shows_has_the_counts_and_no_token(cloud):
    client = boto3.client("secretsmanager")
    with cloud.ledger.page("shown") as page:
        client.get_secret_value(SecretId=SECRET_NAME)
    for text in (repr(page), page._repr_html_()):
        assert "GetSecretValue" in text and "$0.000005" in text
        assert cloud.api_key[:12] not in text
    with cloud.ledger.page("empty") as empty:
        pass
    assert "no call" in repr(empty)


def test_clients_are_told_apart(cloud, configuration):
    credentials = cloud.credentials_from(cloud.api_key)
    with cloud.ledger.page("clients") as page:
        for _ in range(3):
            with CacheClient(configuration, credentials, timedelta(seconds=60)) as client:
                client.get(CACHE, "k")
                client.get(CACHE, "k")
    assert (page.momento_clients, page.count(service="Momento")) == (3, 6)
