"""Going live, driven against an AWS endpoint on this machine: a sentence for each lack, and a cost that is an upper bound."""

from __future__ import annotations

import json
import re

import boto3
import pytest
from botocore.exceptions import ConnectionClosedError
from hypothesis import given
from hypothesis import strategies as st
from live_accounts import calls_since

from helpers.account import (
    CURES,
    check_live,
    cost_table,
    cure,
    dollars_at_most,
    is_aws,
    policy_to_paste,
)
from helpers.cloud import connect


def missing(cloud) -> str:
    table = check_live(cloud, 60)
    return " ".join(fix for _, found, fix in table.rows if found == "✗ missing")


def test_all_is_there_and_nothing_was_created(accounts):
    before = accounts.ask("seen")
    assert check_live(connect(), 60).caption == "Ready"
    assert "plan fewer calls" in repr(check_live(connect(), 20_000))
    made = calls_since(before, accounts.ask("seen"))
    asked = {"DescribeSecret", "GetSecretValue", "ListSecrets", ""}  # "": who am I
    assert set(made) == {"momento.ListCaches", *(f"aws.{name}" for name in asked)}


def test_what_cannot_be_asked_is_said_and_all_six_permissions_are_named(accounts):
    table = check_live(connect(), 60)
    not_asked = [need for need, found, _ in table.rows if found == "? not asked"]
    assert not_asked == ["permission for CreateSecret, TagResource, DeleteSecret"]
    policy = json.loads(policy_to_paste())
    actions = [action for statement in policy["Statement"] for action in statement["Action"]]
    named = re.findall(r"\b[A-Z]\w+Secrets?\w*|TagResource", repr(table))
    assert len(actions) == 6
    assert {action.partition(":")[2] for action in actions} == set(named)


def test_only_amazon_s_own_names_are_aws():
    assert is_aws("https://secretsmanager.cn-north-1.amazonaws.com.cn")
    assert not is_aws("https://not-amazonaws.com") and not is_aws("http://127.0.0.1:4566")


def test_no_credentials(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no AWS credentials: run `aws configure`" in missing(cloud)


def test_expired_credentials(accounts):
    cloud = connect()
    accounts.ask("add_fault", service="aws", error="ExpiredTokenException")
    assert "have expired: log in again" in missing(cloud)


@pytest.mark.parametrize("operation", ["DescribeSecret", "GetSecretValue", "ListSecrets"])
def test_no_permission(accounts, operation):
    cloud = connect()
    accounts.ask("add_fault", service="aws", operation=operation, error="AccessDeniedException")
    assert "give it the policy that helpers.account.policy_to_paste() prints" in missing(cloud)


def test_a_wrong_region(accounts, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-wset-2")
    assert "us-wset-2 isn't a region of Secrets Manager" in missing(connect())


def test_no_network(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TUTORIAL_MOMENTO_ADDRESS", "127.0.0.1:9")
    said = missing(cloud)
    assert "AWS can't be reached" in said and "nothing answers at Momento's endpoint" in said


def test_a_stand_in_for_one_service_is_asked_who_it_is_too(accounts, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", accounts.aws)
    assert check_live(connect(), 60).caption == "Ready"


def test_a_key_that_is_none_and_one_of_another_endpoint(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.api_key[:50])
    assert "only a part of an API key" in missing(cloud)
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.ask("issue", kind="v1"))
    monkeypatch.setattr(cloud, "momento_endpoint", "cell-9.momentohq.com")
    assert "belongs to another endpoint" in missing(cloud)


def test_a_key_of_the_right_form_is_used_once(accounts):
    cloud = connect()
    before = accounts.ask("seen")
    check_live(cloud, 60)
    assert calls_since(before, accounts.ask("seen"))["momento.ListCaches"] == 1
    accounts.ask("revoke", api_key=accounts.api_key)
    said = missing(cloud)
    assert "Momento refuses the API key" in said and accounts.api_key not in said


def test_a_key_for_data_only_is_noticed(accounts):
    cloud = connect()
    accounts.ask("add_fault", service="momento", operation="ListCaches", error="PERMISSION_DENIED")
    assert "the API key lacks the permission to manage caches" in missing(cloud)


def test_every_cure_is_one_sentence_and_an_unknown_error_is_named():
    assert all(": " in text and not text.endswith(".") for text in CURES.values())
    assert cure(ZeroDivisionError("x")).startswith("ZeroDivisionError")
    assert "broke off" in cure(ConnectionClosedError(endpoint_url="http://127.0.0.1"))


def test_the_cost_is_worked_out_and_rounded_up():
    said = repr(cost_table(60))
    assert "60 calls | $0.000300" in said and "at most | $0.02" in said


@given(st.floats(0, 1e6))
def test_at_most_is_at_most(amount):
    assert float(dollars_at_most(amount).strip("$").replace(",", "")) >= round(amount, 12)


@pytest.mark.parametrize(
    "amount, shown",
    [(0, "$0.00"), (0.02, "$0.02"), (0.1 + 0.2, "$0.30"), (0.0133, "$0.02"), (5e-6, "$0.000005")],
)
def test_what_is_exact_is_not_rounded(amount, shown):
    assert dollars_at_most(amount) == shown


def test_the_policy_names_the_account_and_the_region(accounts, monkeypatch):
    account = boto3.client("sts").get_caller_identity()["Account"]
    (ours, everything) = json.loads(policy_to_paste())["Statement"]
    assert ours["Resource"] == f"arn:aws:secretsmanager:us-west-2:{account}:secret:tutorial/go-live-*"
    assert everything["Action"] == ["secretsmanager:ListSecrets"]
