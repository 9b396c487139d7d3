"""The local AWS that decides by policies: what the notebook about permissions builds on, and who may use it."""

from __future__ import annotations

import json
import subprocess
import sys
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import botocore
import pytest
import urllib3
from botocore.config import Config
from botocore.exceptions import ClientError
from names import SECRET_NAME

from exercises import check_policy

NO_RETRY = Config(retries={"total_max_attempts": 1})
UNKNOWN, DENIED = "UnrecognizedClientException", "AccessDeniedException"


@pytest.fixture
def iam(iam_cloud):
    return boto3.client("iam")


def statement(resource: str) -> str:
    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": resource}
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def user(iam, resource: str | None = None) -> tuple[str, boto3.Session]:
    """Create a user with an access key, who may read `resource`."""
    name = f"user-{uuid4().hex}"
    iam.create_user(UserName=name)
    if resource:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=statement(resource))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return name, boto3.Session(key["AccessKeyId"], key["SecretAccessKey"])


def code_of(session: boto3.Session) -> str:
    try:
        session.client("secretsmanager", config=NO_RETRY).get_secret_value(SecretId=SECRET_NAME)
        return "allowed"
    except ClientError as error:
        return error.response["Error"]["Code"]


def test_policies_decide(iam):
    arn = boto3.client("secretsmanager").describe_secret(SecretId=SECRET_NAME)["ARN"]
    wanted = {None: DENIED, arn: "allowed", arn[:-6] + "??????": "allowed", arn[:-6] + "?????": DENIED}
    assert {resource: code_of(user(iam, resource)[1]) for resource in wanted} == wanted


def test_a_user_s_signature_is_verified_and_a_key_stops_working_when_it_is_deleted(iam):
    name, session = user(iam, "*")
    key = session.get_credentials().access_key
    assert code_of(boto3.Session(key, "wrong")) == "InvalidSignatureException"
    assert code_of(session) == "allowed"
    iam.delete_access_key(UserName=name, AccessKeyId=key)
    assert code_of(session) == UNKNOWN


def test_an_assumed_role_reads_until_its_policy_is_deleted(iam):
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    document, name = json.dumps({"Version": "2012-10-17", "Statement": [trust]}), f"role-{uuid4().hex}"
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=statement("*"))
    key = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    session = boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], key["SessionToken"])
    assert code_of(session) == "allowed"
    iam.delete_role_policy(RoleName=name, PolicyName="p")
    assert code_of(session) == DENIED
    iam.delete_role(RoleName=name)
    assert code_of(session) != "allowed"


@pytest.mark.parametrize("key", ["test", "000000000000", "sandbox", "AKIAIOSFODNN7EXAMPLE", "of another sandbox"])
def test_a_key_that_was_not_made_here_is_denied_and_not_counted(iam_cloud, sandbox, key):
    key = sandbox.aws_access_key if key == "of another sandbox" else key
    before, session = iam_cloud.calls_seen(), boto3.Session(key, key)
    assert code_of(session) == UNKNOWN
    with pytest.raises(ClientError, match="is invalid"):
        session.client("iam", config=NO_RETRY).create_user(UserName="x")
    assert iam_cloud.calls_seen() == before


JSON = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
READ = json.dumps({"SecretId": SECRET_NAME})


@pytest.mark.parametrize(
    ("method", "path", "headers", "body"),
    [
        ("POST", "/", JSON, READ),
        ("POST", "/", {**JSON, "authorization": "AWS4-HMAC-SHA256 Credential=test/x"}, READ),
        (
            "POST",
            "/",
            {"origin": "https://example.com", "content-type": "text/plain"},
            READ,
        ),  # a web page's simple POST
        (
            "POST",
            "/",
            {"origin": "https://example.com", **FORM},
            "Action=CreateAccessKey&UserName=x&Version=2010-05-08",
        ),
        ("OPTIONS", "/", {"origin": "https://example.com", "access-control-request-method": "POST"}, ""),
        ("POST", "/_ministack/reset", {}, ""),
        ("GET", "/_ministack/health", {}, ""),
        ("GET", "/_localstack/health", {}, ""),
        ("GET", "/health", {}, ""),
        ("GET", "a presigned URL", {}, ""),
    ],
)
def test_a_request_without_a_signature_of_its_key_is_denied_and_not_counted(iam_cloud, method, path, headers, body):
    if path == "a presigned URL":
        path = urlsplit(boto3.Session("test", "test").client("sts").generate_presigned_url("get_caller_identity"))
        path = f"/?{path.query}"
    before = iam_cloud.calls_seen()
    response = urllib3.request(method, iam_cloud._sandbox.aws + path, headers=headers, body=body, retries=False)
    assert iam_cloud.calls_seen() == before
    assert response.status == 400 and b"security token included in the request is invalid" in response.data
    assert "access-control-allow-origin" not in response.headers


def test_the_exercise_leaves_nothing_behind(iam_cloud, iam):
    sm = boto3.client("secretsmanager")
    before = [iam.list_users()["Users"], [one["Name"] for one in sm.list_secrets()["SecretList"]]]
    for answer in ("{}", json.dumps({"Version": "2012-10-17", "Statement": []}), "no JSON"):
        check_policy(iam_cloud, answer, SECRET_NAME)
    assert [iam.list_users()["Users"], [one["Name"] for one in sm.list_secrets()["SecretList"]]] == before


def test_without_it_a_sentence_says_what_to_install(tmp_path):
    code = (
        f"import sys; sys.prefix = {str(tmp_path)!r}; sys.argv[1:] = ['--aws-engine', 'ministack']; "
        "from sandbox.__main__ import main; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert ended.returncode and "MiniStack, which emulates IAM, is not installed" in ended.stderr
    assert f"-m pip install --upgrade --no-deps --require-hashes --target {tmp_path}" in ended.stderr
    assert "Traceback" not in ended.stderr


ITS_OWN = """
import sys
from sandbox.commands import StandIns
StandIns("key", "ministack")
print(sys.modules["botocore"].__file__, {"boto3", "moto"} & set(sys.modules))
"""


def test_it_runs_on_the_environments_botocore_in_a_process_without_boto3_and_moto():
    done = subprocess.run([sys.executable, "-c", ITS_OWN], capture_output=True, text=True)
    assert done.stdout == f"{botocore.__file__} set()\n", done.stderr
