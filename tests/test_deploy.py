"""deploy/: the zips and the image hold what they import, the templates are valid and agree, and their permissions suffice."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import boto3
import hcl2
import httpx
import pytest
import yaml
from botocore.exceptions import BotoCoreError, ClientError, WaiterError
from fakes import until
from names import SECRET_NAME

from helpers.cloud import Cloud
from sandbox.ministack import FOLDER
from sandbox.program import Program

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
TEMPLATE, TERRAFORM, DOCKERFILE = (ROOT / "deploy" / it for it in ("cloudformation.yaml", "main.tf", "Dockerfile"))

sys.path.insert(0, str(ROOT / "deploy"))
import make_zips  # noqa: E402


class Short(yaml.SafeLoader):
    """Reads CloudFormation's short forms, `!Ref X` and the like, as what they refer to."""


Short.add_multi_constructor(
    "!",
    lambda loader, tag, node: (
        node.value if isinstance(node, yaml.ScalarNode) else [loader.construct_object(it) for it in node.value]
    ),
)


@pytest.fixture(scope="module")
def template() -> dict:
    return yaml.load(TEMPLATE.read_text(), Short)["Resources"]


# What is packed


def test_the_zips_are_for_lambda_s_platform_and_hold_all_that_is_imported(tmp_path):
    zips = make_zips.make(tmp_path / "zips")
    for path, handler in zip(zips, make_zips.FUNCTIONS.values(), strict=True):
        zipped, unzipped = make_zips.sizes(path)
        assert zipped < 50 and unzipped < 250
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            ours = [name for name in names if name.startswith("momento_token/") and name.endswith(".py")]
            sources = [archive.read(name).decode() for name in (handler, *ours)]
        assert {name for name in names if "cpython-" in name} == {
            name for name in names if name.endswith("cpython-313-aarch64-linux-gnu.so")
        }
        # What the function doesn't need, and what should never be in a package.
        unwanted = r"moto/|helpers/|momento_token/(?!\w+\.py$|LICENSE$|py\.typed$)|\.env|__pycache__|\.lock"
        assert not [name for name in names if re.match(unwanted, name)]
        there = {re.split(r"[/.]", name)[0] for name in names}
        brought = {*sys.stdlib_module_names, "snapshot_restore_py"}
        assert {module for source in sources for module in imported(source)} <= there | brought


def imported(source: str) -> set[str]:
    nodes = list(ast.walk(ast.parse(source)))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    from_packages = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom) and not node.level]
    return {name.split(".")[0] for name in (*plain, *from_packages)}


def test_what_the_dockerfile_copies_serves_with_its_command(cloud, tmp_path):
    """Docker isn't here: its COPY and CMD are done by hand, and its packages are those of the lock."""
    lines = DOCKERFILE.read_text().replace("\\\n", "").splitlines()
    (install,) = [it for it in lines if "--constraint requirements.txt" in it]
    locked = re.findall(r"^([\w.-]+)==", (ROOT / "requirements.txt").read_text(), re.M)
    assert {"boto3", "momento"} < set(install.split("requirements.txt")[1].split()) < set(locked)
    for line in lines:
        if line.startswith("COPY"):
            *sources, to = line.split()[1:]
            for source in sources:
                copy = shutil.copytree if (ROOT / source).is_dir() else shutil.copy
                copy(ROOT / source, tmp_path / to)
    (command,) = [json.loads(it.removeprefix("CMD ")) for it in lines if it.startswith("CMD")]
    command = [{"0.0.0.0": "127.0.0.1", "8080": "$PORT"}.get(it, it) for it in command]
    command = [sys.executable, "-m", *command]
    with Program(cloud, command, tmp_path, SECRET_NAME=SECRET_NAME, CACHE_NAME="tutorial") as program:
        assert httpx.post(f"{program.address}/visits/a").json()["visits"] == 1


# The templates


def test_cfn_lint_finds_nothing_and_no_template_takes_a_token():
    cfn_lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([cfn_lint, TEMPLATE], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    for path in (TEMPLATE, TERRAFORM):  # a token would stand in the parameters, or in the state
        assert "SecretString" not in path.read_text() and "secret_version" not in path.read_text()


# Of each section: actions and condition keys, services, names and ARNs, events, and all numbers.
SECTIONS = r"(?m)^ *# (?:The two secrets|What the service|The service on|The service in|The rotation$|The e-mails).*"
WORDS = r"\b[a-z]+:[A-Z]\w+|\b[a-z]+\.amazonaws\.com|-[a-z-]*api-key[-? *]*|Rotation[A-Z]\w+ed\b|AccessDenied|\b\d+\b|(?i:arm64)|python3\.\d+"
# Said once for all in the one, and once for each in the other. Only Terraform says how long a deleted secret is kept.
APART = {"2012", "10", "17", "300", "7", "sts:AssumeRole", "lambda.amazonaws.com", "tasks.amazonaws.com", "-api-key"}


def test_both_templates_say_the_same():
    texts = TEMPLATE.read_text(), TERRAFORM.read_text().replace("? 1 : 0", "")
    cut = [re.split(SECTIONS, text)[1:] for text in texts]
    assert len(cut[0]) == len(cut[1]) == 6
    for pair in zip(*cut, strict=True):
        one, other = ({*re.findall(WORDS, re.sub("#.*", "", text))} - APART for text in pair)
        assert one == other
        assert one


def test_the_environment_holds_what_the_programs_read(template):
    functions = [template[name]["Properties"]["Environment"]["Variables"] for name in ("Service", "Rotation")]
    container = template["Task"]["Properties"]["ContainerDefinitions"][0]["Environment"]
    for given, file, further in (
        ({*functions[0]}, "lambda_handler.py", {"AWS_LAMBDA_INITIALIZATION_TYPE"}),
        ({*functions[1]}, "rotation_function.py", {"READ_ONLY"}),
        ({it["Name"] for it in container}, "services/visits_async.py", set()),
    ):
        source = (ROOT / "notebooks" / file).read_text()
        assert {*re.findall(r'os\.environ(?:\[|\.get\()"(\w+)', source)} == given | further
        assert all(re.search(rf"\b{name} +=", TERRAFORM.read_text()) for name in given)


def test_terraform_s_file_is_read_and_needs_to_be_told_whether_it_rotates():
    with TERRAFORM.open() as file:
        variables = {name.strip('"'): it for block in hcl2.load(file)["variable"] for name, it in block.items()}
    assert {name for name, it in variables.items() if "default" not in it} == {
        *("momento_endpoint", "cache_name", "alarm_email", "rotate")
    }


# What the roles may do, with MiniStack, which decides by policies


@pytest.fixture
def stack(iam_cloud: Cloud) -> Iterator[str]:
    """The name of a stack, of which there are the two secrets."""
    sm, name = boto3.client("secretsmanager"), f"stack-{uuid4()}"
    for end in ("-api-key", "-next-api-key"):
        sm.create_secret(Name=name + end, SecretString=iam_cloud.issue_api_key())
    yield name
    for end in ("-api-key", "-next-api-key"):
        sm.delete_secret(SecretId=name + end, ForceDeleteWithoutRecovery=True)


def credentials(stack: str, policies: list[dict], without: str = "") -> tuple[str, dict[str, str]]:
    """Return the ARN and credentials of a session whose role these policies allow its actions of Secrets Manager, but one."""
    iam, role = boto3.client("iam"), f"role-{uuid4()}"
    values = {"Partition": "aws", "Region": "us-west-2", "AccountId": "000000000000", "StackName": stack}
    anyone = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=policy_of(anyone))["Role"]["Arn"]
    for number, statement in enumerate(it for one in policies for it in one["PolicyDocument"]["Statement"]):
        named = statement["Action"] if isinstance(statement["Action"], list) else [statement["Action"]]
        actions = [name for name in named if name.startswith("secretsmanager:") and name != without]
        if actions:
            resource = re.sub(r"\$\{AWS::(\w+)\}", lambda found: values[found[1]], statement["Resource"])
            allowed = policy_of({"Effect": "Allow", "Action": actions, "Resource": resource})
            iam.put_role_policy(RoleName=role, PolicyName=str(number), PolicyDocument=allowed)
    session = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="test")
    names = {"AccessKeyId": "AWS_ACCESS_KEY_ID", "SecretAccessKey": "AWS_SECRET_ACCESS_KEY"}
    names["SessionToken"] = "AWS_SESSION_TOKEN"
    return session["AssumedRoleUser"]["Arn"], {names[it]: session["Credentials"][it] for it in names}


def policy_of(*statements: dict) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def rotation(cloud: Cloud, template: dict, stack: str, without: str = "") -> list[tuple[str, str]]:
    sm = boto3.client("secretsmanager")
    session, key = credentials(stack, template["RotationRole"]["Properties"]["Policies"], without)
    private = template["OnlyTheRotationReadsTheNextKey"]["Properties"]
    # At AWS aws:PrincipalArn is the role's ARN, here the session's.
    policy = json.dumps(private["ResourcePolicy"]).replace("RotationRole.Arn", session)
    sm.put_resource_policy(SecretId=f"{stack}-next-api-key", ResourcePolicy=policy, BlockPublicPolicy=True)
    settings = {"NEXT_KEY_SECRET": f"{stack}-next-api-key", "CACHE_NAME": "tutorial", **key}
    function = cloud.deploy_function(str(ROOT / "notebooks" / "rotation_function.py"), **settings)
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId="rotation",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    rules = {"AutomaticallyAfterDays": 30}
    sm.rotate_secret(SecretId=f"{stack}-api-key", RotationLambdaARN=function, RotationRules=rules)
    return cloud.rotation_log(function)


@pytest.mark.parametrize("action", ["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"])
def test_each_permission_of_the_rotation_is_needed(iam_cloud, template, stack, action):
    log = rotation(iam_cloud, template, stack, without=f"secretsmanager:{action}")
    assert log[-1][0] == "RotationFailed" and "AccessDeniedException" in log[-2][1]


def test_they_are_enough_and_no_one_else_reads_the_next_key_but_all_is_not_lost(iam_cloud, template, stack):
    log = rotation(iam_cloud, template, stack)
    assert log[-1][0] == "RotationSucceeded", log
    everything = [{"PolicyDocument": {"Statement": [{"Action": "secretsmanager:*", "Resource": "*"}]}}]
    _, key = credentials(stack, everything)
    sm = boto3.client("secretsmanager", **{name.lower(): text for name, text in key.items()})
    next_key = {"SecretId": f"{stack}-next-api-key"}
    with pytest.raises(ClientError, match="AccessDenied.*explicit deny"):
        sm.get_secret_value(**next_key)
    sm.put_secret_value(**next_key, SecretString=iam_cloud.issue_api_key())
    sm.delete_resource_policy(**next_key)
    assert sm.get_secret_value(**next_key)["SecretString"]


def test_the_service_s_permission_is_enough_also_when_the_secret_is_created_again(iam_cloud, template, stack):
    sm, name = boto3.client("secretsmanager"), f"{stack}-api-key"
    _, key = credentials(stack, [template["ReadTheKey"]["Properties"]])
    sm.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    sm.create_secret(Name=name, SecretString=iam_cloud.issue_api_key())
    file = str(ROOT / "notebooks" / "lambda_handler.py")
    iam_cloud.deploy_function(file, SECRET_NAME=name, CACHE_NAME="tutorial", **key)
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
        "SERVICES": "cloudformation,iam,sts,secretsmanager,lambda,events,sns,s3,logs,ecs,cloudwatch",
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


@pytest.fixture
def create(client) -> Callable[[str, str], dict[str, str]]:
    """Create a stack of this name and template; what it made, by its name in the template. Fails as the stack does."""
    client("s3").create_bucket(Bucket="code", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    for name in make_zips.FUNCTIONS:  # empty ones, as nothing runs here
        client("s3").put_object(Bucket="code", Key=f"1/{name}.zip", Body=b"PK\5\6" + bytes(18))
    parameters = {
        "CodeBucket": "code",
        "CodeFolder": "1",
        "MomentoEndpoint": "cell-1.example.com",
        "CacheName": "tutorial",
        "AlarmEmail": "me@example.com",
    }

    def create(name: str, text: str) -> dict[str, str]:
        stacks = client("cloudformation")
        given = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()]
        stacks.create_stack(StackName=name, TemplateBody=text, Capabilities=["CAPABILITY_IAM"], Parameters=given)
        stacks.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
        made = stacks.describe_stack_resources(StackName=name)["StackResources"]
        return {it["LogicalResourceId"]: it["PhysicalResourceId"] for it in made}

    return create


@pytest.fixture
def delete(client) -> Callable[[str], None]:
    def delete(name: str) -> None:
        client("cloudformation").delete_stack(StackName=name)
        waiter = client("cloudformation").get_waiter("stack_delete_complete")
        waiter.wait(StackName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    return delete


NOT_IN_MINISTACK = "OnlyTheRotationReadsTheNextKey"  # nor Schedule, which Rotate, "no" by default, leaves out


@pytest.fixture(scope="module")
def known() -> str:
    """The template without the one resource that MiniStack 1.5.33 doesn't know."""
    return re.sub(rf"(?m)^  {NOT_IN_MINISTACK}:\n(?:    .*\n)+", "", TEMPLATE.read_text())


def secrets(client) -> list[str]:
    return sorted(it["Name"] for it in client("secretsmanager").list_secrets()["SecretList"])


def test_a_stack_that_failed_is_created_again_and_two_fit_an_account(client, create, delete, template, known):
    with pytest.raises(WaiterError, match="ROLLBACK"):  # IAM refuses such a role
        create("momento", known.replace("{ Principal:", "{ NotPrincipal:").replace(", Principal:", ", NotPrincipal:"))
    assert secrets(client) == []
    delete("momento")
    made = create("momento", known)
    assert {*made} == {*template} - {NOT_IN_MINISTACK, "Schedule"}
    assert {*create("other", known)} == {*made}
    names = [f"{stack}-{end}" for stack in ("momento", "other") for end in ("api-key", "next-api-key")]
    assert secrets(client) == names
    assert not client("secretsmanager").get_secret_value(SecretId=names[0]).get("SecretString")  # AWS has an error here


def test_a_deleted_stack_keeps_its_secrets_and_takes_their_names_again_when_they_are_deleted(
    client, create, delete, known
):
    create("momento", known)
    delete("momento")
    names = ["momento-api-key", "momento-next-api-key"]
    assert secrets(client) == names
    assert not client("logs").describe_log_groups()["logGroups"] and not client("lambda").list_functions()["Functions"]
    for name in names:
        client("secretsmanager").delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    create("momento", known)


def test_the_e_mails_are_about_these_two_secrets_only(client, create, known):
    made, events = create("momento", known), client("events")

    def matches(rule: str, kind: str, **detail) -> bool:
        pattern = events.describe_rule(Name=made[rule].split("|")[-1].split("/")[-1])["EventPattern"]
        event = {"id": "1", "account": "1", "source": "aws.secretsmanager", "time": "2026-11-26T00:00:00Z"}
        event |= {"region": "us-west-2", "resources": [], "detail-type": f"AWS {kind} via CloudTrail", "detail": detail}
        return events.test_event_pattern(EventPattern=pattern, Event=json.dumps(event))["Result"]

    # As in https://github.com/aws-samples/aws-health-aware/issues/19, and with an ARN.
    said = "User: arn:aws:sts::1:assumed-role/a/b is not authorized to perform: secretsmanager:GetSecretValue on resource: "
    why = " because no identity-based policy allows the secretsmanager:GetSecretValue action"
    for named, is_ours in (
        ("momento-api-key", True),
        ("momento-next-api-key", True),
        ("arn:aws:secretsmanager:us-west-2:1:secret:momento-api-key-AbCdEf", True),
        ("arn:aws:secretsmanager:us-west-2:1:secret:momento-api-key", True),
        ("arn:aws:secretsmanager:us-west-2:1:secret:momento-next-api-key-AbCdEf", True),
        ("other-momento-api-key", False),
        ("arn:aws:secretsmanager:us-west-2:1:secret:other-momento-api-key-AbCdEf", False),
        ("database-password", False),
    ):
        denied = {"errorCode": "AccessDenied", "errorMessage": said + named + why, "requestParameters": None}
        found = [matches(rule, "API Call", **denied) for rule in ("Denied", "DeniedNext")]
        assert any(found) == is_ours, named
    for name, is_ours in (("momento-api-key-AbCdEf", True), ("other-api-key-AbCdEf", False)):
        about = {"SecretId": f"arn:aws:secretsmanager:us-west-2:000000000000:secret:{name}"}
        for event in ("RotationFailed", "RotationSucceeded"):
            assert matches("Rotated", "Service Event", eventName=event, additionalEventData=about) == is_ours
