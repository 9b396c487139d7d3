"""connect(): the modes, the seam, and the sentences where it cannot."""

from __future__ import annotations

import os
import socket
import sys
from datetime import timedelta

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from names import SECRET_NAME

from helpers import cloud as cloud_module
from helpers.cloud import CloudError, connect
from momento_token import Token, TokenError
from sandbox.distance import DISTANCES
from sandbox.faults import Faults
from sandbox.processes import Sandbox


@pytest.fixture
def live(sandbox, monkeypatch):
    """Live mode with an AWS endpoint on this machine."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TUTORIAL_CLOUD", "live")
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.aws)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", sandbox.aws_access_key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", sandbox.aws_access_key)
    monkeypatch.setenv("MOMENTO_ENDPOINT", "cell-1.prod.a.momentohq.com")
    yield sandbox
    if cloud_module._current:
        cloud_module._current.close()


def test_the_second_call_returns_the_same_connection(cloud):
    assert connect() is cloud


def test_a_dead_sandbox_is_replaced(cloud):
    psutil.Process(cloud._sandbox.pid).kill()
    cloud._sandbox._process.wait()
    again = connect()
    assert again is not cloud
    again.ensure_secret("s")
    again.close()


def test_the_banner_says_what_it_is_connected_to(cloud):
    assert "Nothing leaves this machine" in repr(cloud)
    assert "Nothing leaves this machine" in cloud._repr_html_()


def test_nothing_that_is_shown_holds_the_key(cloud):
    key = cloud.api_key
    shown = [
        repr(cloud),
        cloud._repr_html_(),
        repr(cloud.api_key),
        repr([cloud.api_key]),
        f"{cloud.api_key!r}",
    ]
    assert not any(key[:12] in text or key[-12:] in text for text in shown)
    assert isinstance(key, Token)


@pytest.mark.parametrize("kind", ["v2", "v1"])
def test_credentials_keep_the_key_and_point_at_this_machine(cloud, kind):
    provider = cloud.credentials_from(f"  {cloud.issue_api_key(kind)}\n")
    assert provider.cache_endpoint == "127.0.0.1"
    assert f"127.0.0.1:{provider.port}" == cloud._sandbox.momento
    assert provider.auth_token.startswith("eyJ") and provider.auth_token.count(".") == 2


def test_a_bad_token_is_named_before_any_call(cloud):
    with pytest.raises(TokenError, match="JSON"):
        cloud.credentials_from('{"MOMENTO_API_KEY": "x"}')


def test_an_unknown_mode_is_refused(monkeypatch):
    monkeypatch.setenv("TUTORIAL_CLOUD", "prod")
    with pytest.raises(CloudError, match="TUTORIAL_CLOUD is 'prod'.*unset"):
        connect()


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:4566",
        "http://127.0.0.1:99999",
        "http://",
        "ftp://127.0.0.1:21",
        "http://127.0.0.1:port",
    ],
)
def test_a_malformed_endpoint_is_named(monkeypatch, url):
    monkeypatch.setenv("AWS_ENDPOINT_URL", url)
    with pytest.raises(CloudError, match="AWS_ENDPOINT_URL is .*no URL like"):
        connect()


def test_an_endpoint_where_nothing_answers_is_named(monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETSMANAGER", f"http://127.0.0.1:{port}")
    with pytest.raises(CloudError, match="nothing answers there.*start it, or unset"):
        connect()


@pytest.mark.parametrize(
    "name",
    ["AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ENDPOINT_URL_SECRETSMANAGER", "AWS_ENDPOINT_URL"],
)
def test_an_endpoint_of_the_learner_s_is_known_by_three_names(name, sandbox):
    assert cloud_module._own_aws_endpoint({name: sandbox.aws}) == sandbox.aws


def test_a_kind_of_key_that_the_sandbox_does_not_issue_is_named(cloud):
    with pytest.raises(CloudError, match="no 'legacy' keys"):
        cloud.issue_api_key("legacy")


@pytest.mark.slow
def test_an_endpoint_of_the_learner_is_used_in_the_sandbox(monkeypatch, request):
    other = Sandbox("--aws-access-key", "sandbox").wait_until_ready()
    request.addfinalizer(other.close)
    monkeypatch.setenv("AWS_ENDPOINT_URL", other.aws)
    cloud = connect()
    cloud.ensure_secret("s")
    assert other.ask("seen") == {"aws.CreateSecret": 1}
    assert other.aws in repr(cloud)
    cloud.add_fault("aws", error="AccessDeniedException", times=1)
    with pytest.raises(ClientError, match="AccessDenied"):
        cloud.ensure_secret("s")
    cloud.close()
    again = connect()
    again.ensure_secret("s")
    assert other.ask("seen") == {"aws.CreateSecret": 2, "aws.PutSecretValue": 1}  # the new key
    assert other.aws in repr(again)
    again.close()


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "helpers.ledger", raising=False)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(CloudError, match="has no package 'botocore'.*make lab"):
        cloud_module._new_ledger()


def test_live_uses_the_learners_own_settings(live, monkeypatch):
    cloud = connect()
    assert cloud.mode == "live" and "costs money" in repr(cloud) and "eu-west-1" in repr(cloud)
    assert os.environ["AWS_ACCESS_KEY_ID"] == live.aws_access_key
    monkeypatch.setenv("MOMENTO_API_KEY", live.api_key)
    cloud.ensure_secret("s")
    answer = boto3.client("secretsmanager").get_secret_value(SecretId="s")
    provider = cloud.credentials_from(answer["SecretString"])
    assert (provider.cache_endpoint, provider.port) == ("cache.cell-1.prod.a.momentohq.com", 443)


def test_live_tells_what_is_missing(live, monkeypatch):
    cloud = connect()
    monkeypatch.delenv("MOMENTO_API_KEY", raising=False)
    with pytest.raises(CloudError, match="MOMENTO_API_KEY is not set"):
        _ = cloud.api_key
    with pytest.raises(CloudError, match="works in the sandbox only"):
        cloud.add_fault("aws", delay=1)


@pytest.mark.parametrize("endpoint", ["", "https://cell-1.momentohq.com", "cell-1.momentohq.com\n", "cell 1"])
def test_live_wants_a_host_name_for_momento(live, monkeypatch, endpoint):
    monkeypatch.setenv("MOMENTO_ENDPOINT", endpoint)
    with pytest.raises(CloudError, match="MOMENTO_ENDPOINT is not set to a host name"):
        connect()


def test_live_wants_a_region(live, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(CloudError, match="no AWS region"):
        connect()


def test_an_engine_that_there_isnt_is_told_before_the_running_sandbox_ends(cloud):
    with pytest.raises(CloudError, match="no AWS engine 'mto'"):
        connect(aws_engine="mto")
    assert cloud._sandbox.alive and connect() is cloud


def test_a_distance_is_added_to_each_call_and_more_to_a_new_connection(cloud):
    faults = Faults()
    assert faults.travel("aws", "1") == 0
    faults.add_distance(0.25, 0.5)
    assert [faults.travel("aws", peer) for peer in ("1", "2", "2")] == [0.25, 0.75, 0.25]
    faults.clear()
    assert faults.travel("aws", "2") == 0.25
    for name, distance in DISTANCES.items():
        said = repr(cloud.add_distance(name))
        assert (name in said and f"{distance.round_trip * 1e3:g} ms" in said) or name == "this machine"
    with pytest.raises(CloudError, match="no distance 'the moon'"):
        cloud.add_distance("the moon")
    cloud.add_distance("this machine")


@pytest.mark.slow
def test_the_distance_reaches_both_services(cloud):
    sm = boto3.client("secretsmanager")
    with cloud.ledger.page("far away") as page:
        cloud.add_distance("another region")
        sm.get_secret_value(SecretId=SECRET_NAME)
        configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
        provider = cloud.credentials_from(cloud.api_key)
        with CacheClient(configuration, provider, timedelta(minutes=1)) as client:
            client.get("tutorial", "key")
        cloud.add_distance("this machine")
    least = DISTANCES["another region"].round_trip + DISTANCES["another region"].handshake
    assert all(call.seconds >= least for call in page.calls) and len(page.calls) == 2
