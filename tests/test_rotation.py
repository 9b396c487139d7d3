"""The rotation function as Secrets Manager invokes it, and what the sandbox emulates of Secrets Manager and Lambda."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from names import SECRET_NAME

from helpers.cloud import connect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
OURS, TEMPLATE = ROOT / "notebooks" / "rotation_function.py", ROOT / "deploy" / "cloudformation.yaml"
NEXT_KEY = "next-key"
SETTINGS = {"NEXT_KEY_SECRET": NEXT_KEY, "CACHE_NAME": "tutorial"}
STEPS = ["createSecret", "setSecret", "testSecret", "finishSecret"]
RULES = {"AutomaticallyAfterDays": 30}
WORKED = [
    ("RotationStarted", ""),
    ("createSecret", "has its key"),
    ("setSecret", "nothing to set"),
    ("testSecret", "accepted by Momento"),
    ("finishSecret", "is current"),
    ("RotationSucceeded", ""),
]


@pytest.fixture
def sm(cloud):
    client = boto3.client("secretsmanager")
    client.create_secret(Name=NEXT_KEY, SecretString=cloud.issue_api_key())
    return client


def allow(function: str, **statement) -> str:
    who = {"Principal": "secretsmanager.amazonaws.com", **statement}
    action = {"StatementId": str(uuid4()), "Action": "lambda:InvokeFunction"}
    boto3.client("lambda").add_permission(FunctionName=function, **action, **who)
    return function


@pytest.fixture
def function(cloud, sm) -> str:
    return allow(cloud.deploy_function(str(OURS), **SETTINGS), SourceAccount="123456789012")


@pytest.fixture
def deploy(cloud, tmp_path):
    """Deploy a rotation function of a few lines, in the place of ours; `ours` are the names of ours."""

    def deploy(source: str, **environment: str) -> str:
        file = tmp_path / "other_function.py"
        file.write_text(source.replace("OURS", f"runpy.run_path({str(OURS)!r})"), encoding="utf-8")
        return allow(cloud.deploy_function(str(file), **SETTINGS, **environment))

    return deploy


def rotate(sm, function: str, secret: str = SECRET_NAME, **more) -> str:
    return sm.rotate_secret(SecretId=secret, RotationLambdaARN=function, RotationRules=RULES, **more)["VersionId"]


def labels(sm) -> dict[str, list[str]]:
    found = sm.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
    return {version: sorted(its) for version, its in found.items() if its}


def value(sm, label: str = "AWSCURRENT", secret: str = SECRET_NAME) -> str:
    return sm.get_secret_value(SecretId=secret, VersionStage=label)["SecretString"]


def put_next_key(sm, key: str) -> str:
    sm.put_secret_value(SecretId=NEXT_KEY, SecretString=key)
    return key


def invoke(function: str, **event: str) -> str:
    """Return what the function says to an event that doesn't come from Secrets Manager."""
    response = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    said = json.load(response["Payload"])
    return said["errorMessage"] if "FunctionError" in response else said


def get_stuck(cloud, sm, function: str) -> str:
    """Let a rotation fail because its next key is spent; return the version, which stays pending and empty."""
    put_next_key(sm, value(sm))
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert [what for what, _ in log] == ["RotationStarted", *["createSecret"] * 3, "RotationFailed"]
    assert "The next key is spent" in log[1][1] and NEXT_KEY in log[1][1]
    assert labels(sm)[version] == ["AWSPENDING"]
    with pytest.raises(sm.exceptions.ResourceNotFoundException, match="staging label: AWSPENDING"):
        value(sm, "AWSPENDING")
    return version


# ---- what goes well ----


def test_a_rotation_runs_the_four_steps_with_one_token_and_moves_the_labels(cloud, sm, function):
    before, wanted, token = value(sm), cloud.issue_api_key(), str(uuid4())
    put_next_key(sm, f"  {wanted}\n")  # white space is not stored
    assert {rotate(sm, function, ClientRequestToken=token) for _ in range(3)} == {token}  # the same request again
    assert cloud.rotation_log(function) == WORKED
    assert (value(sm), value(sm, "AWSPREVIOUS")) == (wanted, before)
    assert labels(sm)[token] == ["AWSCURRENT"]  # AWSPENDING is off
    described = sm.describe_secret(SecretId=SECRET_NAME)
    wanted_there = {"RotationEnabled": True, "RotationLambdaARN": function, "RotationRules": RULES}
    assert wanted_there.items() <= described.items()
    assert datetime.now(UTC) - described["LastRotatedDate"] < timedelta(minutes=5)


def test_a_rotation_function_in_the_order_of_aws_s_own_template_rotates_here(cloud, sm, deploy):
    """As in aws-samples/aws-secrets-manager-rotation-lambdas."""
    function = deploy("""
import boto3
sm = boto3.client("secretsmanager")
def handler(event, context):
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    metadata = sm.describe_secret(SecretId=arn)
    versions = metadata["VersionIdsToStages"]
    assert metadata["RotationEnabled"] and versions[token] == ["AWSPENDING"], metadata
    if step == "createSecret":
        sm.get_secret_value(SecretId=arn, VersionStage="AWSCURRENT")
        try:
            sm.get_secret_value(SecretId=arn, VersionId=token, VersionStage="AWSPENDING")
        except sm.exceptions.ResourceNotFoundException:
            new = sm.get_random_password()["RandomPassword"]
            sm.put_secret_value(SecretId=arn, ClientRequestToken=token, SecretString=new, VersionStages=["AWSPENDING"])
    if step == "finishSecret":
        (current,) = [it for it in versions if "AWSCURRENT" in versions[it]]
        sm.update_secret_version_stage(
            SecretId=arn, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=current)
""")
    before = value(sm)
    version = rotate(sm, function)
    assert cloud.rotation_log(function)[-1][0] == "RotationSucceeded"
    assert labels(sm)[version] == ["AWSCURRENT"] and value(sm) != before


# ---- failures, repetitions, interruptions ----


@pytest.mark.parametrize("steps", [("createSecret", "testSecret"), ("setSecret", "finishSecret")])
def test_a_rotation_that_is_interrupted_after_any_step_is_completed(cloud, sm, deploy, tmp_path, steps):
    """The work of the step is done, but its result is lost, or the process ends; and another next key is there."""
    function = deploy(
        f"""
import os, pathlib, runpy
ours = OURS
def handler(event, context):
    said = ours["handler"](event, context)
    done = pathlib.Path(os.environ["FOLDER"], event["Step"])
    if event["Step"] in {steps} and not done.exists():
        done.touch()
        ours["sm"].put_secret_value(SecretId="{NEXT_KEY}", SecretString=os.environ["ANOTHER_KEY"])
        if event["Step"] in ("createSecret", "finishSecret"):
            os._exit(1)
        raise OSError("lost")
    return said
""",
        FOLDER=str(tmp_path),
        ANOTHER_KEY=cloud.issue_api_key(),
    )
    before, wanted = value(sm), value(sm, secret=NEXT_KEY)
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert {what for what, said in log if said in ("OSError: lost", "Runtime.ExitError: exit code 1")} == set(steps)
    assert log[-1][0] == "RotationSucceeded"
    assert (value(sm), value(sm, "AWSPREVIOUS")) == (wanted, before)
    assert labels(sm)[version] == ["AWSCURRENT"]


def test_each_step_may_be_called_twice_also_if_the_second_read_lags_behind(cloud, sm, deploy):
    """Lambda promises "at least once"; reads are eventually consistent. The function passes its RotationToken on."""
    function = deploy(
        f"""
import os, runpy
ours = OURS
sm, lags = ours["sm"], []
read_now, put = sm.get_secret_value, sm.put_secret_value
def lagging(**which):
    if which.get("VersionStage") == "AWSPENDING" and lags and lags.pop():
        raise sm.exceptions.ResourceNotFoundException({{"Error": {{}}}}, "GetSecretValue")
    return read_now(**which)
sm.get_secret_value = lagging
sm.put_secret_value = lambda RotationToken, **asked: put(RotationToken=RotationToken, **asked)
def handler(event, context):
    ours["handler"](event, context)
    if event["Step"] == "createSecret":
        put(SecretId="{NEXT_KEY}", SecretString=os.environ["ANOTHER_KEY"])
        lags.append(True)
    return ours["handler"](event, context)
""",
        ANOTHER_KEY=cloud.issue_api_key(),
    )
    before, wanted = value(sm), value(sm, secret=NEXT_KEY)
    rotate(sm, function)
    log = cloud.rotation_log(function)
    assert log[1] == ("createSecret", "has its key already") and log[-1][0] == "RotationSucceeded"
    assert (value(sm), value(sm, "AWSPREVIOUS")) == (wanted, before)


def test_of_eight_rotations_at_the_same_time_one_runs(cloud, sm, function):
    def start(_) -> str:
        try:
            return rotate(sm, function)
        except sm.exceptions.InvalidRequestException as error:
            assert "isn't complete" in str(error)
            return ""

    with ThreadPoolExecutor(8) as pool:
        (started,) = filter(None, pool.map(start, range(8)))
    assert cloud.rotation_log(function) == WORKED
    assert labels(sm)[started] == ["AWSCURRENT"]


def test_a_next_key_that_can_not_serve_is_not_stored_and_a_good_one_completes_the_rotation(cloud, sm, function):
    first, revoked, wanted = value(sm), cloud.issue_api_key(), cloud.issue_api_key()
    rotate(sm, function)
    said = [*cloud.rotation_log(function)]
    second, version = value(sm), get_stuck(cloud, sm, function)
    stuck, event = labels(sm), {"SecretId": SECRET_NAME, "ClientRequestToken": version, "Step": "createSecret"}
    cloud.revoke_api_key(revoked)
    for next_key, why in (
        (first, "is spent"),  # it is about to be revoked
        (revoked, "AUTHENTICATION_ERROR to a write with the key: the key was revoked"),
        (cloud.issue_api_key("v1"), "not a v2 API key"),
        ("not-a-key", "too short"),
        ("   ", "no next key"),
    ):
        put_next_key(sm, next_key)
        said.append(invoke(function, **event))
        assert why in said[-1]
    put_next_key(sm, wanted)
    for operation, error, why in (
        ("Set", "PERMISSION_DENIED", "PERMISSION_ERROR to a write with the key: the role"),
        ("Get", "PERMISSION_DENIED", "PERMISSION_ERROR to a read with the key: the role"),
        ("Set", "NOT_FOUND", "there is no cache of the name in CACHE_NAME"),
        ("Get", "UNAVAILABLE", "this may pass, and Secrets Manager tries again"),
    ):
        cloud.add_fault("momento", operation, error=error)
        assert why in invoke(function, **event)
        cloud.clear_faults()
    sm.delete_secret(SecretId=NEXT_KEY, ForceDeleteWithoutRecovery=True)
    assert "no next key" in invoke(function, **event)
    assert labels(sm) == stuck and value(sm) == second
    sm.create_secret(Name=NEXT_KEY, SecretString=wanted)
    with pytest.raises(ClientError, match="A previous rotation isn't complete. That rotation will be reattempted."):
        rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED
    assert value(sm) == wanted and labels(sm)[version] == ["AWSCURRENT"]
    assert not [key for key in (first, second, revoked) if key[:20] in str(said)]


def test_where_services_only_read_no_write_is_tried(cloud, sm):
    cloud.add_fault("momento", "Set", error="PERMISSION_DENIED")
    function = allow(cloud.deploy_function(str(OURS), **SETTINGS, READ_ONLY="yes"))
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED


# ---- the time that Lambda gives, and what can't be reached ----


def test_each_step_ends_in_time_also_if_each_call_takes_as_long_as_it_may(cloud, sm, deploy):
    """A connection, a response and a pause for each attempt; Momento's SDK makes four, of a write and of a read."""
    function = deploy("""
import runpy
ours = OURS
calls, config = [], ours["sm"].meta.config
ours["sm"].meta.events.register("before-call.*.*", lambda **_: calls.append(1))
def handler(event, context):
    calls.clear()
    ours["handler"](event, context)
    each = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout + 1)
    return len(calls) * each + 2 * 4 * 1.1
""")
    rotate(sm, function)
    seconds = [float(said) for step, said in cloud.rotation_log(function) if step in STEPS]
    assert 30 < max(seconds) < 60  # the template's Timeout
    assert "Timeout: 60\n" in TEMPLATE.read_text()


def test_momento_out_of_reach_and_a_kms_key_that_may_not_be_used_are_named(cloud, sm, function):
    """Secrets Manager out of reach: in test_lambda_handler."""
    cloud.add_fault("momento", "Set", delay=2)
    rotate(sm, function)
    (*_, (_, said), _) = cloud.rotation_log(function)
    assert "TIMEOUT_ERROR to a write" in said and "a function in a VPC needs a NAT gateway, or PrivateLink" in said
    cloud.clear_faults()
    denied = {"error": "AccessDeniedException", "message": "Access to KMS is not allowed"}
    cloud.add_fault("aws", "GetSecretValue", **denied)
    with pytest.raises(sm.exceptions.InvalidRequestException):
        rotate(sm, function)
    (*_, (_, said), _) = cloud.rotation_log(function)
    assert "GetSecretValue was refused because of the secret's KMS key" in said and "kms:Decrypt" in said


def test_a_pending_key_that_was_revoked_names_its_cure_and_the_cure_works(cloud, sm, function):
    version, pending = get_stuck(cloud, sm, function), cloud.issue_api_key()
    which = {"ClientRequestToken": version, "VersionStages": ["AWSPENDING"]}
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=pending, **which)
    cloud.revoke_api_key(pending)
    with pytest.raises(sm.exceptions.InvalidRequestException):
        rotate(sm, function)
    (*_, (step, said), (event, _)) = cloud.rotation_log(function)
    assert (step, event) == ("testSecret", "RotationFailed") and labels(sm)[version] == ["AWSPENDING"]
    assert "the key was revoked" in said and pending[:20] not in said
    assert said.endswith(f"--version-stage AWSPENDING --remove-from-version-id {version}")
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    assert version not in labels(sm)
    rotate(sm, function)
    assert "The next key is spent" in cloud.rotation_log(function)[1][1]  # another rotation, not that one


def test_a_new_version_made_by_hand_ends_a_stuck_rotation(cloud, sm, function):
    version, by_hand = get_stuck(cloud, sm, function), cloud.issue_api_key()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=by_hand)
    assert cloud.rotation_log(function)[-1][0] == "RotationAbandoned"
    assert version not in labels(sm) and value(sm) == by_hand
    put_next_key(sm, cloud.issue_api_key())
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED


def test_a_rotation_that_is_cancelled_stops_and_keeps_its_label_and_a_deletion_ends_it(cloud, sm, function):
    cloud.add_fault("momento", "Get", delay=1)
    before, version = value(sm), rotate(sm, function)
    sm.cancel_rotate_secret(SecretId=SECRET_NAME)
    assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
    assert value(sm) == before and labels(sm)[version] == ["AWSPENDING"]
    assert not sm.describe_secret(SecretId=SECRET_NAME)["RotationEnabled"]
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    rotate(sm, function)
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
    cloud.ensure_secret(SECRET_NAME)
    assert "RotationEnabled" not in sm.describe_secret(SecretId=SECRET_NAME)


def test_an_event_that_does_not_fit_gets_a_sentence_and_never_makes_current_what_is_no_key(cloud, sm, function):
    secret, other = {"SecretId": SECRET_NAME}, {"ClientRequestToken": str(uuid4())}
    assert "has no rotation" in invoke(function, **secret, **other, Step=STEPS[0])
    version = {"ClientRequestToken": get_stuck(cloud, sm, function)}
    before = labels(sm)
    for event in ({}, {"Step": "createSecret"}, {**secret, **other}, {**secret, **other, "Step": "create_secret"}):
        assert "no event of a rotation" in invoke(function, **event)
    for step in STEPS:
        assert "is not pending" in invoke(function, **secret, **other, Step=step)
    for step in STEPS[2:]:
        assert "has no value" in invoke(function, **secret, **version, Step=step)
    sm.put_secret_value(**secret, **version, SecretBinary=b"key", VersionStages=["AWSPENDING"])  # by hand, and wrong
    assert invoke(function, **secret, **version, Step="createSecret") == "has its key already"
    for step in STEPS[2:]:
        assert "was stored as SecretBinary" in invoke(function, **secret, **version, Step=step)
    assert labels(sm) == before


def test_a_secret_without_its_first_key_is_named(cloud, sm, function):
    """As the templates in deploy/ make it, if the schedule is turned on too early."""
    sm.create_secret(Name="empty")
    rotate(sm, function, "empty")
    assert "holds no key yet" in cloud.rotation_log(function)[1][1]


# ---- what RotateSecret refuses ----

ANOTHER = "arn:aws:secretsmanager:us-west-2:123456789012:secret:another-??????"


def test_without_the_permission_to_invoke_it_is_denied(cloud, sm):
    others = {"Principal": "events.amazonaws.com"}, {"SourceAccount": "999999999999"}, {"SourceArn": ANOTHER}
    for statement in (None, *others):
        function = cloud.deploy_function(str(OURS))
        if statement:
            allow(function, **statement)
        with pytest.raises(ClientError, match="AccessDeniedException.*secretsmanager.amazonaws.com"):
            rotate(sm, function)
    assert "RotationEnabled" not in sm.describe_secret(SecretId=SECRET_NAME)


def test_it_refuses_rules_and_a_deleted_secret_as_aws_does(sm, function):
    sm.create_secret(Name="deleted", SecretString="x")
    sm.delete_secret(SecretId="deleted")
    for secret, rules, code in (
        (SECRET_NAME, {"AutomaticallyAfterDays": 1001}, "InvalidParameterException"),
        (SECRET_NAME, {**RULES, "ScheduleExpression": "rate(1 day)"}, "InvalidParameterException"),
        ("deleted", RULES, "InvalidRequestException"),
    ):
        with pytest.raises(ClientError, match=code):
            sm.rotate_secret(SecretId=secret, RotationLambdaARN=function, RotationRules=rules)


# ---- functions ----


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def handler(event, context):\n    return 'done'", "done"),  # and has done nothing
        ("def handler(event, context):\n    print('hello')\n    raise KeyError('Step')", "KeyError: 'Step'"),
        ("import no_such_package", "Runtime.ExitError: ModuleNotFoundError: No module named 'no_such_package'"),
    ],
)
def test_a_function_that_does_not_rotate_leaves_the_rotation_unfinished_and_is_quoted(cloud, sm, deploy, source, said):
    before, function = value(sm), deploy(source)
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert log[1] == ("createSecret", said) and log[-1][0] == "RotationFailed"
    assert value(sm) == before and labels(sm)[version] == ["AWSPENDING"]


def test_a_function_that_hangs_ends_with_the_sandbox(tmp_path):
    cloud = connect()
    cloud.ensure_secret(SECRET_NAME)
    file = tmp_path / "hangs.py"
    file.write_text("import time\ndef handler(event, context):\n    time.sleep(600)")
    rotate(boto3.client("secretsmanager"), allow(cloud.deploy_function(str(file))))
    while not (children := psutil.Process(cloud._sandbox.pid).children()):
        time.sleep(0.02)
    cloud.close()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert gone and not alive
