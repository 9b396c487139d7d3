"""The longest waits as computed, against botocore's own attempts and pauses on a clock that only they move."""

from __future__ import annotations

import random
from types import SimpleNamespace

import boto3
import botocore.endpoint
import pytest
from botocore.config import Config
from botocore.exceptions import ReadTimeoutError
from botocore.retries.standard import ExponentialBackoff

from drills.retry_waits import longest_waits

CONNECT, READ = 0.4, 0.6
RETRIES = [
    None,
    {"mode": "adaptive"},
    {"total_max_attempts": 1},
    {"max_attempts": 3},
    {"mode": "legacy", "total_max_attempts": 8},
    {"mode": "standard", "total_max_attempts": 12},  # long enough for the ceiling of a pause
]


class Clock:
    now = 0.0


@pytest.fixture
def clock(monkeypatch) -> Clock:
    """All that botocore sleeps for a retry goes here, and sleeps no time."""
    clock = Clock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    monkeypatch.setattr(botocore.endpoint, "time", SimpleNamespace(sleep=sleep))
    return clock


def draw(monkeypatch, number: float) -> None:
    """What botocore draws at random, for "legacy" and for the others."""
    monkeypatch.setattr(random, "random", lambda: number)
    defaults = list(ExponentialBackoff.__init__.__defaults__)
    assert sum(map(callable, defaults)) == 1
    drawn = tuple((lambda: number) if callable(one) else one for one in defaults)
    monkeypatch.setattr(ExponentialBackoff.__init__, "__defaults__", drawn)


def client_of(retries: dict | None):
    config = Config(connect_timeout=CONNECT, read_timeout=READ, retries=retries)
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "key"}
    return boto3.Session().client("secretsmanager", "us-west-2", config=config, **keys)


def measured(client, clock: Clock) -> tuple[int, float]:
    """Attempts and seconds of one call that gets no response."""
    attempts = 0

    def send(request, **_):
        nonlocal attempts
        attempts += 1
        clock.now += CONNECT + READ
        raise ReadTimeoutError(endpoint_url=request.url)

    client.meta.events.register_first("before-send.secrets-manager", send)
    with pytest.raises(ReadTimeoutError):
        client.get_secret_value(SecretId="s")
    return attempts, clock.now


@pytest.mark.parametrize("retries", RETRIES, ids=str)
def test_the_longest_wait_is_what_botocore_makes_of_its_longest_pauses(retries, clock, monkeypatch):
    draw(monkeypatch, 1.0)
    client = client_of(retries)
    waits = longest_waits(client)
    assert measured(client, clock) == (waits.attempts, pytest.approx(waits.seconds))
    assert len(waits.pauses) == waits.attempts - 1


def test_without_a_timeout_there_is_no_longest_wait():
    for timeouts in ({"read_timeout": None}, {"connect_timeout": None}):
        client = boto3.client("secretsmanager", "us-west-2", config=Config(**timeouts))
        assert longest_waits(client).seconds == float("inf")


@pytest.mark.parametrize("drawn", [0.0, 0.3])
def test_a_shorter_draw_never_makes_it_longer(drawn, clock, monkeypatch):
    draw(monkeypatch, drawn)
    client = client_of({"mode": "standard"})
    _, seconds = measured(client, clock)
    assert seconds < longest_waits(client).seconds


def test_the_environment_is_heard(clock, monkeypatch):
    monkeypatch.setenv("AWS_RETRY_MODE", "legacy")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "4")
    draw(monkeypatch, 1.0)
    client = client_of(None)
    waits = longest_waits(client)
    assert (waits.mode, waits.attempts) == ("legacy", 4)
    assert measured(client, clock) == (4, pytest.approx(waits.seconds))
