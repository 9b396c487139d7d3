"""Live mode, with a sandbox in the place of both accounts: nothing is left behind, and nothing of others is deleted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import timedelta

import boto3
import nbformat
import pytest
from answers import NOTEBOOKS, texts
from live_accounts import calls_since
from momento import CacheClient, Configurations

from helpers.cloud import TAGS, CloudError, connect
from helpers.live import MARK, Resources, check_live, cost_line
from momento_token import SharedClient, TokenSource
from sandbox.processes import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path):
    return tmp_path / "folder" / "record.jsonl"


def names() -> set[str]:
    return {s["Name"] for s in boto3.client("secretsmanager").list_secrets()["SecretList"]}


def new(record, **settings) -> Resources:
    return Resources(connect(), True, record, **settings)


def clients_of(cloud, secret_name) -> SharedClient:
    return SharedClient(
        TokenSource(secret_name),
        lambda token: CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)),
    )


# ---- the check, and the cost ----


def test_the_check_creates_nothing(accounts):
    cloud, before = connect(), accounts.ask("seen")
    assert check_live(cloud).caption == "Ready"
    assert set(calls_since(before, accounts.ask("seen"))) == {"aws.DescribeSecret", "momento.ListCaches"}


@pytest.mark.parametrize(
    "service, error, said",
    [
        ("aws", "ExpiredTokenException", "run `aws sso login`"),
        ("aws", "UnrecognizedClientException", "AWS doesn't know these keys"),
        ("aws", "AccessDeniedException", "attach the policy that notebook 10 shows"),
        ("aws", "InternalServiceError", "InternalServiceError"),
        ("momento", "PERMISSION_DENIED", "the role of this API key doesn't allow that"),
        ("momento", "UNAUTHENTICATED", "Momento denies the API key"),
        ("momento", "UNAVAILABLE", "copy MOMENTO_ENDPOINT from its console again"),
        ("momento", "DATA_LOSS", "INTERNAL_SERVER_ERROR"),
    ],
)
def test_the_check_says_what_to_do(accounts, service, error, said):
    cloud = connect()
    accounts.ask("add_fault", service=service, operation="*", error=error)
    checked = check_live(cloud)
    assert checked.caption == "Not ready" and said in repr(checked)


def test_the_check_says_what_is_wrong_with_a_key(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.api_key[:50])
    assert "only a part of an API key" in repr(check_live(cloud))
    monkeypatch.delenv("MOMENTO_API_KEY")
    assert "MOMENTO_API_KEY is not set" in repr(check_live(cloud))


def test_the_cost_is_rounded_up():
    assert cost_line(60) == "One secret for a day and 60 calls cost at most $0.02."
    assert "$0.04" in cost_line(4_000)  # 1.33 and 2 cents


# ---- the record ----


@pytest.mark.parametrize("no", [False, "yes"])
def test_nothing_is_created_without_a_yes(accounts, record, no):
    cloud, before = connect(), accounts.ask("seen")
    with pytest.raises(CloudError, match="set go_ahead = True"):
        Resources(cloud, no, record)
    assert calls_since(before, accounts.ask("seen")) == {} and not record.exists()


def test_what_is_created_is_on_disk_first_and_noted_as_gone_once_it_is(between, accounts, record):
    resources, on_disk = new(record), []
    between.rules["CreateSecret"] = lambda request: on_disk.append((request["Name"], record.read_text()))
    name = resources.create_secret()
    assert [(name, True)] == [(created, created in text) for created, text in on_disk]
    after_a_restart = new(record)
    assert [entry.name for entry in after_a_restart.recorded()] == [name]
    removal = after_a_restart.clean_up()
    assert (removal.removed, removal.left, after_a_restart.recorded(), names()) == ([name], [], [], set())
    assert accounts.api_key not in record.read_text()


@pytest.mark.parametrize("tags", [[], TAGS, [{"Key": MARK, "Value": "another"}]])
def test_a_secret_without_the_mark_of_the_record_is_not_deleted(accounts, record, tags):
    resources, client = new(record), boto3.client("secretsmanager")
    client.create_secret(Name="of-others", SecretString="x", Tags=TAGS)
    name = resources.create_secret()
    client.untag_resource(SecretId=name, TagKeys=[MARK])
    client.tag_resource(SecretId=name, Tags=tags)
    assert resources.clean_up().left == [name] and names() == {name, "of-others"}


@pytest.mark.parametrize("part", ["123456789012", "us-west-2"])
def test_an_entry_of_another_account_or_region_is_kept(accounts, record, part):
    name = new(record).create_secret()
    record.write_text(record.read_text().replace(part, "elsewhere"))
    removal = new(record).clean_up()
    assert removal.left == [name] and "elsewhere" in repr(removal) and names() == {name}


def test_a_record_that_cannot_be_used_creates_and_deletes_nothing(accounts, record, tmp_path):
    name = new(record).create_secret()
    record.write_text(record.read_text() + '{"kind": "sec')
    with pytest.raises(CloudError, match=r"record\.jsonl can't be read"):
        new(record).clean_up()
    (tmp_path / "a file").write_text("")
    with pytest.raises(CloudError, match="can't be written, so nothing was created"):
        new(tmp_path / "a file" / "record.jsonl").create_secret()
    assert names() == {name}


def test_kernels_that_share_a_record_lose_no_entry(accounts, record):
    code = f"""
from pathlib import Path
from helpers.cloud import connect
from helpers.live import Resources
resources = Resources(connect(), True, Path({str(record)!r}))
for _ in range(20):
    resources.create_secret()
"""
    kernels = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [kernel.wait() for kernel in kernels] == [0, 0]
    assert {entry.name for entry in new(record).recorded()} == names() and len(names()) == 40


@pytest.mark.parametrize("event, created", [("before-send", 0), ("response-received", 1)])
def test_a_kernel_that_is_killed_while_it_creates(accounts, record, event, created):
    code = f"""
import os
from pathlib import Path
from helpers.cloud import connect
from helpers.live import Resources
resources = Resources(connect(), True, Path({str(record)!r}))
resources._sm.meta.events.register("{event}.secrets-manager.CreateSecret", lambda **_: os._exit(9))
resources.create_secret()
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    removal = new(record).clean_up()
    assert len(removal.removed) == created and removal.left == [] and names() == set()


def test_a_rehearsal_forgets_what_an_ended_sandbox_held(record):
    first = connect()
    Resources(first, True, record).create_secret()
    first.close()
    second = connect()
    assert Resources(second, True, record).recorded() == []
    second.close()


# ---- AWS and Momento don't do as they are told ----


def test_a_response_that_was_lost_leaves_the_entry(between, accounts, record):
    def create_and_lose(request):
        boto3.client("secretsmanager", endpoint_url=between.behind).create_secret(**request)
        return "InternalServiceError", 500

    between.rules["CreateSecret"] = create_and_lose
    with pytest.raises(CloudError, match="was not created, as far as is known: .*InternalServiceError"):
        new(record).create_secret()
    assert len(names()) == 1 and len(new(record).clean_up().removed) == 1 and names() == set()


def test_a_deletion_is_confirmed_or_said_not_to_be(between, record):
    resources, shown = new(record, wait=0.2), []
    name = resources.create_secret()
    still = boto3.client("secretsmanager").describe_secret(SecretId=name)
    between.rules["DescribeSecret"] = lambda _: shown.append(1) or {key: still[key] for key in ("ARN", "Name", "Tags")}
    assert resources.clean_up().left == [name] and len(shown) > 2
    between.rules.clear()
    assert resources.clean_up().left == [] == resources.recorded()


def test_what_may_not_be_deleted_stays_in_the_record_and_the_others_go(between, record):
    resources = new(record)
    one, kept, other = [resources.create_secret() for _ in range(3)]
    between.rules["DeleteSecret"] = lambda request: (
        ("AccessDeniedException", 400) if kept in request["SecretId"] else None
    )
    removal = resources.clean_up()
    assert set(removal.removed) == {one, other} and removal.left == [kept]
    assert "this identity lacks the permission" in repr(removal)
    between.rules.clear()
    assert resources.clean_up().removed == [kept] and names() == set()


def test_a_cache_is_deleted_and_confirmed_or_stays_in_the_record(accounts, record, monkeypatch):
    cloud, resources = connect(), new(record)
    clients = clients_of(cloud, resources.create_secret())
    cache = resources.create_cache(clients)
    accounts.ask("add_fault", service="momento", operation="CreateCache", error="RESOURCE_EXHAUSTED")
    with pytest.raises(CloudError, match="was not created.*by default 3 caches in a region"):
        resources.create_cache(clients)
    accounts.ask("clear_faults")
    clients.close()
    with monkeypatch.context() as without:
        without.delenv("MOMENTO_API_KEY")
        removal = resources.clean_up()
    assert cache in removal.left and "MOMENTO_API_KEY is not set" in repr(removal)
    removal = resources.clean_up()
    assert removal.removed == [cache] and removal.left == [] == resources.recorded()


# ---- the policy that the notebook shows ----

POLICY = json.loads(
    re.search(r"```json\n(.*?)```", texts(nbformat.read(NOTEBOOKS / "10_go_live.ipynb", as_version=4)), re.DOTALL)[1]
)
ACTIONS = POLICY["Statement"][0]["Action"]


@pytest.fixture(scope="module")
def account_with_iam():
    sandbox = Sandbox("--aws-engine", "ministack").wait_until_ready()
    yield sandbox
    sandbox.close()


@pytest.mark.parametrize("without", ["nothing", *ACTIONS])
def test_the_policy_is_enough_and_none_of_it_too_much(accounts, account_with_iam, record, monkeypatch, without):
    """Against MiniStack, which decides by policies; only AWS itself proves one."""
    admin = account_with_iam.aws_access_key
    monkeypatch.setenv("AWS_ENDPOINT_URL", account_with_iam.aws)
    iam = boto3.Session(admin, admin).client("iam")
    user = f"user-{without.partition(':')[2] or 'all'}"
    iam.create_user(UserName=user)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    statement = {**POLICY["Statement"][0], "Action": [action for action in ACTIONS if action != without]}
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps({**POLICY, "Statement": [statement]}))
    assert goes_well(record) == (without in ("nothing", "secretsmanager:TagResource"))  # see docs/stand-ins.md


def goes_well(record) -> bool:
    resources = new(record)
    try:
        boto3.client("secretsmanager").get_secret_value(SecretId=resources.create_secret())
    except Exception:
        return False
    return resources.clean_up().left == []
