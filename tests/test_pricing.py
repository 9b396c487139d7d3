"""The cost model: worked examples, real caches on a compressed clock, and inputs that can't be."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import boto3
import pytest
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from cachetools import TTLCache, cached
from names import SECRET_NAME

from drills.replay import library_clock
from helpers.pricing import (
    AWS_LIBRARY,
    FIXED_TTL,
    MONTH,
    NO_CACHE,
    WAYS,
    Around,
    Fleet,
    PricingError,
    break_even,
    endpoint_pays_from,
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
    assert bill["customer managed key"] == pytest.approx(3 * 1.00 + fleet.gets_per_month * 0.03 / 10_000)
    assert fleet.dollars_per_month == pytest.approx(sum(bill.values()))
    assert "customer managed key" not in replace(fleet, customer_key=False).bill()


def test_at_the_break_even_calls_cost_as_much_as_keeping_the_secrets():
    for secrets, replicas in ((1, 0), (5, 0), (2, 3)):
        fleet = Fleet(secrets=secrets, replicas=replicas)
        bill = replace(fleet, requests_per_second=break_even(fleet)).bill()
        assert bill["API calls"] == pytest.approx(bill["keeping the secrets"])


def test_throttling_starts_where_the_share_of_the_quota_passes_one():
    fleet = Fleet(secrets=4)
    assert replace(fleet, requests_per_second=throttled_from(fleet)).share_of_quota == pytest.approx(1)


@pytest.mark.parametrize("customer_key", [False, True])
def test_calls_that_aws_refuses_are_not_billed(customer_key):
    at_the_quota = Fleet(requests_per_second=10_000, customer_key=customer_key)
    beyond = replace(at_the_quota, requests_per_second=70_000)
    assert beyond.calls_per_month == pytest.approx(7 * at_the_quota.calls_per_month)
    assert beyond.bill() == pytest.approx(at_the_quota.bill())
    without_copies = replace(beyond, way=AWS_LIBRARY, ttl=0, lifetime=1, processes=1000)
    assert without_copies.bill()["API calls"] <= (10_000 + 40_000) * MONTH * 0.05 / 10_000


@pytest.mark.parametrize("ttl", [60, 300, 3600])
@pytest.mark.parametrize("gap", [30, 600])
def test_reads_at_random_make_no_more_calls_than_the_model_says(ttl, gap):
    """On average, a copy then lasts its TTL and the wait for the next read: evenly spaced, at most that."""
    fleet = Fleet(requests_per_second=1 / gap, lifetime=5 * 86_400, ttl=ttl, way=FIXED_TTL)
    lives, drawn, calls, clock = 20, random.Random(7), [], {"now": 0.0}
    for _ in range(lives):
        clock["now"] = 0.0
        cache = TTLCache(1, ttl, timer=lambda: clock["now"])
        read = cached(cache)(lambda: calls.append(1))
        moments = [drawn.uniform(0, fleet.lifetime) for _ in range(round(fleet.reads_per_life))]
        for clock["now"] in sorted(moments):
            read()
    assert len(calls) / lives <= fleet.fetches_per_life * 1.01
    assert len(calls) / lives == pytest.approx(fleet.lifetime / (ttl + gap), rel=0.05)


@pytest.mark.parametrize("way", WAYS)
def test_no_requests_make_no_calls_and_rare_ones_make_what_they_make(way):
    assert Fleet(requests_per_second=0, way=way).calls_per_month == 0
    rare = Fleet(requests_per_second=0.001, processes=1000, lifetime=60, way=way)
    per_read = 2 if way == AWS_LIBRARY else 1
    assert rare.calls_per_month == pytest.approx(0.001 * MONTH * per_read)


@pytest.mark.parametrize("way", (AWS_LIBRARY, FIXED_TTL))
def test_calls_never_grow_with_the_ttl(way):
    calls = [Fleet(requests_per_second=5, way=way, ttl=ttl).calls_per_month for ttl in (0, 1, 10, 300, 3600, 86_400)]
    assert calls == sorted(calls, reverse=True)


@pytest.mark.slow
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
def test_a_real_cache_on_a_compressed_clock_makes_exactly_these_calls(cloud, rate, processes, lifetime, ttl):
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


def test_what_stands_around_the_calls_is_off_by_default_and_billed_apart():
    fleet = Fleet(requests_per_second=500, processes=200, lifetime=86_400, ttl=300, way=FIXED_TTL)
    assert fleet.calls_per_month == 1_728_000
    assert sum(Around().bill(fleet).values()) == 0
    nat = Around(nat_gateways=2).bill(fleet)
    assert nat["NAT gateways"] == pytest.approx(2 * 720 * 0.045 + 6.912 * 0.045)
    assert nat["endpoint"] == nat["CloudTrail"] == nat["extension"] == 0
    both = Around(nat_gateways=2, endpoint_zones=2).bill(fleet)  # calls go through the endpoint
    assert both["NAT gateways"] == pytest.approx(64.80)
    assert both["endpoint"] == pytest.approx(14.40 + 0.06912)
    assert Around(trail_copies=1).bill(fleet)["CloudTrail"] == pytest.approx(34.56)
    # one environment that works all month
    assert Around(extension_megabytes=128).bill(fleet)["extension"] == pytest.approx(5.40, abs=0.01)


def test_where_an_endpoint_pays_it_costs_as_much_as_the_gateway_s_gigabytes():
    fleet = Fleet(requests_per_second=endpoint_pays_from(zones=2) / MONTH)
    without, with_one = Around(nat_gateways=2), Around(nat_gateways=2, endpoint_zones=2)
    assert sum(without.bill(fleet).values()) == pytest.approx(sum(with_one.bill(fleet).values()))


@pytest.mark.parametrize("bad", [{"nat_gateways": -1}, {"trail_copies": 0.5}, {"endpoint_zones": 11}])
def test_what_cannot_stand_around_them_is_told(bad):
    with pytest.raises(PricingError, match=next(iter(bad))):
        Around(**bad)
