"""Going live, driven against an AWS endpoint on this machine: each thing that is missing is named with its cure."""

from __future__ import annotations

import json
import re

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError, SSOTokenLoadError
from hypothesis import given
from hypothesis import strategies as st
from live_accounts import calls_since

from helpers.account import check_live, cost_table, cure, dollars_at_most, is_aws, policy_to_paste
from helpers.cloud import connect


def missing(cloud) -> str:
    return " ".join(fix for _, found, fix in check_live(cloud, 60).rows if found == "✗ missing")


def test_all_is_there_and_nothing_was_created(accounts):
    before = accounts.ask("seen")
    table = check_live(connect(), 60)
    assert table.caption == "Ready" and "plan fewer calls" in repr(check_live(connect(), 20_000))
    made = calls_since(before, accounts.ask("seen"))
    asked = {"DescribeSecret", "GetSecretValue", "ListSecrets", ""}  # "": who am I
    assert set(made) == {"momento.ListCaches", *(f"aws.{name}" for name in asked)}
    actions = [action for one in json.loads(policy_to_paste())["Statement"] for action in one["Action"]]
    named = re.findall(r"\b[A-Z]\w+Secrets?\w*|TagResource", repr(table))
    assert {action.partition(":")[2] for action in actions} == set(named)


def test_only_amazons_own_names_are_aws():
    assert is_aws("https://secretsmanager.cn-north-1.amazonaws.com.cn")
    assert not is_aws("https://not-amazonaws.com") and not is_aws("http://127.0.0.1:4566")


def test_no_credentials(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no AWS credentials: run `aws configure`" in missing(cloud)


@pytest.mark.parametrize(
    "service, operation, error, said",
    [
        ("aws", "*", "ExpiredTokenException", "have expired: log in again"),
        ("aws", "DescribeSecret", "AccessDeniedException", "give it the policy"),
        ("aws", "GetSecretValue", "AccessDeniedException", "give it the policy"),
        ("aws", "ListSecrets", "AccessDeniedException", "give it the policy"),
        ("momento", "ListCaches", "PERMISSION_DENIED", "the API key lacks the permission to manage caches"),
    ],
)
def test_what_is_denied_is_named_with_its_cure(accounts, service, operation, error, said):
    cloud = connect()
    accounts.ask("add_fault", service=service, operation=operation, error=error)
    assert said in missing(cloud)


def test_a_wrong_region(accounts, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-wset-2")
    assert "us-wset-2 isn't a region of Secrets Manager" in missing(connect())


def test_no_network(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TUTORIAL_MOMENTO_ADDRESS", "127.0.0.1:9")
    said = missing(cloud)
    assert "AWS can't be reached" in said and "nothing listens at Momento's endpoint" in said


def test_a_key_that_is_none_is_revoked_or_of_another_endpoint(accounts, monkeypatch):
    cloud = connect()
    accounts.ask("revoke", api_key=accounts.api_key)
    said = missing(cloud)
    assert "Momento refuses the API key" in said and accounts.api_key not in said
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.api_key[:50])
    assert "only a part of an API key" in missing(cloud)
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.ask("issue", kind="v1"))
    monkeypatch.setattr(cloud, "momento_endpoint", "cell-9.momentohq.com")
    assert "belongs to another endpoint" in missing(cloud)


def test_an_error_has_a_cure_or_its_name():
    assert "broke off" in cure(ConnectionClosedError(endpoint_url="http://127.0.0.1"))
    assert "run" not in cure(ZeroDivisionError("x")) and cure(ZeroDivisionError("x")).startswith("ZeroDivisionError")
    assert "`aws sso login`" in cure(SSOTokenLoadError(error_msg="x"))


def test_the_cost_is_computed_and_rounded_up():
    said = repr(cost_table(60))
    assert "60 calls | $0.000300" in said and "at most | $0.02" in said
    shown = [dollars_at_most(amount) for amount in (0, 0.02, 0.1 + 0.2, 0.0133, 5e-6)]
    assert shown == ["$0.00", "$0.02", "$0.30", "$0.02", "$0.000005"]


@given(st.floats(0, 1e6))
def test_at_most_is_at_most(amount):
    assert float(dollars_at_most(amount).strip("$").replace(",", "")) >= round(amount, 12)


def test_the_policy_names_the_account_and_the_region(accounts):
    account = boto3.client("sts").get_caller_identity()["Account"]
    (ours, everything) = json.loads(policy_to_paste())["Statement"]
    assert ours["Resource"] == f"arn:aws:secretsmanager:us-west-2:{account}:secret:tutorial/go-live-*"
    assert everything["Action"] == ["secretsmanager:ListSecrets"]
