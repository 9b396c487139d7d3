"""Live mode, driven against an AWS endpoint on this machine: nothing without a yes, a sentence for each lack, no leftovers."""

from __future__ import annotations

import os
import re
from pathlib import Path

import boto3
import nbformat
import pytest
from botocore.exceptions import ClientError
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers import cloud as cloud_module
from helpers.cloud import CloudError, connect
from helpers.live import CURES, Resources, check_live, cost_table, cure
from helpers.sandbox import Sandbox

NOTEBOOK = Path(__file__).resolve().parent.parent / "notebooks" / "09_go_live.ipynb"


@pytest.fixture
def accounts(monkeypatch):
    """Live mode, with a sandbox in the place of both clouds."""
    sandbox = Sandbox().wait_until_ready()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "TUTORIAL_CLOUD": "live",
        "TUTORIAL_MOMENTO_ADDRESS": sandbox.momento,
        "MOMENTO_API_KEY": sandbox.api_key,
        "MOMENTO_ENDPOINT": sandbox.momento_endpoint,
        "AWS_ENDPOINT_URL": sandbox.aws,
        "AWS_DEFAULT_REGION": "us-west-2",
        "AWS_ACCESS_KEY_ID": sandbox.aws_access_key,
        "AWS_SECRET_ACCESS_KEY": sandbox.aws_access_key,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    yield sandbox
    if cloud_module._current:
        cloud_module._current.close()
    sandbox.close()


def missing(cloud) -> str:
    table = check_live(cloud, 60)
    return " ".join(fix for _, found, fix in table.rows if found != "✓")


def test_all_is_there(accounts):
    assert check_live(connect(), 60).caption == "Ready"
    assert "plan fewer calls" in repr(check_live(connect(), 20_000))


def test_nothing_is_created_without_a_yes(accounts, tmp_path):
    for no in (False, None, "yes", 1):
        with pytest.raises(CloudError, match="Nothing was created.*set go_ahead = True"):
            Resources(connect(), no, tmp_path / "record.json")
    assert "aws.CreateSecret" not in accounts.ask("seen")


def test_no_credentials(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "there are no AWS credentials: run `aws configure`" in missing(cloud)


def test_expired_credentials(accounts):
    cloud = connect()
    accounts.ask("add_fault", service="aws", error="ExpiredTokenException")
    assert "have expired: log in again" in missing(cloud)


def test_no_permission(accounts):
    cloud = connect()
    accounts.ask(
        "add_fault", service="aws", operation="DescribeSecret", error="AccessDeniedException"
    )
    assert "give it the policy of notebook 02" in missing(cloud)


def test_a_wrong_region(accounts, monkeypatch):
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-wset-2")
    assert "us-wset-2 is no region of Secrets Manager" in missing(connect())


def test_no_network(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("TUTORIAL_MOMENTO_ADDRESS", "127.0.0.1:9")
    said = missing(cloud)
    assert "AWS can't be reached" in said and "nothing answers at Momento's endpoint" in said


def test_a_key_that_is_none_and_one_of_another_endpoint(accounts, monkeypatch):
    cloud = connect()
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.api_key[:50])
    assert "only a part of one" in missing(cloud)
    monkeypatch.setenv("MOMENTO_API_KEY", accounts.ask("issue", kind="v1"))
    monkeypatch.setattr(cloud, "momento_endpoint", "cell-9.momentohq.com")
    assert "belongs to another endpoint" in missing(cloud)


def test_every_cure_is_one_sentence_and_an_unknown_error_is_named():
    assert all(": " in text and not text.endswith(".") for text in CURES.values())
    assert cure(ZeroDivisionError("x")).startswith("ZeroDivisionError")


def test_leftovers_are_found_by_the_file_and_by_the_tag_and_only_ours(accounts, tmp_path):
    cloud, record = connect(), tmp_path / "record.json"
    client = boto3.client("secretsmanager")
    client.create_secret(Name="tutorial/theirs", SecretString="x")
    client.create_secret(
        Name="tutorial/tagged-by-them",
        SecretString="x",
        Tags=[{"Key": "created-by", "Value": "me"}],
    )
    name = Resources(cloud, True, record).create_secret()
    again = Resources(cloud, True, record)
    assert again.leftovers() == [name]
    record.unlink()
    assert again.leftovers() == again.clean_up() == [name]
    assert again.leftovers() == [] and not record.exists()
    names = {secret["Name"] for secret in client.list_secrets()["SecretList"]}
    assert names == {"tutorial/theirs", "tutorial/tagged-by-them"}


def test_it_is_written_down_before_it_is_created(accounts, tmp_path):
    cloud, record = connect(), tmp_path / "record.json"
    resources = Resources(cloud, True, record)
    accounts.ask(
        "add_fault", service="aws", operation="CreateSecret", error="AccessDeniedException"
    )
    with pytest.raises(ClientError):
        resources.create_secret()
    assert "go-live" in record.read_text()
    accounts.ask("clear_faults")
    assert resources.leftovers() == [] and resources.clean_up() == []
    assert not record.exists()


def test_another_region_keeps_its_entry(accounts, tmp_path, monkeypatch):
    record = tmp_path / "record.json"
    here = Resources(connect(), True, record)
    here.create_secret()
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    boto3.DEFAULT_SESSION = None
    there = Resources(connect(), True, record)
    assert there.leftovers() == [] and there.clean_up() == []
    assert record.exists() and len(here.leftovers()) == 1
    here.clean_up()
    assert not record.exists()


def test_the_cost_is_worked_out():
    assert re.search(r"60 calls \| \$0\.000300", repr(cost_table(60)))


def test_the_whole_notebook_runs_live_after_a_yes_and_leaves_nothing(accounts, tmp_path):
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    settings = {"metadata": {"path": str(tmp_path)}}
    with pytest.raises(CellExecutionError, match="Nothing was created"):
        NotebookClient(notebook, timeout=60, resources=settings).execute()
    assert "aws.CreateSecret" not in accounts.ask("seen")
    for cell in notebook.cells:
        if cell.source.startswith("go_ahead ="):
            cell.source = "go_ahead = True"
    NotebookClient(notebook, timeout=60, resources=settings).execute()
    shown = str(notebook)
    assert "Live. This uses your AWS account" in shown and "1 removed, 0 left" in shown
    assert accounts.api_key not in shown
    assert accounts.ask("seen")["aws.DeleteSecret"] == 1
    assert accounts.ask("seen")["momento.DeleteCache"] == 1
    assert not list(tmp_path.iterdir())
