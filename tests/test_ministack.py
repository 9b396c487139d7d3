"""The local AWS that decides by policies: what notebook 06 builds on, and what it must not do to this machine."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from environment_file import pins
from names import SECRET_NAME
from packaging.requirements import Requirement

from exercises import check_policy
from helpers.cloud import CloudError, connect
from sandbox.ministack import FOLDER, LOCK

NO_RETRY = Config(retries={"total_max_attempts": 1})


@pytest.fixture(scope="module")
def cloud_with_iam():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PERSIST_STATE", "1")  # a learner's own setting for a MiniStack of theirs
        connected = connect(aws_engine="ministack")
        connected.ensure_secret(SECRET_NAME)
        yield connected
        connected.close()


@pytest.fixture
def iam(cloud_with_iam, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", cloud_with_iam._sandbox.aws)
    monkeypatch.setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", cloud_with_iam._sandbox.aws)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, cloud_with_iam._sandbox.aws_access_key)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-west-2")
    boto3.DEFAULT_SESSION = None
    return boto3.client("iam")


def identity(iam, name: str, resource: str | None = None) -> boto3.Session:
    iam.create_user(UserName=name)
    if resource:
        allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": resource}
        document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_user_policy(UserName=name, PolicyName="test", PolicyDocument=document)
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])


def code_of(session: boto3.Session) -> str:
    try:
        session.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_policies_decide(iam):
    arn = boto3.client("secretsmanager").describe_secret(SecretId=SECRET_NAME)["ARN"]
    assert code_of(identity(iam, "nobody")) == "AccessDeniedException"
    assert code_of(identity(iam, "six", arn[:-6] + "??????")) == "allowed"
    assert code_of(identity(iam, "five", arn[:-6] + "?????")) == "AccessDeniedException"


def test_signatures_are_verified(iam):
    credentials = identity(iam, "somebody", "*").get_credentials()
    assert code_of(boto3.Session(credentials.access_key, "wrong")) == "InvalidSignatureException"
    assert code_of(boto3.Session("AKIAIOSFODNN7EXAMPLE", "x")) == "UnrecognizedClientException"


def test_it_listens_on_the_loopback_and_nowhere_else(cloud_with_iam):
    child = psutil.Process(cloud_with_iam._sandbox.pid)
    listening = [c.laddr for c in child.net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 2
    assert {address.ip.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}


def test_faults_and_counts_are_the_same_as_with_moto(iam, cloud_with_iam):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    before = cloud_with_iam.calls_seen().get("aws.GetRandomPassword", 0)
    cloud_with_iam.add_fault("aws", "GetRandomPassword", error="ThrottlingException", message="Rate exceeded", times=1)
    with pytest.raises(ClientError) as caught:
        client.get_random_password()
    assert caught.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate exceeded",
    }
    assert client.get_random_password()["RandomPassword"]
    assert cloud_with_iam.calls_seen()["aws.GetRandomPassword"] == before + 2


def test_the_exercise_leaves_nothing_behind(cloud_with_iam, iam):
    before = [user["UserName"] for user in iam.list_users()["Users"]]
    check_policy(cloud_with_iam, "{}", SECRET_NAME)
    check_policy(cloud_with_iam, json.dumps({"Version": "2012-10-17", "Statement": []}), SECRET_NAME)
    check_policy(cloud_with_iam, "no JSON", SECRET_NAME)
    assert [user["UserName"] for user in iam.list_users()["Users"]] == before
    names = [one["Name"] for one in boto3.client("secretsmanager").list_secrets()["SecretList"]]
    assert names == [SECRET_NAME]


def test_it_is_refused_live(monkeypatch):
    monkeypatch.setenv("TUTORIAL_CLOUD", "live")
    with pytest.raises(CloudError, match="runs in the sandbox only"):
        connect(aws_engine="ministack")


@pytest.mark.parametrize("interrupted", [False, True])
def test_without_it_a_sentence_says_what_to_install(tmp_path, interrupted):
    if interrupted:  # what it needs is missing
        shutil.copytree(FOLDER / "ministack", tmp_path / "ministack" / "ministack")
    code = (
        f"import sys; sys.prefix = {str(tmp_path)!r}; "
        "sys.argv[1:] = ['--aws-engine', 'ministack']; "
        "from sandbox.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.returncode and "MiniStack, which plays IAM, is not installed" in ended.stderr
    assert f"-m pip install --upgrade --no-deps --require-hashes --target {tmp_path}" in ended.stderr
    assert "Traceback" not in ended.stderr


ITS_OWN = """
import sys
import sandbox.__main__
from sandbox.faults import Faults
from sandbox.ministack import FOLDER, MiniStackServer
MiniStackServer(Faults(), "key")
import botocore, yaml
strangers = {"boto3", "moto"} & set(sys.modules)
assert not strangers, strangers
assert all(module.__file__.startswith(str(FOLDER)) for module in (botocore, yaml)), botocore
"""


def test_it_runs_on_the_botocore_that_it_pins_and_the_learner_on_another():
    done = subprocess.run([sys.executable, "-c", ITS_OWN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (pinned,) = [Requirement(pin) for pin in pins(LOCK.read_text()) if pin.startswith("botocore==")]
    assert f"botocore{pinned.specifier}" in (metadata(FOLDER, "ministack").get_all("Requires-Dist"))
    assert not str(boto3.__file__).startswith(str(FOLDER))
    with pytest.raises(PackageNotFoundError):
        version("ministack")


def metadata(folder: Path, name: str):
    (found,) = distributions(name=name, path=[str(folder)])
    return found.metadata
