"""The cost model: worked examples, real caches on a compressed clock, and values out of range."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import boto3
import pytest
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from cachetools import TTLCache, cached
from names import SECRET_NAME

from drills.library_clock import library_clock
from helpers.pricing import AWS_LIBRARY, FIXED_TTL, MONTH, WAYS, Fleet, PricingError, price_list


def test_the_worked_examples():
    naive = Fleet(requests_per_second=100)
    assert naive.calls_per_month == 259_200_000
    assert naive.dollars_for_calls == pytest.approx(1296)
    library = replace(naive, way=AWS_LIBRARY)
    assert library.calls_per_month == 961
    assert library.dollars_for_calls == pytest.approx(0.0048, abs=1e-4)
    own_key = replace(naive, customer_key=True)
    assert own_key.dollars_for_keeping == pytest.approx(1.40)
    assert own_key.dollars_for_calls == pytest.approx(1296 + 259_200_000 * 0.03 / 10_000)
    assert [row[0] for row in price_list().rows] == ["$0.40", "$0.05", "$1.00"]


def test_calls_that_aws_throttles_cost_nothing():
    at_the_quota = Fleet(requests_per_second=10_000, customer_key=True)
    beyond = replace(at_the_quota, requests_per_second=70_000)
    assert beyond.share_of_quota == pytest.approx(7)
    assert beyond.dollars_per_month == pytest.approx(at_the_quota.dollars_per_month)


def test_no_ttl_saves_the_first_call_of_a_process():
    short = Fleet(requests_per_second=600, processes=300, lifetime=600, ttl=MONTH, way=FIXED_TTL)
    assert short.calls_per_month == 300 * 6 * 24 * 30


@pytest.mark.parametrize("way", WAYS)
def test_no_requests_make_no_calls_and_rare_ones_are_all_calls(way):
    assert Fleet(requests_per_second=0, way=way).dollars_per_month == pytest.approx(0.40)
    rare = Fleet(requests_per_second=0.001, processes=1000, lifetime=60, way=way)
    assert rare.calls_per_month == pytest.approx(0.001 * MONTH * (2 if way == AWS_LIBRARY else 1))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "processes", "lifetime", "ttl"),
    [
        (600, 300, 86_400, 32 * 60),
        (600, 300, 86_400, 33 * 60),
        (0.5, 1, 3600, 7),
        (0.1, 1, 3600, 10),
        (3, 7, 900, 60),
        (0.2, 2, 3600, 0),
        (0.01, 1, 50, 60),
        (2, 1, 60, 3600),
    ],
)
def test_a_real_cache_on_a_compressed_clock_makes_exactly_these_calls(cloud, rate, processes, lifetime, ttl):
    client = boto3.client("secretsmanager")
    fleet = Fleet(rate, processes, lifetime, ttl, FIXED_TTL)
    now = 0.0
    read = cached(TTLCache(1, ttl, timer=lambda: now))(lambda: client.get_secret_value(SecretId=SECRET_NAME))
    with cloud.ledger.page("replay") as page:
        for number in range(math.ceil(fleet.reads_per_life)):
            now = number * processes / rate
            read()
    assert page.count() == math.ceil(fleet.misses_per_life)


@pytest.mark.slow
def test_the_library_on_a_compressed_clock_makes_these_calls_within_its_jitter(cloud):
    random.seed(7)
    fleet = Fleet(requests_per_second=1 / 30, lifetime=5 * 86_400, way=AWS_LIBRARY)
    cache = SecretCache(SecretCacheConfig(secret_refresh_interval=3600), boto3.client("secretsmanager"))
    with cloud.ledger.page("replay") as page, library_clock() as clock:
        for number in range(round(fleet.reads_per_life)):
            clock.now = number * 30
            cache.get_secret_string(SECRET_NAME)
    assert page.count("GetSecretValue") == 1
    assert page.count("DescribeSecret") == pytest.approx(fleet.misses_per_life, rel=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_second", -1),
        ("requests_per_second", float("nan")),
        ("requests_per_second", "many"),
        ("processes", 1.5),
        ("ttl", None),
        ("processes", True),
        ("way", "magic"),
    ],
)
def test_a_value_out_of_range_is_named(field, value):
    with pytest.raises(PricingError, match=f"^{field} is .*(give|choose)"):
        Fleet(**{field: value})
