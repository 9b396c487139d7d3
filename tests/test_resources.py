"""What live mode creates: nothing of it is left behind, and nothing of others is taken, whatever happens in between."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import timedelta

import boto3
import pytest
from live_accounts import calls_since
from momento import CacheClient, Configurations

from helpers import resources as module
from helpers.account import ON_EVERYTHING, ON_OUR_SECRETS, policy_to_paste
from helpers.cloud import TAGS, CloudError, connect
from helpers.resources import LAG, MARK, Record, Resources
from momento_token import SharedClient, TokenSource
from sandbox.processes import Sandbox

pytestmark = pytest.mark.slow


@pytest.fixture
def record(tmp_path):
    return tmp_path / "record"


def names() -> set[str]:
    """What the account holds, as the sandbox itself lists it."""
    return {s["Name"] for s in boto3.client("secretsmanager").list_secrets()["SecretList"]}


def new(record, **settings) -> Resources:
    return Resources(connect(), True, record, **settings)


def entry_of(record, name):
    return next(entry for entry in Record(record).entries() if entry.name == name)


def rewrite(record, entry, **changes) -> None:
    """The same entry with other contents, as another run would have written it."""
    Record(record).strike(entry)
    Record(record)._write(replace(entry, **changes))


def age(record) -> None:
    """Let the entries be older than the lag that AWS may have."""
    for entry in Record(record).entries():
        rewrite(record, entry, written=time.time() - LAG - 1)


def create_by_others(name="tutorial/go-live-theirs", tags=TAGS) -> str:
    boto3.client("secretsmanager").create_secret(Name=name, SecretString="theirs", Tags=tags)
    return name


def clients_of(cloud, secret_name) -> SharedClient:
    source = TokenSource(secret_name, ttl=300, max_age=3600)
    return SharedClient(
        source,
        lambda token: CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)),
    )


@pytest.mark.parametrize("no", [False, None, "yes", 1])
def test_nothing_is_created_without_a_yes(accounts, record, no):
    before = accounts.ask("seen")
    with pytest.raises(CloudError, match="Nothing was created.*set go_ahead = True"):
        Resources(connect(), no, record)
    assert calls_since(before, accounts.ask("seen")) == {} and not record.exists()


def test_what_is_created_is_removed_confirmed_and_struck_off(accounts, record):
    resources = new(record)
    name = resources.create_secret()
    assert resources.leftovers() == [name] and resources.others() == []
    removal = resources.clean_up()
    assert removal.removed == [name] and removal.left == []
    assert names() == set() and resources.leftovers() == [] and not record.exists()


def test_cleaning_up_twice_and_by_another_kernel_does_no_harm(accounts, record):
    name = new(record).create_secret()
    assert new(record).clean_up().removed == [name]
    assert new(record).clean_up().removed == new(record).clean_up().left == []


def test_two_kernels_clean_up_at_once(accounts, record):
    names_of_three = {new(record).create_secret() for _ in range(3)}
    kernels = [new(record) for _ in range(2)]
    with ThreadPoolExecutor(2) as pool:
        removals = list(pool.map(lambda kernel: kernel.clean_up(), kernels))
    # What one finds gone it can't know to be removed, while the other still waits for AWS to confirm that.
    assert {name for removal in removals for name in removal.removed} == names_of_three
    assert all(set(removal.left) <= names_of_three for removal in removals)
    assert kernels[0].clean_up().left == []
    assert names() == set() and not record.exists()


def test_deleted_by_another_kernel_between_the_question_and_the_deletion(between, record):
    resources = new(record)
    name = resources.create_secret()

    def other_first(_):
        between.rules.clear()
        boto3.client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        return "ResourceNotFoundException", 400

    between.rules["DeleteSecret"] = other_first
    assert resources.clean_up().removed == [name] and not record.exists()


def test_it_is_on_the_disk_before_aws_is_asked(between, record):
    seen = []
    between.rules["CreateSecret"] = lambda request: seen.append(entry_of(record, request["Name"]).mark)
    new(record).create_secret()
    assert len(seen) == 1


def test_what_others_created_is_listed_and_never_deleted(accounts, record):
    theirs = create_by_others()
    create_by_others("tutorial/untagged", [])
    create_by_others("tutorial/other-value", [{**TAGS[0], "Value": "me"}])
    resources = new(record)
    name = resources.create_secret()
    assert resources.others() == [theirs]
    assert resources.clean_up().removed == [name]
    assert names() == {theirs, "tutorial/untagged", "tutorial/other-value"}


def test_two_learners_in_one_account_at_once(accounts, tmp_path):
    one, other = (new(tmp_path / who) for who in ("one", "other"))
    with ThreadPoolExecutor(2) as pool:
        mine, theirs = pool.map(lambda r: r.create_secret(), (one, other))
    assert (one.leftovers(), one.others()) == ([mine], [theirs])
    with ThreadPoolExecutor(2) as pool:
        removals = list(pool.map(lambda r: r.clean_up(), (one, other)))
    assert [removal.removed for removal in removals] == [[mine], [theirs]]
    assert names() == set()


def test_a_name_that_is_typed_is_deleted_so_that_it_can_be_restored(accounts, record):
    theirs = create_by_others()
    said = repr(new(record).delete_by_name(theirs))
    client = boto3.client("secretsmanager")
    assert "DeletedDate" in client.describe_secret(SecretId=theirs)
    assert "restore-secret" in said
    client.restore_secret(SecretId=theirs)
    assert client.get_secret_value(SecretId=theirs)["SecretString"] == "theirs"


def test_a_typed_name_that_is_none_of_the_tutorial_is_refused(accounts, record):
    create_by_others("production", [])
    for name in ("production", "tutorial/nothing"):
        with pytest.raises(CloudError, match=f"{name} is no secret of this tutorial"):
            new(record).delete_by_name(name)
    assert names() == {"production"}


@pytest.mark.parametrize("tags", [[], TAGS, [*TAGS, {"Key": MARK, "Value": "another"}]])
def test_a_recorded_name_without_the_tag_of_the_record_is_not_deleted(accounts, record, tags):
    resources = new(record)
    name = resources.create_secret()
    client = boto3.client("secretsmanager")
    client.untag_resource(SecretId=name, TagKeys=[TAGS[0]["Key"], MARK])
    client.tag_resource(SecretId=name, Tags=tags)
    removal = resources.clean_up()
    assert removal.left == [name] == resources.others() and "delete_by_name" in repr(removal)
    assert names() == {name} and resources.leftovers() == []
    resources.delete_by_name(name)
    assert names() == set() and not record.exists()


def test_a_record_of_another_run_deletes_nothing_of_this_one(accounts, tmp_path):
    """Somebody copies a record, or an old one comes back from a backup, and the name is taken by now."""
    mine = new(tmp_path / "mine").create_secret()
    entry = entry_of(tmp_path / "mine", mine)
    Record(tmp_path / "old")._write(replace(entry, mark="another"))
    assert new(tmp_path / "old").clean_up().left == [mine]
    assert names() == {mine}


@pytest.mark.parametrize("what, where", [("account", "999999999999"), ("region", "eu-west-1"), ("endpoint", "AWS")])
def test_a_record_of_another_place_is_kept_and_said(accounts, record, what, where):
    resources = new(record)
    name = resources.create_secret()
    entry = entry_of(record, name)
    rewrite(record, entry, place={**entry.place, what: where}, written=0.0)
    removal = resources.clean_up()
    assert removal.removed == removal.left == resources.leftovers() == []
    assert "not here, so it was kept: " in repr(removal) and f"{what} {where}" in repr(removal)
    assert f"--region {'eu-west-1' if what == 'region' else 'us-west-2'}" in repr(removal)
    assert record.exists() and names() == {name}


def test_another_region_keeps_its_entry(accounts, record, monkeypatch):
    here = new(record)
    name = here.create_secret()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    boto3.DEFAULT_SESSION = None
    there = new(record)
    assert there.leftovers() == [] == there.clean_up().removed
    assert here.leftovers() == [name] == here.clean_up().removed
    assert not record.exists()


@pytest.mark.parametrize(
    "contents",
    [
        "", "{", "[]", "null", '"text"', "{}", '[["tutorial/go-live-1", "us-west-2"]]', "\x00",
        json.dumps({"kind": "secret", "name": "x", "mark": "x", "place": {}, "written": 0}),
        json.dumps({"kind": "secret", "name": "x", "mark": "x", "place": None, "written": 0}),
        json.dumps({"kind": "role", "name": "x", "mark": "x", "place": {"endpoint": "x"}, "written": 0}),
    ],
)  # fmt: skip
def test_an_unreadable_entry_is_kept_aside_and_said_and_the_others_count(accounts, record, contents, capsys):
    name = new(record).create_secret()
    (record / "tutorial%2Fgo-live-lost.json").write_text(contents)
    assert new(record).leftovers() == [name]
    said = capsys.readouterr().out
    assert "can't be read and is kept as" in said and "It was for tutorial/go-live-lost" in said
    (kept,) = record.parent.glob("record-unreadable-*")
    assert kept.read_text() == contents
    assert new(record).clean_up().removed == [name] and kept.exists() and not record.exists()
    assert capsys.readouterr().out == ""


def test_a_file_in_the_place_of_the_record_is_kept_aside_too(accounts, record, capsys):
    record.write_text("[]")
    resources = new(record)
    assert resources.clean_up().removed == [resources.create_secret()][:0]
    (kept,) = record.parent.glob("record-unreadable-*")
    assert kept.read_text() == "[]" and "can't be read" in capsys.readouterr().out
    assert len(resources.clean_up().removed) == 1


def test_an_entry_that_names_something_else_than_its_file_is_not_believed(accounts, record):
    theirs = create_by_others()
    name = new(record).create_secret()
    entry = entry_of(record, name)
    path = next(record.glob("*.json"))
    path.write_text(json.dumps(asdict(replace(entry, name=theirs))))
    assert new(record).clean_up().removed == []
    assert names() == {theirs, name}


def test_a_record_that_cannot_be_written_creates_nothing(accounts, tmp_path):
    blocked = tmp_path / "a file"
    blocked.write_text("")
    with pytest.raises(CloudError, match="Nothing was created, as the record .* can't be written"):
        new(blocked / "record").create_secret()
    assert names() == set()


def test_many_kernels_write_and_strike_off_at_once_and_lose_nothing(tmp_path):
    record = Record(tmp_path / "record")
    place = {"endpoint": "x"}

    def work(number: int) -> None:
        for turn in range(25):
            kept = record.add("cache", f"kept-{number}-{turn}", place)
            gone = record.add("cache", f"gone-{number}-{turn}", place)
            record.strike(gone)
            record.entries()
            if turn:
                record.strike(replace(kept, name=f"kept-{number}-{turn - 1}"))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert {entry.name for entry in record.entries()} == {f"kept-{n}-24" for n in range(8)}
    assert not list(tmp_path.glob("*unreadable*"))


def test_what_a_kernel_left_that_died_while_it_wrote_goes_after_a_while(tmp_path, monkeypatch):
    record = Record(tmp_path / "record")
    record.folder.mkdir()
    (record.folder / "x.new").write_text("{")
    assert record.entries() == [] and (record.folder / "x.new").exists()
    monkeypatch.setattr(module, "LAG", -1)
    assert record.entries() == [] and not (record.folder / "x.new").exists()


def killed_at(event: str, record) -> None:
    """A kernel that is killed when botocore comes to this event of CreateSecret."""
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


def test_killed_between_the_record_and_the_creation(accounts, record):
    killed_at("before-send", record)
    resources = new(record)
    (name,) = resources.leftovers()
    assert resources.clean_up().left == [name] and record.exists()  # it may be there in a minute
    age(record)
    removal = resources.clean_up()
    assert removal.left == [] and "✓ it is not there" in repr(removal) and not record.exists()


def test_killed_between_the_creation_and_the_answer(accounts, record):
    killed_at("response-received", record)
    assert new(record).leftovers() == new(record).clean_up().removed != []
    assert names() == set() and not record.exists()


def test_created_late_after_the_kernel_was_killed(between, record):
    """The request was on its way: at first AWS knows no such secret, and then it does."""
    resources = new(record)
    name = resources.create_secret()
    between.rules["DescribeSecret"] = lambda _: ("ResourceNotFoundException", 400)
    assert resources.clean_up().left == [name] and record.exists()
    between.rules.clear()
    assert resources.clean_up().removed == [name] and names() == set()


def test_a_refusal_leaves_no_entry_and_a_sentence(accounts, record):
    accounts.ask("add_fault", service="aws", operation="CreateSecret", error="AccessDeniedException")
    with pytest.raises(CloudError, match="was not created: this identity lacks the permission"):
        new(record).create_secret()
    assert not record.exists()


@pytest.mark.parametrize("error", ["InternalServiceError", "CONNECTION_LOST"])
def test_an_answer_that_is_none_leaves_the_entry(accounts, record, error):
    accounts.ask("add_fault", service="aws", operation="CreateSecret", error=error)
    with pytest.raises(CloudError, match="is not known.*stays in the record"):
        new(record).create_secret()
    accounts.ask("clear_faults")
    assert record.exists()
    new(record).clean_up()
    age(record)
    new(record).clean_up()
    assert names() == set() and not record.exists()


def test_refused_after_a_first_attempt_that_got_through(between, record):
    """The first attempt creates it and its answer is lost; the second is throttled: the entry has to stay."""
    attempts = []

    def create_and_lose(request):
        attempts.append(request)
        if len(attempts) > 1:
            return "AccessDeniedException", 400
        boto3.client("secretsmanager", endpoint_url=between.behind).create_secret(**request)
        return "InternalServiceError", 500

    between.rules["CreateSecret"] = create_and_lose
    with pytest.raises(CloudError, match="is not known"):
        new(record).create_secret()
    assert len(names()) == 1 and new(record).clean_up().removed and names() == set()


def test_a_listing_that_lags_hides_nothing_of_ours(between, record):
    """As AWS says: it "might not reflect changes from the last five minutes"."""
    between.rules["ListSecrets"] = lambda _: {"SecretList": []}
    resources = new(record)
    name = resources.create_secret()
    assert resources.leftovers() == [name] == resources.clean_up().removed
    between.rules.clear()
    assert names() == set()


def test_a_listing_that_still_shows_what_is_gone_deletes_nothing_twice(between, record):
    resources = new(record)
    name = resources.create_secret()
    old = boto3.client("secretsmanager", endpoint_url=between.behind).list_secrets()["SecretList"]
    shown = [{"Name": one["Name"], "ARN": one["ARN"], "Tags": one["Tags"]} for one in old]
    between.rules["ListSecrets"] = lambda _: {"SecretList": shown}
    assert resources.clean_up().removed == [name]
    assert resources.leftovers() == [] == resources.clean_up().removed


def test_what_cannot_be_confirmed_is_said_with_its_name_and_stays_in_the_record(between, record):
    resources = new(record, confirmation=0.2)
    name = resources.create_secret()
    still = boto3.client("secretsmanager").describe_secret(SecretId=name)
    still = {key: still[key] for key in ("ARN", "Name", "Tags")}
    between.rules["DescribeSecret"] = lambda _: still
    removal = resources.clean_up()
    assert removal.left == [name] and removal.removed == []
    assert f"describe-secret --secret-id {name} --region us-west-2" in repr(removal)
    assert entry_of(record, name)
    between.rules.clear()
    age(record)
    assert resources.clean_up().left == [] and not record.exists()


def test_a_deletion_that_takes_its_time_is_waited_for(between, record):
    resources = new(record, confirmation=5)
    name = resources.create_secret()
    still = boto3.client("secretsmanager").describe_secret(SecretId=name)
    still = {key: still[key] for key in ("ARN", "Name", "Tags")}
    shown = []
    between.rules["DescribeSecret"] = lambda _: shown.append(1) or (still if len(shown) < 4 else None)
    assert resources.clean_up().removed == [name] and len(shown) == 4


def test_one_of_three_that_may_not_be_deleted_stays_and_the_others_go(between, record):
    resources = new(record)
    three = [resources.create_secret() for _ in range(3)]
    kept = three[1]
    between.rules["DeleteSecret"] = lambda request: (
        ("AccessDeniedException", 400) if kept in request["SecretId"] else None
    )
    removal = resources.clean_up()
    assert set(removal.removed) == set(three) - {kept} and removal.left == [kept]
    assert "this identity lacks the permission: give it the policy" in repr(removal)
    assert names() == {kept} and resources.leftovers() == [kept]
    between.rules.clear()
    assert resources.clean_up().removed == [kept] and names() == set()


def test_it_is_deleted_by_its_arn(between, record):
    """A secret that somebody creates anew under the name, between the question and the deletion, has another ARN."""
    asked = []
    between.rules["DeleteSecret"] = lambda request: asked.append(request["SecretId"])
    new(record).create_secret()
    new(record).clean_up()
    assert asked[0].startswith("arn:")


def test_listing_that_is_refused_hinders_no_clean_up(accounts, record):
    resources = new(record)
    name = resources.create_secret()
    accounts.ask("add_fault", service="aws", operation="ListSecrets", error="AccessDeniedException")
    with pytest.raises(CloudError, match="can't be listed: this identity lacks the permission"):
        resources.others()
    assert resources.clean_up().removed == [name]


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
    client = CacheClient(
        Configurations.Laptop.v1(),
        cloud.credentials_from(accounts.api_key),
        timedelta(minutes=1),
    )
    with client:
        left = {one.name for one in client.list_caches().caches}
    assert "tutorial-go-live" in left and cache not in left


def test_a_cache_without_a_key_to_delete_it_stays_in_the_record(accounts, record, monkeypatch):
    resources = new(record)
    secret = resources.create_secret()
    clients = clients_of(connect(), secret)
    cache = resources.create_cache(clients)
    clients.close()
    boto3.client("secretsmanager").delete_secret(SecretId=secret, ForceDeleteWithoutRecovery=True)
    key = accounts.api_key
    monkeypatch.delenv("MOMENTO_API_KEY")
    removal = resources.clean_up()
    assert cache in removal.left and "MOMENTO_API_KEY" in repr(removal)
    monkeypatch.setenv("MOMENTO_API_KEY", key)
    assert resources.clean_up().removed == [cache]


@pytest.mark.parametrize(
    "error, said, kept",
    [
        ("PERMISSION_DENIED", "was not created: the API key lacks the permission", False),
        ("DEADLINE_EXCEEDED", "is not known", True),
    ],
)
def test_a_cache_that_is_not_created(accounts, record, error, said, kept):
    resources = new(record)
    clients = clients_of(connect(), resources.create_secret())
    accounts.ask("add_fault", service="momento", operation="CreateCache", error=error)
    with pytest.raises(CloudError, match=said):
        resources.create_cache(clients)
    clients.close()
    assert any(entry.kind == "cache" for entry in Record(record).entries()) is kept
    accounts.ask("clear_faults")
    age(record)
    assert new(record).clean_up().left == [] and not record.exists()


def test_what_an_ended_sandbox_held_is_forgotten_and_a_living_one_s_is_not(record, monkeypatch):
    first = connect()
    Resources(first, True, record).create_secret()
    first.close()
    other = Sandbox().wait_until_ready()
    living = Record(record).add(
        "secret",
        "tutorial/go-live-living",
        {"account": "123456789012", "region": "us-west-2", "endpoint": f"sandbox {other.aws}"},
    )
    second = connect()
    try:
        removal = Resources(second, True, record).clean_up()
        assert [entry.name for entry in Record(record).entries()] == [living.name]
        assert removal.removed == removal.left == []
        other.close()
        Resources(second, True, record).clean_up()
        assert not record.exists()
    finally:
        second.close()


def test_nothing_that_is_shown_or_written_holds_the_key(accounts, record, capsys):
    resources = new(record)
    name = resources.create_secret()
    written = "".join(path.read_text() for path in record.iterdir())
    shown = f"{resources!r} {resources.clean_up()!r} {name} {capsys.readouterr()} {written}"
    assert accounts.api_key not in shown


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

    if without == "secretsmanager:TagResource":
        assert refused(record) == set()  # MiniStack doesn't ask for it: see docs/stand-ins.md
    elif without != "nothing":
        assert without in refused(record)
    if without == "nothing":
        assert refused(record) == set() and not record.exists()


def refused(record) -> set[str]:
    """Which actions live mode misses, by trying what it does with each."""
    client, found = boto3.client("secretsmanager"), set()
    resources = new(record, confirmation=0)
    try:
        name = resources.create_secret()
    except CloudError:
        return {"secretsmanager:CreateSecret", "secretsmanager:TagResource"}
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
