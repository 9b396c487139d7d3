"""The plain file notebooks/deeper/two_regions.py: what each combination of two regions means for a token."""

from __future__ import annotations

import importlib.util
import logging
from types import SimpleNamespace

import pytest
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from test_notebooks import FOLDER

from momento_token import State, TokenSource, TokenUnavailable
from momento_token.testing import FakeSecretsManager, error_of

spec = importlib.util.spec_from_file_location("two_regions", FOLDER / "deeper" / "two_regions.py")
two_regions = importlib.util.module_from_spec(spec)
spec.loader.exec_module(two_regions)

NAME = "tutorial/momento-api-key"
ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:us-west-2/key-AbCdEf"
AWAY = EndpointConnectionError(endpoint_url="https://secretsmanager.us-west-2.amazonaws.com")
HANGS = ReadTimeoutError(endpoint_url="https://secretsmanager.us-west-2.amazonaws.com")
DENIED, NOT_FOUND = error_of("AccessDeniedException"), error_of("ResourceNotFoundException")
THROTTLED, BROKEN = error_of("ThrottlingException"), error_of("InternalServiceError", 500)


class Region(FakeSecretsManager):
    def __init__(self, error: Exception | None = None) -> None:
        super().__init__()
        self.error, self.asked, self.meta = error, [], SimpleNamespace(region_name="eu-west-1")

    def get_secret_value(self, *, SecretId: str, VersionStage: str):
        self.asked.append(SecretId)
        return super().get_secret_value(SecretId=SecretId, VersionStage=VersionStage)


@pytest.mark.parametrize(
    "of_home, of_replica, state, calls",
    [
        (None, DENIED, State.FRESH, 0),
        (AWAY, None, State.FRESH, 1),
        (HANGS, None, State.FRESH, 1),
        (THROTTLED, None, State.FRESH, 1),
        (BROKEN, None, State.FRESH, 1),
        (error_of("ExpiredTokenException"), None, State.FRESH, 1),
        (AWAY, DENIED, State.STALE, 1),
        (THROTTLED, DENIED, State.STALE, 1),
        (AWAY, NOT_FOUND, State.STALE, 1),
        (AWAY, error_of("InvalidRequestException"), State.STALE, 1),
        (AWAY, THROTTLED, State.STALE, 1),
        (AWAY, AWAY, State.STALE, 1),
        (AWAY, ValueError("a bug"), State.STALE, 1),
        (DENIED, None, State.DENIED, 0),
        (NOT_FOUND, None, State.DENIED, 0),
        (error_of("DecryptionFailure"), None, State.DENIED, 0),
    ],
)
def test_only_home_can_deny(of_home, of_replica, state, calls):
    home, replica, now = Region(), Region(of_replica), [0.0]
    replica.value = home.value
    reader = two_regions.TwoRegions(home, replica)
    source = TokenSource(NAME, lambda: reader, clock=lambda: now[0])
    token = source.get()
    home.error, now[0] = of_home, 301
    try:
        source.warm_up()
    except TokenUnavailable:
        assert state == State.DENIED
    else:
        assert source.get(timeout=0) == token
    assert (source.state, replica.calls) == (state, calls)


def test_a_process_that_starts_in_an_outage_gets_the_replicas_token_or_a_transient_error(caplog):
    replica = Region()
    assert TokenSource(NAME, lambda: two_regions.TwoRegions(Region(AWAY), replica)).get() == replica.value
    replica.error = DENIED
    with caplog.at_level(logging.WARNING, "two_regions"), pytest.raises(TokenUnavailable) as raised:
        TokenSource(NAME, lambda: two_regions.TwoRegions(Region(AWAY), replica)).get()
    assert not raised.value.denied and raised.value.code == "EndpointConnectionError"
    assert "AccessDeniedException" in caplog.text  # an operator sees why the replica did not help


def test_the_replica_is_read_by_its_own_arn():
    for asked, of_replica in [(NAME, NAME), (ARN, ARN.replace(":us-west-2:", ":eu-west-1:"))]:
        home, replica = Region(AWAY), Region()
        two_regions.TwoRegions(home, replica).get_secret_value(SecretId=asked, VersionStage="AWSCURRENT")
        assert (home.asked, replica.asked) == ([asked], [of_replica])


def test_its_clients_give_up_within_seconds():
    client = two_regions.new_client("eu-west-1")
    config = client.meta.config
    assert client.meta.region_name == "eu-west-1"
    assert (config.connect_timeout + config.read_timeout) * config.retries["total_max_attempts"] < 5
