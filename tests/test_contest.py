"""The contest's rules, on readers whose behaviour is known."""

from __future__ import annotations

import boto3
from names import SECRET_NAME

from drills.contest import (
    OUTAGE,
    Way,
    after_failures,
    calls_when_cold,
    waited_at_expiry,
)
from helpers.timing import THREADS


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
    assert boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"] == cloud.api_key


def one_attempt():
    from botocore.config import Config

    return boto3.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))
