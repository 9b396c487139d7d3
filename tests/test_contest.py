"""The rules of the contest, and of what notebook 03 stages, on readers whose behaviour is known."""

from __future__ import annotations

import threading
import time

import boto3
import pytest
from names import SECRET_NAME

from drills.caches import AGED, CALLS, NEVER, NEXT, WAITS, compare, count_callers, read_together, watch_a_copy
from drills.contest import (
    OUTAGE,
    Way,
    after_failures,
    calls_when_cold,
    waited_at_expiry,
)
from helpers.charts import calls_and_waiting
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
    assert outcomes == {("forgetful", OUTAGE): "raises", ("remembering", OUTAGE): "makes no call"}
    assert boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"] == cloud.api_key


def one_attempt():
    from botocore.config import Config

    return boto3.client("secretsmanager", config=Config(retries={"total_max_attempts": 1}))


def expiring(ttl):
    client, kept = boto3.client("secretsmanager"), {}

    def read():
        if not kept or time.monotonic() > kept["at"] + ttl:
            kept.update(token=client.get_secret_value(SecretId=SECRET_NAME)["SecretString"], at=time.monotonic())
        return kept["token"]

    return read


def test_a_copy_is_stale_from_the_change_until_it_is_read_again(cloud):
    watched = watch_a_copy(cloud, SECRET_NAME, expiring(1))
    assert 0.3 < watched.stale < 0.9 and watched.message.startswith("The copy was stale for ")
    holds, gets, calls = watched.rows.values()
    assert gets[0].end - holds[0].end == pytest.approx(watched.stale) and len(calls) == 2


def test_ways_are_compared_by_calls_and_by_what_they_notice(cloud):
    forgetful, remembering = ways()
    rows = compare(cloud, SECRET_NAME, {"none": forgetful.make, "lasting": remembering.make, "aged": expiring}, ttl=1)
    assert rows == [
        ("none", 1, 10, NEXT, NEXT, "fails"),
        ("lasting", 1, 0, NEVER, NEVER, "goes on"),
        ("aged", 1, 0, AGED, AGED, "fails"),
    ]


def test_threads_that_call_are_told_from_those_that_wait(cloud):
    client, lock, kept = boto3.client("secretsmanager"), threading.Lock(), []

    def read():
        return client.get_secret_value(SecretId=SECRET_NAME)["SecretString"]

    def read_once():
        with lock:
            if not kept:
                kept.append(read())
        return kept[0]

    groups = read_together(cloud, client, {"all": read, "one": read_once})
    assert [count_callers(rows) for rows in groups.values()] == [THREADS, 1]
    assert {row[0].kind for row in groups["one"].values()} == {CALLS, WAITS}
    client.get_secret_value(SecretId=SECRET_NAME)  # and nothing listens any more


def test_a_chart_of_a_ledger_page_says_what_it_shows(cloud):
    with cloud.ledger.page("calls") as page:
        boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)
    said = repr(calls_and_waiting(page, {"Reading": "Secrets Manager", "work": "Momento"}))
    assert "Reading: 1 of 1 calls, 100\u2060% of the waiting" in said
