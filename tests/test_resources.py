"""What live mode creates: nothing of it is left behind, and nothing of others is deleted, whatever happens in between."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from datetime import timedelta

import boto3
import pytest
from live_accounts import calls_since
from momento import CacheClient, Configurations

from helpers.account import ON_EVERYTHING, ON_OUR_SECRETS, policy_to_paste
from helpers.cloud import TAGS, CloudError, connect
from helpers.resources import MARK, Record, Resources
from momento_token import SharedClient, TokenSource
from sandbox.processes import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path):
    return tmp_path / "record"


def names() -> set[str]:
    return {s["Name"] for s in boto3.client("secretsmanager").list_secrets()["SecretList"]}


def new(record, **settings) -> Resources:
    return Resources(connect(), True, record, **settings)


def rewrite(record, **changes) -> None:
    """The only entry with other contents, as another run would have written it."""
    (path,) = record.glob("*.json")
    (entry,) = Record(record).entries()
    path.write_text(json.dumps(asdict(replace(entry, **changes))))


def create_by_others(name="tutorial/go-live-theirs", tags=TAGS) -> str:
    boto3.client("secretsmanager").create_secret(Name=name, SecretString="theirs", Tags=tags)
    return name


def clients_of(cloud, secret_name) -> SharedClient:
    return SharedClient(
        TokenSource(secret_name, ttl=300, max_age=3600),
        lambda token: CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)),
    )


@pytest.mark.parametrize("no", [False, "yes"])
def test_nothing_is_created_without_a_yes(accounts, record, no):
    before = accounts.ask("seen")
    with pytest.raises(CloudError, match="set go_ahead = True"):
        Resources(connect(), no, record)
    assert calls_since(before, accounts.ask("seen")) == {} and not record.exists()


def test_what_is_created_is_on_disk_first_and_removed_and_struck_off(between, accounts, record, capsys):
    on_disk = []
    between.rules["CreateSecret"] = lambda request: on_disk.extend(Record(record).entries())
    resources = new(record)
    name = resources.create_secret()
    assert [entry.name for entry in on_disk] == [name]
    assert resources.leftovers() == [name] == new(record).leftovers() and resources.others() == []
    removal = new(record).clean_up()  # as after a restart
    assert removal.removed == [name] and removal.left == [] and names() == set() and not record.exists()
    assert new(record).clean_up().rows == [("–", "there was nothing to remove", "–")]
    assert accounts.api_key not in f"{on_disk} {removal!r} {capsys.readouterr()}"


def test_what_others_created_is_listed_and_never_deleted(accounts, record):
    theirs = create_by_others()
    create_by_others("tutorial/untagged", [])
    create_by_others("tutorial/other-value", [{**TAGS[0], "Value": "me"}])
    resources = new(record)
    name = resources.create_secret()
    assert resources.others() == [theirs]
    assert resources.clean_up().removed == [name]
    assert names() == {theirs, "tutorial/untagged", "tutorial/other-value"}


@pytest.mark.parametrize("tags", [[], TAGS, [*TAGS, {"Key": MARK, "Value": "another"}]])
def test_a_recorded_name_without_the_mark_of_the_record_is_not_deleted(accounts, record, tags):
    resources = new(record)
    name = resources.create_secret()
    client = boto3.client("secretsmanager")
    client.untag_resource(SecretId=name, TagKeys=[TAGS[0]["Key"], MARK])
    client.tag_resource(SecretId=name, Tags=tags)
    assert resources.clean_up().left == [name] and names() == {name}
    assert resources.others() == ([name] if tags else [])


@pytest.mark.parametrize("what, where", [("account", "999999999999"), ("region", "eu-west-1"), ("endpoint", "AWS")])
def test_an_entry_of_another_place_is_kept_and_said(accounts, record, what, where):
    resources = new(record)
    name = resources.create_secret()
    rewrite(record, place={**Record(record).entries()[0].place, what: where})
    removal = resources.clean_up()
    assert removal.removed == removal.left == resources.leftovers() == []
    assert f"{what} {where}" in repr(removal)
    assert f"--region {'eu-west-1' if what == 'region' else 'us-west-2'}" in repr(removal)
    assert record.exists() and names() == {name}


def test_an_entry_that_cannot_be_read_or_names_something_else_deletes_nothing(accounts, record):
    theirs = create_by_others()
    name = new(record).create_secret()
    rewrite(record, name=theirs)
    with pytest.raises(CloudError, match=r"go-live-.*\.json can't be read.*then remove the file"):
        new(record).clean_up()
    assert names() == {theirs, name}


def test_a_record_that_cannot_be_written_creates_nothing(accounts, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(CloudError, match="Nothing was created, as the record .* can't be written"):
        new(blocked / "record").create_secret()
    assert names() == set()


@pytest.mark.parametrize("event, created", [("before-send", 0), ("response-received", 1)])
def test_a_kernel_that_is_killed_while_it_creates(accounts, record, event, created):
    code = f"""
import os, boto3
from pathlib import Path
from helpers.cloud import connect
from helpers.resources import Resources

resources = Resources(connect(), True, Path({str(record)!r}))
resources._client.meta.events.register("{event}.secrets-manager.CreateSecret", lambda **_: os._exit(9))
resources.create_secret()
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    removal = new(record).clean_up()
    assert len(removal.removed) == created and removal.left == [] and names() == set() and not record.exists()


def test_a_response_that_was_lost_leaves_the_entry(between, accounts, record):
    def create_and_lose(request):
        boto3.client("secretsmanager", endpoint_url=between.behind).create_secret(**request)
        return "InternalServiceError", 500

    between.rules["CreateSecret"] = create_and_lose
    with pytest.raises(CloudError, match=r"run resources.clean_up\(\)"):
        new(record).create_secret()
    assert len(names()) == 1 and len(new(record).clean_up().removed) == 1 and names() == set()


def test_a_denied_creation_names_the_cure(accounts, record):
    accounts.ask("add_fault", service="aws", operation="CreateSecret", error="AccessDeniedException")
    with pytest.raises(CloudError, match="was not created.*this identity lacks the permission"):
        new(record).create_secret()
    assert new(record).clean_up().left == [] and not record.exists()


def test_a_deletion_is_confirmed_or_said_not_to_be(between, record):
    resources = new(record, confirmation=0.2)
    name = resources.create_secret()
    still = boto3.client("secretsmanager").describe_secret(SecretId=name)
    shown = []
    between.rules["DescribeSecret"] = lambda _: {key: still[key] for key in ("ARN", "Name", "Tags")}
    removal = resources.clean_up()
    assert removal.left == [name] and removal.removed == []
    assert f"describe-secret --secret-id {name} --region us-west-2" in repr(removal)
    between.rules.clear()
    name = resources.create_secret()
    between.rules["DescribeSecret"] = lambda _: shown.append(1)
    assert name in new(record).clean_up().removed and len(shown) >= 2 and not record.exists()


def test_one_of_three_that_may_not_be_deleted_stays_and_the_others_go(between, record):
    resources = new(record)
    one, kept, other = [resources.create_secret() for _ in range(3)]
    denied = ("AccessDeniedException", 400)
    between.rules["DeleteSecret"] = lambda request: denied if kept in request["SecretId"] else None
    between.rules["ListSecrets"] = lambda _: denied
    removal = resources.clean_up()
    assert set(removal.removed) == {one, other} and removal.left == [kept] == resources.leftovers()
    assert "this identity lacks the permission: give it the policy" in repr(removal)
    with pytest.raises(CloudError, match="can't be listed: this identity lacks the permission"):
        resources.others()
    between.rules.clear()
    assert resources.clean_up().removed == [kept] and names() == set()


def test_the_cache_is_ours_alone_and_is_deleted_with_the_key_of_the_secret(accounts, record, monkeypatch):
    cloud, resources = connect(), new(record)
    name = resources.create_secret()
    monkeypatch.delenv("MOMENTO_API_KEY")
    clients = clients_of(cloud, name)
    clients.call(lambda client: client.create_cache("tutorial-go-live"))
    cache = resources.create_cache(clients)
    clients.close()
    assert set(resources.leftovers()) == {cache, name}
    assert new(record).clean_up().removed == [cache, name]
    credentials = cloud.credentials_from(accounts.api_key)
    with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=1)) as client:
        left = {one.name for one in client.list_caches().caches}
    assert "tutorial-go-live" in left and cache not in left


def test_a_cache_without_a_key_to_delete_it_stays_in_the_record(accounts, record, monkeypatch):
    resources = new(record)
    secret = resources.create_secret()
    clients = clients_of(connect(), secret)
    cache = resources.create_cache(clients)
    clients.close()
    boto3.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    with monkeypatch.context() as without:
        without.delenv("MOMENTO_API_KEY")
        removal = resources.clean_up()
    assert removal.left == [cache] and "MOMENTO_API_KEY" in repr(removal)
    assert resources.clean_up().removed == [cache]


def test_a_cache_that_is_not_created(accounts, record):
    resources = new(record)
    clients = clients_of(connect(), resources.create_secret())
    accounts.ask("add_fault", service="momento", operation="CreateCache", error="PERMISSION_DENIED")
    with pytest.raises(CloudError, match="was not created.*the API key lacks the permission"):
        resources.create_cache(clients)
    clients.close()
    assert new(record).clean_up().left == [] and not record.exists()


def test_what_an_ended_sandbox_held_is_forgotten(record):
    first = connect()
    Resources(first, True, record).create_secret()
    first.close()
    second = connect()
    try:
        removal = Resources(second, True, record).clean_up()
        assert removal.removed == removal.left == [] and not record.exists()
    finally:
        second.close()


ACTIONS = [f"secretsmanager:{name}" for name in (*ON_OUR_SECRETS, *ON_EVERYTHING)]


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
    boto3.DEFAULT_SESSION = None
    policy = json.loads(policy_to_paste())
    for statement in policy["Statement"]:
        statement["Action"] = [action for action in statement["Action"] if action != without]
    policy["Statement"] = [one for one in policy["Statement"] if one["Action"]]
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=json.dumps(policy))
    denied = denied_actions(record)
    if without in ("nothing", "secretsmanager:TagResource"):  # MiniStack ignores it: see docs/stand-ins.md
        assert denied == set()
    else:
        assert without in denied


def denied_actions(record) -> set[str]:
    """Which actions live mode misses, by trying what it does with each."""
    client, found = boto3.client("secretsmanager"), set()
    resources = new(record, confirmation=0)
    try:
        name = resources.create_secret()
    except CloudError:
        return {"secretsmanager:CreateSecret"}
    try:
        client.get_secret_value(SecretId=name)
    except client.exceptions.ClientError:
        found.add("secretsmanager:GetSecretValue")
    try:
        resources.others()
    except CloudError:
        found.add("secretsmanager:ListSecrets")
    if name in resources.clean_up().left:
        found |= {"secretsmanager:DescribeSecret", "secretsmanager:DeleteSecret"}
    return found
