"""deploy/: the zips load, the templates are valid and agree, and their permissions are enough and not too much."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import boto3
import hcl2
import pytest
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from names import SECRET_NAME

from helpers.cloud import connect
from sandbox.ministack import FOLDER
from sandbox.processes import Sandbox

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, TERRAFORM = ROOT / "deploy" / "cloudformation.yaml", ROOT / "deploy" / "main.tf"

sys.path.insert(0, str(ROOT / "deploy"))
import make_zips  # noqa: E402


class Short(yaml.SafeLoader):
    """Reads CloudFormation's short forms, `!Ref X` and the like, as the names that they refer to."""


Short.add_multi_constructor(
    "!",
    lambda loader, tag, node: (
        node.value if isinstance(node, yaml.ScalarNode) else [loader.construct_object(it) for it in node.value]
    ),
)


@pytest.fixture(scope="module")
def template() -> dict:
    return yaml.load(TEMPLATE.read_text(), Short)


@pytest.fixture(scope="module")
def terraform() -> dict:
    """Resources by kind and name."""
    found: dict = {}
    with TERRAFORM.open() as file:
        for block in hcl2.load(file)["resource"]:
            for kind, named in block.items():
                for name, content in named.items():
                    found.setdefault(kind.strip('"'), {})[name.strip('"')] = content
    return found


def kinds(template: dict) -> list[str]:
    return [it["Type"] for it in template["Resources"].values()]


def statements(template: dict, role: str) -> list[dict]:
    (policy,) = template["Resources"][role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def actions(statement: dict) -> list[str]:
    its = statement["Action"]
    return its if isinstance(its, list) else [its]


# ---- the zips ----


@pytest.fixture(scope="module")
def for_lambda(tmp_path_factory) -> list[Path]:
    return make_zips.make(tmp_path_factory.mktemp("lambda") / "zips")


def test_the_zips_are_for_lambda_s_platform_and_within_its_limits(for_lambda):
    assert [path.name for path in for_lambda] == ["service.zip", "rotation.zip"]
    for path, handler in zip(for_lambda, make_zips.FUNCTIONS.values(), strict=True):
        zipped, unzipped = make_zips.sizes(path)
        assert zipped < 50 and unzipped < 250
        names = zipfile.ZipFile(path).namelist()
        assert handler in names and "momento_token/token_source.py" in names
        libraries = [name for name in names if name.endswith(".so")]
        assert libraries and all("x86_64" in it or "abi3" in it for it in libraries), libraries
        assert not [name for name in names if "cpython-" in name and "cpython-313" not in name]
        # what Lambda brings, what isn't the pattern, and what should never be in a package
        unwanted = r"boto|moto/|helpers/|momento_token/(?!\w+\.py$|LICENSE$|py\.typed$)|\.env|__pycache__|\.lock"
        assert not [name for name in names if re.match(unwanted, name)]


@pytest.mark.again
def test_the_same_code_gives_the_same_zip(for_lambda, tmp_path):
    again = make_zips.make(tmp_path / "zips")
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in for_lambda]


def test_the_handlers_load_from_the_unpacked_zip_and_nothing_else(cloud, tmp_path, monkeypatch):
    """With wheels for this Python; boto3 is this environment's, as it is Lambda's there."""
    # To compress takes longest, and the other zips are.
    stored = SimpleNamespace(**{**vars(zipfile), "ZIP_DEFLATED": zipfile.ZIP_STORED})
    monkeypatch.setattr(make_zips, "zipfile", stored)
    for path in make_zips.make(tmp_path / "zips", platform=()):
        task = tmp_path / path.stem
        zipfile.ZipFile(path).extractall(task)
        module = Path(make_zips.FUNCTIONS[path.stem]).stem
        code = (
            f"import {module}, momento, grpc, jwt, momento_token.tokens as ours\n"
            f"assert callable({module}.handler)\n"
            f"for it in ({module}, momento, grpc, jwt, ours): print(it.__file__)\n"
        )
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],
            env={
                **os.environ,
                "PYTHONPATH": str(task),
                "SECRET_NAME": SECRET_NAME,
                "CACHE_NAME": "tutorial",
            },
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        assert all(line.startswith(str(task)) for line in done.stdout.splitlines())


# ---- the templates ----


def test_cfn_lint_finds_nothing():
    done = subprocess.run([Path(sys.executable).with_name("cfn-lint"), str(TEMPLATE)], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")


def test_no_template_asks_for_a_token():
    """It would stand in the parameters, or in the state, for all who may read those."""
    for path in (TEMPLATE, TERRAFORM):
        text = path.read_text()
        assert "SecretString" not in text and "secret_version" not in text


def test_both_templates_give_the_same_permissions(template, terraform):
    for role, policy in (
        ("ServiceRole", "read_momento_token"),
        ("RotationRole", "rotate_momento_token"),
    ):
        said = json.dumps(terraform["aws_iam_role_policy"][policy])
        in_terraform = re.findall(r"secretsmanager:\w+", said)
        in_template = [it for one in statements(template, role) for it in actions(one)]
        assert in_terraform == in_template


def test_both_templates_have_the_same_functions_rules_and_schedule(template, terraform):
    resources, functions = template["Resources"], terraform["aws_lambda_function"]
    for name, ours in (("ServiceFunction", "service"), ("RotationFunction", "rotation")):
        properties, other = resources[name]["Properties"], functions[ours]
        assert properties["Handler"] == other["handler"].strip('"')
        assert properties["Runtime"] == other["runtime"].strip('"') == "python3.13"
        assert (properties["Timeout"], properties["MemorySize"]) == (
            other["timeout"],
            other["memory_size"],
        )
        said = json.dumps(other["environment"])
        assert all(variable in said for variable in properties["Environment"]["Variables"])
    for name, ours in (("RotationFailed", "rotation_failed"), ("Denied", "denied")):
        rule = terraform["aws_cloudwatch_event_rule"][ours]
        assert rule["state"].strip('"') == resources[name]["Properties"]["State"]
        pattern = resources[name]["Properties"]["EventPattern"]
        detail = pattern["detail"]
        for word in (*pattern["detail-type"], *detail.get("eventName", detail.get("errorCode"))):
            assert word in rule["event_pattern"]
    permission = resources["SecretsManagerMayInvoke"]["Properties"]
    other = terraform["aws_lambda_permission"]["secrets_manager_may_invoke"]
    assert permission["Principal"] == other["principal"].strip('"')
    assert permission["SourceAccount"] and other["source_account"]
    schedule = terraform["aws_secretsmanager_secret_rotation"]["schedule"]
    assert schedule["rotate_immediately"] is False
    assert resources["Schedule"]["Properties"]["RotateImmediatelyOnUpdate"] is False


def test_the_functions_get_the_environment_that_they_read(template):
    for name, file in (
        ("ServiceFunction", "lambda_handler.py"),
        ("RotationFunction", "rotation_function.py"),
    ):
        source = (ROOT / "notebooks" / file).read_text()
        given = template["Resources"][name]["Properties"]["Environment"]["Variables"]
        needed = set(re.findall(r'os\.environ\["(\w+)"\]', source))
        assert needed == set(given)


# ---- as far as stand-ins go ----


@pytest.fixture(scope="module")
def policies():
    """MiniStack, which decides by policies, behind a sandbox."""
    before = dict(os.environ)
    other = Sandbox("--aws-engine", "ministack", "--aws-access-key", "sandbox").wait_until_ready()
    os.environ["AWS_ENDPOINT_URL"] = other.aws
    cloud = connect()
    yield cloud
    cloud.close()
    other.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def ministack(policies):
    """It with the notebooks' secret, as new, and a next key."""
    sm = boto3.client("secretsmanager")
    for secret in sm.list_secrets()["SecretList"]:
        sm.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    policies.ensure_secret(SECRET_NAME)
    sm.create_secret(Name="next", SecretString=policies.issue_api_key())
    return policies


def key_with(template: dict, role: str, drop: str = "") -> dict[str, str]:
    """Credentials of a new identity that may do what the template allows this role, but for one action."""
    iam, sm = boto3.client("iam"), boto3.client("secretsmanager")
    arns = {
        "MomentoApiKey": sm.describe_secret(SecretId=SECRET_NAME)["ARN"],
        "NextMomentoApiKey": sm.describe_secret(SecretId="next")["ARN"],
    }
    allowed = [
        {**it, "Resource": arns[it["Resource"]], "Action": [a for a in actions(it) if a != drop]}
        for it in statements(template, role)
    ]
    user = f"function-{uuid4()}"
    iam.create_user(UserName=user)
    document = {"Version": "2012-10-17", "Statement": [it for it in allowed if it["Action"]]}
    iam.put_user_policy(UserName=user, PolicyName="its", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {
        "AWS_ACCESS_KEY_ID": key["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"],
    }


def rotate(cloud, credentials: dict[str, str]) -> list[tuple[str, str]]:
    function = cloud.deploy_function(
        str(ROOT / "notebooks" / "rotation_function.py"),
        NEXT_KEY_SECRET="next",
        CACHE_NAME="tutorial",
        **credentials,
    )
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    boto3.client("secretsmanager").rotate_secret(
        SecretId=SECRET_NAME,
        RotationLambdaARN=function,
        RotationRules={"AutomaticallyAfterDays": 30},
    )
    return cloud.rotation_log(function)


def test_the_rotation_s_permissions_are_enough(ministack, template):
    assert rotate(ministack, key_with(template, "RotationRole"))[-1][0] == "RotationSucceeded"


@pytest.mark.parametrize("action", ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"])
def test_the_rotation_needs_each_of_its_permissions(ministack, template, action):
    log = rotate(ministack, key_with(template, "RotationRole", drop=f"secretsmanager:{action}"))
    assert log[-1][0] == "RotationFailed" and "AccessDeniedException" in log[-2][1]


def test_the_service_s_permission_is_enough(ministack, template):
    ministack.deploy_function(
        str(ROOT / "notebooks" / "lambda_handler.py"),
        SECRET_NAME=SECRET_NAME,
        CACHE_NAME="tutorial",
        **key_with(template, "ServiceRole"),
    )
    answer = boto3.client("lambda").invoke(FunctionName="lambda_handler", Payload='{"user": "a"}')
    assert json.load(answer["Payload"]) == {"visits": 1}


MINISTACK = """
import os, runpy, sys, threading

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"""


@pytest.fixture
def cloudformation(environment):
    """MiniStack as its own process, with all that the stack needs. It ends when its standard input does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", MINISTACK],
        env={
            **os.environ,
            "PYTHONPATH": str(FOLDER),
            "BIND_HOST": "127.0.0.1",
            "GATEWAY_PORT": str(port),
            "SERVICES": "cloudformation,iam,sts,secretsmanager,lambda,events,sns,s3,logs",
            "PERSIST_STATE": "0",
            "DOCKER_HOST": "unix:///nowhere",  # at its start it tidies up containers, and they aren't ours
        },
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    session = boto3.Session("test", "test", region_name="us-west-2")

    def client(name: str):
        return session.client(name, endpoint_url=f"http://127.0.0.1:{port}")

    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        try:
            client("sts").get_caller_identity()
            break
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    yield client
    process.communicate(timeout=20)


def test_the_stack_is_created_in_ministack_but_for_the_schedule(cloudformation, for_lambda, template):
    s3, stacks = cloudformation("s3"), cloudformation("cloudformation")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for path in for_lambda:
        s3.upload_file(str(path), "code", f"1/{path.name}")
    parameters = {
        "CodeBucket": "code",
        "CodeFolder": "1",
        "MomentoEndpoint": "cell-1.example.com",
        "CacheName": "tutorial",
        "AlarmEmail": "me@example.com",
    }
    stacks.create_stack(
        StackName="momento",
        TemplateBody=TEMPLATE.read_text(),
        Capabilities=["CAPABILITY_IAM"],
        Parameters=[{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="momento", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    made = stacks.describe_stack_resources(StackName="momento")["StackResources"]
    expected = sorted(kinds(template))
    expected.remove("AWS::SecretsManager::RotationSchedule")  # Rotate is "no", its default
    assert sorted(it["ResourceType"] for it in made) == expected
    sm = cloudformation("secretsmanager")
    for name in ("momento-api-key", "next-momento-api-key"):
        assert not sm.get_secret_value(SecretId=name).get("SecretString")  # AWS gives an error here
    policy = cloudformation("lambda").get_policy(
        FunctionName=next(it["PhysicalResourceId"] for it in made if it["LogicalResourceId"] == "RotationFunction")
    )["Policy"]
    assert "secretsmanager.amazonaws.com" in policy and "SourceAccount" in policy
