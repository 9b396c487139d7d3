"""The measuring itself, on readers whose behaviour is known."""

from __future__ import annotations

import gc
import threading
import time

import boto3
import pytest
from names import SECRET_NAME

from helpers.measure import (
    OUTAGE,
    THREADS,
    Way,
    after_failures,
    at_once,
    calls_when_cold,
    extra_megabytes,
    latencies,
    percentile,
    waited_at_expiry,
)


def test_percentiles_are_values_that_occur():
    values = [float(n) for n in range(100, 0, -1)]
    assert (percentile(values, 0), percentile(values, 0.5), percentile(values, 0.99)) == (
        1.0,
        51.0,
        100.0,
    )
    assert percentile([3.0], 0.99) == 3.0


def test_latencies_find_a_known_time():
    assert 0.005 <= percentile(latencies(lambda: time.sleep(0.005), seconds=0.1), 0.5) < 0.05
    assert percentile(latencies(lambda: None, seconds=0.05), 0.5) < 20e-6
    assert len(latencies(lambda: time.sleep(0.01), seconds=0, least=3)) == 3


def test_measuring_leaves_garbage_collection_as_it_was():
    latencies(lambda: None, seconds=0.01)
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError):
        latencies(lambda: 1 / 0)
    assert gc.isenabled()


def test_at_once_is_at_once_and_brings_errors_back():
    together = threading.Barrier(8, timeout=10)
    assert at_once(lambda: together.wait() >= 0, threads=8) == [True] * 8
    assert [type(answer) for answer in at_once(lambda: 1 / 0, threads=3)] == [ZeroDivisionError] * 3


def ways() -> list[Way]:
    client = boto3.client("secretsmanager")

    def fetch():
        return client.get_secret_value(SecretId=SECRET_NAME)["SecretString"]

    def forgetful(ttl):
        return fetch

    def remembering(ttl):
        kept = []

        def read():
            if not kept:
                kept.append(fetch())
            return kept[0]

        return read

    return [Way("forgetful", forgetful), Way("remembering", remembering, expires=True)]


def test_cold_calls_are_counted(cloud):
    forgetful, remembering = ways()
    assert calls_when_cold(cloud, forgetful, 1) == calls_when_cold(cloud, remembering, 1) == 1
    assert calls_when_cold(cloud, forgetful, THREADS) == THREADS
    assert cloud._sandbox.ask("seen")["aws.GetSecretValue"] == THREADS + 2


def test_who_waits_and_who_never_asks(cloud):
    assert waited_at_expiry(cloud, ways(), ttl=0) == {"forgetful": 4, "remembering": 0}


def test_a_failure_is_told_and_the_fault_is_taken_away(cloud):
    cloud_ways = [
        Way("forgetful", lambda ttl: lambda: one_attempt().get_secret_value(SecretId=SECRET_NAME)),
        ways()[1],
    ]
    outcomes = after_failures(cloud, cloud_ways, 0, (OUTAGE,))
    assert outcomes == {("forgetful", OUTAGE): "raises", ("remembering", OUTAGE): "does not ask"}
    assert (
        boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        == cloud.api_key
    )


def one_attempt():
    from botocore.config import Config

    return boto3.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))


def test_extra_megabytes_leave_out_what_boto3_brings():
    assert extra_megabytes("") == extra_megabytes("botocore") == extra_megabytes("jmespath") == 0
    assert 0 < extra_megabytes("cachetools") < 1 < extra_megabytes("aws-lambda-powertools")
