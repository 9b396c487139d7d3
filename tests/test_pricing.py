"""The cost model: worked examples, real caches on a compressed clock, and inputs that can't be."""

from __future__ import annotations

import datetime as real_datetime
import math
import random
from dataclasses import replace

import boto3
import pytest
from cachetools import TTLCache, cached
from names import SECRET_NAME

from helpers.pricing import (
    AWS_LIBRARY,
    FIXED_TTL,
    MONTH,
    NO_CACHE,
    WAYS,
    Fleet,
    PricingError,
    break_even,
    throttled_from,
)


def test_the_worked_examples():
    naive = Fleet(requests_per_second=100)
    assert naive.calls_per_month == 259_200_000
    assert naive.bill()["API calls"] == pytest.approx(1296)
    library = replace(naive, way=AWS_LIBRARY)
    assert library.calls_per_month == 961
    assert library.bill()["API calls"] == pytest.approx(0.0048, abs=1e-4)


def test_replicas_and_a_key_of_ones_own_are_billed():
    fleet = Fleet(requests_per_second=1, secrets=3, replicas=2, customer_key=True)
    bill = fleet.bill()
    assert bill["keeping the secrets"] == pytest.approx(3 * 3 * 0.40)
    assert bill["customer managed key"] == pytest.approx(
        3 * 1.00 + fleet.gets_per_month * 0.03 / 10_000
    )
    assert fleet.dollars_per_month == pytest.approx(sum(bill.values()))
    assert "customer managed key" not in replace(fleet, customer_key=False).bill()


def test_at_the_break_even_calls_cost_as_much_as_keeping_the_secrets():
    for secrets, replicas in ((1, 0), (5, 0), (2, 3)):
        fleet = Fleet(secrets=secrets, replicas=replicas)
        bill = replace(fleet, requests_per_second=break_even(fleet)).bill()
        assert bill["API calls"] == pytest.approx(bill["keeping the secrets"])


def test_throttling_starts_where_the_share_of_the_quota_passes_one():
    fleet = Fleet(secrets=4)
    assert replace(
        fleet, requests_per_second=throttled_from(fleet)
    ).share_of_quota == pytest.approx(1)


@pytest.mark.parametrize("way", WAYS)
def test_no_requests_make_no_calls_and_rare_ones_make_what_they_make(way):
    assert Fleet(requests_per_second=0, way=way).calls_per_month == 0
    rare = Fleet(requests_per_second=0.001, processes=1000, lifetime=60, way=way)
    per_read = 2 if way == AWS_LIBRARY else 1
    assert rare.calls_per_month == pytest.approx(0.001 * MONTH * per_read)


@pytest.mark.parametrize("way", (AWS_LIBRARY, FIXED_TTL))
def test_calls_never_grow_with_the_ttl(way):
    calls = [
        Fleet(requests_per_second=5, way=way, ttl=ttl).calls_per_month
        for ttl in (0, 1, 10, 300, 3600, 86_400)
    ]
    assert calls == sorted(calls, reverse=True)


@pytest.mark.parametrize(
    ("rate", "processes", "lifetime", "ttl"),
    [
        (1, 1, 7200, 600),
        (0.5, 1, 3600, 7),
        (0.1, 1, 3600, 10),
        (3, 7, 900, 60),
        (0.2, 2, 3600, 0),
        (0.01, 1, 50, 60),
        (2, 1, 60, 3600),
    ],
)
def test_a_real_cache_on_a_compressed_clock_makes_exactly_these_calls(
    cloud, rate, processes, lifetime, ttl
):
    client = boto3.client("secretsmanager")
    fleet = Fleet(rate, processes, lifetime, ttl, FIXED_TTL)
    now = 0.0
    read = cached(TTLCache(1, ttl, timer=lambda: now))(
        lambda: client.get_secret_value(SecretId=SECRET_NAME)["SecretString"]
    )
    with cloud.ledger.page("replay") as page:
        for number in range(math.ceil(fleet.reads_per_life)):
            now = number * processes / rate
            read()
    assert page.count() == math.ceil(fleet.fetches_per_life)


def test_the_library_on_a_compressed_clock_makes_these_calls_within_its_jitter(cloud, monkeypatch):
    """The library has no argument for a clock, so this test, unlike a notebook, puts one into its module."""
    from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
    from aws_secretsmanager_caching.cache import items

    class Clock(real_datetime.datetime):
        moment = real_datetime.datetime(2026, 1, 1, tzinfo=real_datetime.UTC)

        @classmethod
        def now(cls, tz=None):
            return cls.moment

    monkeypatch.setattr(items, "datetime", Clock)
    random.seed(7)
    fleet = Fleet(requests_per_second=1 / 30, lifetime=5 * 86_400, way=AWS_LIBRARY)
    cache = SecretCache(
        SecretCacheConfig(secret_refresh_interval=3600), boto3.client("secretsmanager")
    )
    with cloud.ledger.page("replay") as page:
        for _ in range(round(fleet.reads_per_life)):
            cache.get_secret_string(SECRET_NAME)
            Clock.moment += real_datetime.timedelta(seconds=30)
    assert page.count("GetSecretValue") == 1
    assert page.count("DescribeSecret") == pytest.approx(fleet.fetches_per_life, rel=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requests_per_second", -1),
        ("requests_per_second", 1e12),
        ("requests_per_second", float("nan")),
        ("requests_per_second", "many"),
        ("processes", 0),
        ("processes", 1.5),
        ("lifetime", 0),
        ("ttl", -5),
        ("ttl", None),
        ("secrets", True),
        ("replicas", -1),
        ("way", "magic"),
    ],
)
def test_an_input_that_cannot_be_gets_a_sentence(field, value):
    with pytest.raises(PricingError, match=f"^{field} is .*(give|choose)") as caught:
        Fleet(**{field: value})
    assert caught.value._render_traceback_() == [f"✗ {caught.value}"]


def test_zero_is_no_error_where_it_can_be():
    assert Fleet(requests_per_second=0, way=NO_CACHE).dollars_per_month == pytest.approx(0.40)
