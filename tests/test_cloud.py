"""connect(): the two modes, the seam, and the sentences where it can't."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

import boto3
import psutil
import pytest
from botocore.exceptions import ProfileNotFound
from momento import CacheClient, Configurations
from names import SECRET_NAME

from helpers import cloud as cloud_module
from helpers.cloud import CloudError, connect
from momento_token import Token, TokenError
from sandbox.network_distance import DISTANCES
from sandbox.processes import SandboxError

HOST = "cell-1.prod.a.momentohq.com"


def test_the_second_call_returns_the_same_connection_while_it_is_alive(cloud):
    assert connect() is cloud
    with pytest.raises(CloudError, match="no AWS engine 'mto'"):  # said before the running sandbox is closed
        connect("mto")
    assert cloud._sandbox.alive and connect() is cloud
    psutil.Process(cloud._sandbox.pid).kill()
    cloud._sandbox._child._process.wait()
    with pytest.raises(SandboxError, match="has ended .*first cells again"):
        cloud.calls_seen()
    again = connect()
    assert again is not cloud
    again.ensure_secret("s")
    again.close()


def test_a_variable_chooses_the_engine_of_every_notebook(monkeypatch, iam_cloud):
    monkeypatch.setenv("TUTORIAL_AWS_ENGINE", "ministack")
    assert connect() is iam_cloud
    monkeypatch.setenv("TUTORIAL_AWS_ENGINE", "mto")
    with pytest.raises(CloudError, match="no AWS engine 'mto'"):
        connect()
    assert connect("ministack") is iam_cloud


def test_the_banner_says_what_it_is_connected_to_and_nothing_that_is_shown_holds_the_key(cloud):
    key = cloud.api_key
    assert isinstance(key, Token)
    shown = [repr(cloud), cloud._repr_html_(), repr(key), repr([key]), f"{key!r}"]
    assert all("Nothing leaves this machine" in text for text in shown[:2])
    assert not any(key[:12] in text or key[-12:] in text for text in shown)


@pytest.mark.parametrize("kind", ["v2", "v1"])
def test_credentials_keep_the_key_and_point_at_this_machine(cloud, kind):
    provider = cloud.credentials_from(f"  {cloud.issue_api_key(kind)}\n")
    assert f"{provider.cache_endpoint}:{provider.port}" == cloud._sandbox.momento
    assert provider.auth_token.startswith("eyJ") and provider.auth_token.count(".") == 2


def test_what_it_can_not_do_gets_a_sentence(cloud, monkeypatch):
    with pytest.raises(TokenError, match="JSON"):
        cloud.credentials_from('{"MOMENTO_API_KEY": "x"}')
    with pytest.raises(CloudError, match="no 'legacy' keys"):
        cloud.issue_api_key("legacy")
    with pytest.raises(CloudError, match="no distance 'the moon'"):
        cloud.add_distance("the moon")
    monkeypatch.setenv("TUTORIAL_CLOUD", "prod")
    with pytest.raises(CloudError, match="TUTORIAL_CLOUD is 'prod'.*unset"):
        connect()


def test_a_missing_package_is_named_with_the_way_out(monkeypatch):
    monkeypatch.delitem(sys.modules, "helpers.ledger", raising=False)
    monkeypatch.setitem(sys.modules, "botocore", None)
    with pytest.raises(CloudError, match="has no package 'botocore'.*make lab"):
        cloud_module._new_ledger()


@pytest.mark.slow
def test_the_distance_reaches_both_services(cloud):
    sm = boto3.client("secretsmanager")
    far = DISTANCES["another region"]
    with cloud.ledger.page("far away") as page:
        assert f"{far.round_trip * 1e3:g} ms" in repr(cloud.add_distance("another region"))
        sm.get_secret_value(SecretId=SECRET_NAME)
        configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
        provider = cloud.credentials_from(cloud.api_key)
        with CacheClient(configuration, provider, timedelta(minutes=1)) as client:
            client.get("tutorial", "key")
        cloud.add_distance("this machine")
    assert all(call.seconds >= far.round_trip + far.handshake for call in page.calls) and len(page.calls) == 2


# ---- live ----


@pytest.fixture
def live(accounts, monkeypatch):
    """Live mode with AWS on this machine, and Momento's real endpoint, which no test here calls."""
    monkeypatch.delenv("TUTORIAL_MOMENTO_ADDRESS")
    monkeypatch.setenv("MOMENTO_ENDPOINT", HOST)
    return accounts


def test_live_uses_the_learner_s_own_settings(live, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    cloud = connect()
    assert cloud.mode == "live" and "costs money" in repr(cloud) and "eu-west-1" in repr(cloud)
    assert live.aws in repr(cloud)
    assert os.environ["AWS_ACCESS_KEY_ID"] == live.aws_access_key
    cloud.ensure_secret("s")
    token = boto3.client("secretsmanager").get_secret_value(SecretId="s")["SecretString"]
    provider = cloud.credentials_from(token)
    assert (provider.cache_endpoint, provider.port) == (f"cache.{HOST}", 443)
    with pytest.raises(CloudError, match="works in the sandbox only"):
        cloud.add_fault("aws", delay=1)
    monkeypatch.delenv("MOMENTO_API_KEY")
    with pytest.raises(CloudError, match="MOMENTO_API_KEY is not set"):
        _ = cloud.api_key


def test_live_the_banner_says_what_boto3_calls_also_by_its_configuration_file(live, monkeypatch, tmp_path):
    """An endpoint there is easily forgotten: aws/aws-cli#8052."""
    file = tmp_path / "config"
    file.write_text(f"[default]\nservices = mine\n[services mine]\nsecrets_manager =\n  endpoint_url = {live.aws}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    cloud = connect()
    assert f"AWS Secrets Manager: {live.aws}, region us-west-2" in repr(cloud)
    cloud.ensure_secret("s")
    assert live.ask("seen")["aws.CreateSecret"] == 1


@pytest.mark.parametrize("endpoint", ["", f"https://{HOST}", f"{HOST}\n", "cell 1"])
def test_live_wants_a_host_name_for_momento(live, monkeypatch, endpoint):
    monkeypatch.setenv("MOMENTO_ENDPOINT", endpoint)
    with pytest.raises(CloudError, match="MOMENTO_ENDPOINT is not set to a host name"):
        connect()


NO_SOURCE = "[default]\nrole_arn = arn:aws:iam::123456789012:role/r\nsource_profile = gone\n"
SSO = "[default]\nsso_session = {}\nsso_account_id = 123456789012\nsso_role_name = r\n"
SESSION = "[sso-session mine]\nsso_region = us-west-2\nsso_start_url = https://mine.awsapps.com/start\n"
PROCESS = "[default]\ncredential_process = {}\n"
# Taken out of the environment:
KEYS, PROXY = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}, {"NO_PROXY": "", "no_proxy": ""}


@pytest.mark.parametrize(
    ("settings", "file", "said"),
    [
        ({"AWS_PROFILE": "none"}, "", "profile .none. could not be found.*list-profiles"),
        ({}, "not an ini file", "Unable to parse config file"),
        (KEYS, "", "no AWS credentials"),
        ({"AWS_SECRET_ACCESS_KEY": ""}, "", "missing: AWS_SECRET_ACCESS_KEY"),
        (KEYS, SSO.format("gone"), "gone"),
        (KEYS, SSO.format("mine") + SESSION, "run `aws sso login`"),
        (KEYS, NO_SOURCE, "gone"),
        (KEYS, PROCESS.format("false"), "custom-process: complete or correct"),
        (KEYS, PROCESS.format("/no/such/program"), "/no/such/program"),
        (KEYS, PROCESS.format("echo hello"), "until `aws sts get-caller-identity` works"),
        (KEYS | {"AWS_WEB_IDENTITY_TOKEN_FILE": "/no/such", "AWS_ROLE_ARN": "arn:aws:iam::1:role/r"}, "", "/no/such"),
        (KEYS | {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9"}, "", "container metadata"),
        ({"AWS_DEFAULT_REGION": ""}, "", "no AWS region: set AWS_DEFAULT_REGION"),
        ({"AWS_DEFAULT_REGION": "us west 2"}, "", "us west 2"),
        ({"AWS_ENDPOINT_URL": "127.0.0.1:4566"}, "", "127.0.0.1:4566"),
        ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, "", "127.0.0.1:9.*whether this machine is online"),
        ({"AWS_ENDPOINT_URL": ""}, "[default]\nservices = gone\n", "gone"),
        (PROXY | {"HTTP_PROXY": "http://me:hidden@127.0.0.1:9"}, "", "//127.0.0.1:9.*correct HTTPS_PROXY"),
        (PROXY | {"HTTP_PROXY": "http://me:hidden@127.0.0.1:x"}, "", "127.0.0.1:x.*correct HTTPS_PROXY"),
        ({"AWS_SESSION_TOKEN": "hidden\nhidden"}, "", "a line break"),
        ({"AWS_RETRY_MODE": "often"}, "", "often"),
        ({"AWS_MAX_ATTEMPTS": "three"}, "", "three"),
    ],
)
def test_live_any_broken_configuration_of_aws_is_one_sentence(live, monkeypatch, tmp_path, settings, file, said):
    """The profile that isn't there is jorgebastida/awslogs#352, the login that is over #402."""
    path = tmp_path / "config"
    path.write_text(file)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(path))
    for name, value in settings.items():
        monkeypatch.setenv(name, value) if value else monkeypatch.delenv(name, raising=False)
    with pytest.raises(CloudError, match=said) as caught:
        connect()
    assert "\n" not in str(caught.value) and "hidden" not in str(caught.value)


def test_live_an_identity_without_permission_has_reached_aws(live):
    live.ask("add_fault", service="aws", operation="DescribeSecret", error="AccessDeniedException")
    assert "costs money" in repr(connect())


def test_live_a_notebook_for_the_sandbox_reaches_no_account(live):
    with pytest.raises(CloudError, match="This notebook runs in the sandbox only: unset TUTORIAL_CLOUD"):
        connect("ministack")
    with pytest.raises(ProfileNotFound, match="sandbox-only"):
        boto3.client("secretsmanager")


def test_a_secret_that_waits_for_its_deletion_is_named_with_the_way_out(cloud):
    """Moto says that it exists, AWS another error: hashicorp/terraform-provider-aws#23998."""
    boto3.client("secretsmanager").delete_secret(SecretId=SECRET_NAME)
    with pytest.raises(CloudError, match=f"{SECRET_NAME} waits for its deletion: .*restore_secret"):
        cloud.ensure_secret(SECRET_NAME)


def test_live_a_secret_that_waits_for_its_deletion_is_named_too(live, between):
    cloud = connect()
    cloud.ensure_secret("s")
    boto3.client("secretsmanager").delete_secret(SecretId="s")
    between.rules["CreateSecret"] = lambda _: ("InvalidRequestException", 400)
    with pytest.raises(CloudError, match="s waits for its deletion"):
        cloud.ensure_secret("s")
