"""deploy/: the zips hold what the functions import, the templates are valid and agree, and their permissions suffice."""

from __future__ import annotations

import ast
import json
import os
import re
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import hcl2
import pytest
import yaml
from botocore.exceptions import BotoCoreError, ClientError
from fakes import until
from names import SECRET_NAME

from helpers.cloud import Cloud
from sandbox.ministack import FOLDER

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
    return yaml.load(TEMPLATE.read_text(), Short)["Resources"]


def statements(template: dict, role: str) -> list[dict]:
    (policy,) = template[role]["Properties"]["Policies"]
    return policy["PolicyDocument"]["Statement"]


def actions(statement: dict) -> list[str]:
    named = statement["Action"]
    return named if isinstance(named, list) else [named]


@pytest.fixture(scope="module")
def zips(tmp_path_factory) -> list[Path]:
    return make_zips.make(tmp_path_factory.mktemp("lambda") / "zips")


def test_the_zips_are_for_lambda_s_platform_and_hold_all_that_is_imported(zips):
    for path, handler in zip(zips, make_zips.FUNCTIONS.values(), strict=True):
        zipped, unzipped = make_zips.sizes(path)
        assert zipped < 50 and unzipped < 250
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            ours = [name for name in names if name.startswith("momento_token/") and name.endswith(".py")]
            sources = [archive.read(name).decode() for name in (handler, *ours)]
        assert not [name for name in names if "cpython-" in name and "cpython-313" not in name]
        # What Lambda brings, what the function doesn't need, and what should never be in a package.
        unwanted = r"boto|moto/|helpers/|momento_token/(?!\w+\.py$|LICENSE$|py\.typed$)|\.env|__pycache__|\.lock"
        assert not [name for name in names if re.match(unwanted, name)]
        brought = {*sys.stdlib_module_names, "boto3", "botocore", "snapshot_restore_py"}
        there = {re.split(r"[/.]", name)[0] for name in names}
        assert {module for source in sources for module in imported(source)} <= there | brought


def imported(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_packages = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.split(".")[0] for name in (*plain, *from_packages)}


def test_cfn_lint_finds_nothing_and_no_template_takes_a_token(template):
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([cfn_lint, TEMPLATE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    for path in (TEMPLATE, TERRAFORM):  # a token would stand in the parameters, or in the state
        assert "SecretString" not in path.read_text() and "secret_version" not in path.read_text()


def test_both_templates_have_the_same_permissions_functions_and_alarms(template):
    terraform: dict = {}
    with TERRAFORM.open() as file:
        for block in hcl2.load(file)["resource"]:
            for kind, named in block.items():
                terraform.setdefault(kind.strip('"'), {}).update({key.strip('"'): it for key, it in named.items()})
    for role, policy in (("ServiceRole", "read_momento_token"), ("RotationRole", "rotate_momento_token")):
        allowed = re.findall(r"secretsmanager:\w+", json.dumps(terraform["aws_iam_role_policy"][policy]))
        assert allowed == [action for statement in statements(template, role) for action in actions(statement)]
    for resource, name, file in (
        ("ServiceFunction", "service", "lambda_handler.py"),
        ("RotationFunction", "rotation", "rotation_function.py"),
    ):
        properties, other = template[resource]["Properties"], terraform["aws_lambda_function"][name]
        assert properties["Handler"] == other["handler"].strip('"') == f"{Path(file).stem}.handler"
        assert properties["Runtime"] == other["runtime"].strip('"') == "python3.13"
        assert (properties["Timeout"], properties["MemorySize"]) == (other["timeout"], other["memory_size"])
        given = set(properties["Environment"]["Variables"])
        assert given == set(re.findall(r'os\.environ\["(\w+)"\]', (ROOT / "notebooks" / file).read_text()))
        assert all(variable in json.dumps(other["environment"]) for variable in given)
    for resource, name in (("RotationFailed", "rotation_failed"), ("Denied", "denied")):
        pattern = template[resource]["Properties"]["EventPattern"]
        words = pattern["detail"].get("eventName", pattern["detail"].get("errorCode"))
        for word in (*pattern["detail-type"], *words):
            assert word in terraform["aws_cloudwatch_event_rule"][name]["event_pattern"]
    assert terraform["aws_secretsmanager_secret_rotation"]["schedule"]["rotate_immediately"] is False
    assert template["Schedule"]["Properties"]["RotateImmediatelyOnUpdate"] is False


# What the roles may do, with MiniStack, which decides by policies


def as_new(cloud: Cloud) -> None:
    """Leave the notebooks' secret and a next key, nothing else."""
    sm = boto3.client("secretsmanager")
    for secret in sm.list_secrets()["SecretList"]:
        sm.delete_secret(SecretId=secret["ARN"], ForceDeleteWithoutRecovery=True)
    cloud.ensure_secret(SECRET_NAME)
    sm.create_secret(Name="next", SecretString=cloud.issue_api_key())


def credentials(template: dict, role: str, without: str = "") -> dict[str, str]:
    """Return credentials of a new identity that may do what the template allows this role, except one action."""
    iam, sm = boto3.client("iam"), boto3.client("secretsmanager")
    arns = {
        "MomentoApiKey": sm.describe_secret(SecretId=SECRET_NAME)["ARN"],
        "NextMomentoApiKey": sm.describe_secret(SecretId="next")["ARN"],
    }
    allowed = [
        {**it, "Resource": arns[it["Resource"]], "Action": [name for name in actions(it) if name != without]}
        for it in statements(template, role)
    ]
    user = f"function-{uuid4()}"
    iam.create_user(UserName=user)
    document = {"Version": "2012-10-17", "Statement": [it for it in allowed if it["Action"]]}
    iam.put_user_policy(UserName=user, PolicyName="role", PolicyDocument=json.dumps(document))
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}


def rotation(cloud: Cloud, template: dict, without: str = "") -> list[tuple[str, str]]:
    as_new(cloud)
    key, file = credentials(template, "RotationRole", without), str(ROOT / "notebooks" / "rotation_function.py")
    function = cloud.deploy_function(file, NEXT_KEY_SECRET="next", CACHE_NAME="tutorial", **key)
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    boto3.client("secretsmanager").rotate_secret(
        SecretId=SECRET_NAME, RotationLambdaARN=function, RotationRules={"AutomaticallyAfterDays": 30}
    )
    return cloud.rotation_log(function)


def test_the_rotation_s_permissions_are_enough_and_each_is_needed(iam_cloud, template):
    for action in ("DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"):
        log = rotation(iam_cloud, template, without=f"secretsmanager:{action}")
        assert log[-1][0] == "RotationFailed" and "AccessDeniedException" in log[-2][1], action
    assert rotation(iam_cloud, template)[-1][0] == "RotationSucceeded"


def test_the_service_s_permission_is_enough(iam_cloud, template):
    as_new(iam_cloud)
    file, key = str(ROOT / "notebooks" / "lambda_handler.py"), credentials(template, "ServiceRole")
    iam_cloud.deploy_function(file, SECRET_NAME=SECRET_NAME, CACHE_NAME="tutorial", **key)
    response = boto3.client("lambda").invoke(FunctionName="lambda_handler", Payload='{"user": "a"}')
    assert json.load(response["Payload"]) == {"visits": 1}


# The stack

MINISTACK = """
import os, runpy, sys, threading

threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
sys.argv = ["ministack"]
runpy.run_module("ministack", run_name="__main__")
"""


@pytest.fixture
def client() -> Iterator[Callable]:
    """boto3 clients of a MiniStack with all that the stack needs, a process that ends when its standard input does."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {
        **os.environ,
        "PYTHONPATH": str(FOLDER),
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "SERVICES": "cloudformation,iam,sts,secretsmanager,lambda,events,sns,s3,logs",
        "PERSIST_STATE": "0",
        "DOCKER_HOST": "unix:///nowhere",  # at its start it removes containers of earlier runs
    }
    process = subprocess.Popen(
        [sys.executable, "-c", MINISTACK],
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    session = boto3.Session("test", "test", region_name="us-west-2")

    def client(name: str):
        return session.client(name, endpoint_url=f"http://127.0.0.1:{port}")

    def responds() -> bool:
        try:
            return bool(client("sts").get_caller_identity())
        except (BotoCoreError, ClientError):
            return process.poll() is not None

    until(responds, 60)
    yield client
    process.communicate(timeout=20)


def test_the_stack_is_created_in_ministack_except_its_schedule(client, template):
    s3, stacks = client("s3"), client("cloudformation")
    s3.create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for name in make_zips.FUNCTIONS:
        s3.put_object(Bucket="code", Key=f"1/{name}.zip", Body=b"PK\5\6" + bytes(18))  # an empty zip: nothing runs here
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
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
    )
    stacks.get_waiter("stack_create_complete").wait(StackName="momento", WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    made = stacks.describe_stack_resources(StackName="momento")["StackResources"]
    expected = sorted(resource["Type"] for resource in template.values())
    expected.remove("AWS::SecretsManager::RotationSchedule")  # Rotate is "no", its default
    assert sorted(resource["ResourceType"] for resource in made) == expected
    for name in ("momento-api-key", "next-momento-api-key"):
        assert not client("secretsmanager").get_secret_value(SecretId=name).get("SecretString")  # AWS has an error here
