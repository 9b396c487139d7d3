"""The rotation function as Secrets Manager invokes it, and what the sandbox plays of Secrets Manager."""

from __future__ import annotations

import ast
import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen
from uuid import uuid4

import boto3
import psutil
import pytest
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from names import SECRET_NAME

from helpers.cloud import CloudError
from sandbox.processes import Sandbox, SandboxError

pytestmark = pytest.mark.slow

ROTATION_FUNCTION = Path(__file__).resolve().parent.parent / "notebooks" / "rotation_function.py"
NEXT_KEY = "next-key"
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


def allow(function: str, **statement) -> None:
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId=str(uuid4()),
        Action="lambda:InvokeFunction",
        **{"Principal": "secretsmanager.amazonaws.com", **statement},
    )


@pytest.fixture
def function(cloud, sm) -> str:
    arn = cloud.deploy_function(str(ROTATION_FUNCTION), NEXT_KEY_SECRET=NEXT_KEY, CACHE_NAME="tutorial")
    allow(arn, SourceAccount="123456789012")
    return arn


def deploy(cloud, tmp_path, source: str, **environment: str) -> str:
    """A rotation function of a few lines, in the place of ours."""
    file = tmp_path / "other_function.py"
    file.write_text(source, encoding="utf-8")
    arn = cloud.deploy_function(str(file), **environment)
    allow(arn)
    return arn


def rotate(sm, function: str, **more) -> str:
    return sm.rotate_secret(SecretId=SECRET_NAME, RotationLambdaARN=function, RotationRules=RULES, **more)["VersionId"]


def labels(sm) -> dict[str, list[str]]:
    found = sm.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
    return {version: sorted(its) for version, its in found.items() if its}


def value(sm, label: str = "AWSCURRENT") -> str:
    return sm.get_secret_value(SecretId=SECRET_NAME, VersionStage=label)["SecretString"]


def works(cloud, key: str) -> bool:
    credentials = cloud.credentials_from(key)
    with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=1)) as client:
        return not hasattr(client.get("tutorial", "key"), "error_code")


def put_next_key(cloud, sm, key: str | None = None) -> str:
    key = key or cloud.issue_api_key()
    sm.put_secret_value(SecretId=NEXT_KEY, SecretString=key)
    return key


# ---- what goes well ----


def test_a_rotation_runs_the_four_steps_with_one_token_and_moves_the_labels(cloud, sm, function):
    before, wanted = value(sm), sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    version = rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED
    assert value(sm) == wanted != before and works(cloud, wanted)
    assert value(sm, "AWSPREVIOUS") == before and works(cloud, before)  # the overlap
    assert labels(sm)[version] == ["AWSCURRENT"]  # AWSPENDING is off
    described = sm.describe_secret(SecretId=SECRET_NAME)
    assert described["RotationEnabled"] and described["RotationLambdaARN"] == function
    assert described["RotationRules"] == RULES
    now = datetime.now(UTC)
    assert now - described["LastRotatedDate"] < timedelta(minutes=5)
    assert timedelta(days=29) < described["NextRotationDate"] - now < timedelta(days=31)


def test_rotate_secret_answers_at_once_with_the_label_on_a_version_without_a_value(cloud, sm, tmp_path):
    """What AWS's own template relies on: the label is there, the value is not."""
    seen = tmp_path / "seen.json"
    function = deploy(
        cloud,
        tmp_path,
        """
import boto3, json, os, time
sm = boto3.client("secretsmanager")
def handler(event, context):
    time.sleep(1)
    which = {"VersionId": event["ClientRequestToken"], "VersionStage": "AWSPENDING"}
    try:
        sm.get_secret_value(SecretId=event["SecretId"], **which)
    except sm.exceptions.ResourceNotFoundException as error:
        event["said"] = str(error)
    event["labels"] = sm.describe_secret(SecretId=event["SecretId"])["VersionIdsToStages"]
    open(os.environ["SEEN"], "w").write(json.dumps(event))
    raise ValueError("seen enough")
""",
        SEEN=str(seen),
    )
    version = rotate(sm, function)
    assert labels(sm)[version] == ["AWSPENDING"]  # while the function has not answered yet
    listed = sm.list_secret_version_ids(SecretId=SECRET_NAME)["Versions"]
    assert {"VersionId": version, "VersionStages": ["AWSPENDING"]} in listed
    with pytest.raises(sm.exceptions.ResourceNotFoundException, match="staging label: AWSPENDING"):
        value(sm, "AWSPENDING")
    cloud.rotation_log(function)
    event = json.loads(seen.read_text())
    assert event["Step"] == "createSecret" and event["ClientRequestToken"] == version
    assert event["SecretId"] == sm.describe_secret(SecretId=SECRET_NAME)["ARN"]
    assert "ResourceNotFoundException" in event["said"]
    assert event["labels"][version] == ["AWSPENDING"]


def test_aws_s_own_template_rotates_here(cloud, sm, tmp_path):
    """Its checks and its order of calls, as in aws-samples/aws-secrets-manager-rotation-lambdas."""
    function = deploy(
        cloud,
        tmp_path,
        """
import boto3
sm = boto3.client("secretsmanager")
def handler(event, context):
    arn, token, step = event["SecretId"], event["ClientRequestToken"], event["Step"]
    metadata = sm.describe_secret(SecretId=arn)
    if not metadata["RotationEnabled"]:
        raise ValueError("not enabled")
    versions = metadata["VersionIdsToStages"]
    if token not in versions:
        raise ValueError("no stage")
    if "AWSCURRENT" in versions[token]:
        return
    elif "AWSPENDING" not in versions[token]:
        raise ValueError("not pending")
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
""",
    )
    before = value(sm)
    version = rotate(sm, function)
    assert cloud.rotation_log(function)[-1][0] == "RotationSucceeded"
    assert labels(sm)[version] == ["AWSCURRENT"] and value(sm) != before


def test_a_rotation_is_tried_out_and_leaves_no_trace(cloud, sm, function):
    before = labels(sm)
    rotate(sm, function, RotateImmediately=False)
    assert cloud.rotation_log(function) == [
        ("TestRotationStarted", ""),
        ("testSecret", "accepted by Momento"),
        ("TestRotationSucceeded", ""),
    ]
    assert labels(sm) == before
    described = sm.describe_secret(SecretId=SECRET_NAME)
    assert described["RotationEnabled"] and "LastRotatedDate" not in described


def test_white_space_around_the_next_key_is_not_stored(cloud, sm, function):
    key = put_next_key(cloud, sm, f"  {cloud.issue_api_key()}\n")
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED
    assert value(sm) == key.strip()


def test_two_secrets_rotate_at_once(cloud, sm, function):
    sm.create_secret(Name="another", SecretString=cloud.issue_api_key())
    sm.rotate_secret(SecretId="another", RotationLambdaARN=function, RotationRules=RULES)
    rotate(sm, function)
    end = time.monotonic() + 30
    both = {SECRET_NAME, "another"}
    while both and time.monotonic() < end:
        both = {it for it in both if "LastRotatedDate" not in sm.describe_secret(SecretId=it)}
    assert not both


# ---- failures, repetitions, interruptions ----


def test_a_step_that_fails_once_is_repeated_from_the_start_with_the_same_token(cloud, sm, function):
    cloud.add_fault("momento", "Get", error="UNAVAILABLE", times=5)  # the SDK tries 1 + 3 times
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert log[0] == WORKED[0] and log[2:] == WORKED[1:]
    assert log[1][0] == "createSecret" and "it can't be asked now" in log[1][1]
    assert labels(sm)[version] == ["AWSCURRENT"]


def test_an_attempt_after_the_value_was_stored_takes_that_value(cloud, sm, function):
    """The second of two uses of the key fails: then createSecret is repeated, with another next key in its way."""
    stored = sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    cloud.add_fault("aws", "UpdateSecretVersionStage", error="InternalServiceError", times=5)
    rotate(sm, function)
    while not cloud.calls_seen().get("aws.UpdateSecretVersionStage"):
        time.sleep(0.01)
    put_next_key(cloud, sm)
    log = cloud.rotation_log(function)
    assert ("createSecret", "has its key already") in log and log[-1][0] == "RotationSucceeded"
    assert value(sm) == stored


@pytest.mark.parametrize("step", STEPS)
def test_each_step_may_be_called_twice(cloud, sm, tmp_path, step):
    """Lambda's promise is "at least once": ours is loaded by a function that doubles one step. It passes its token on."""
    function = deploy(
        cloud,
        tmp_path,
        f"""
import runpy
loaded = runpy.run_path({str(ROTATION_FUNCTION)!r})
ours, put = loaded["handler"], loaded["sm"].put_secret_value
loaded["sm"].put_secret_value = lambda RotationToken, **asked: put(RotationToken=RotationToken, **asked)
def handler(event, context):
    if event["Step"] == {step!r}:
        ours(event, context)
    return ours(event, context)
""",
        NEXT_KEY_SECRET=NEXT_KEY,
        CACHE_NAME="tutorial",
    )
    before, wanted = value(sm), sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    rotate(sm, function)
    assert cloud.rotation_log(function)[-1][0] == "RotationSucceeded"
    assert (value(sm), value(sm, "AWSPREVIOUS")) == (wanted, before)


@pytest.mark.parametrize("step", STEPS)
def test_a_rotation_that_is_interrupted_after_any_step_is_completed(cloud, sm, tmp_path, step):
    """The process ends after the step has done its work, and before it could say so."""
    function = deploy(
        cloud,
        tmp_path,
        f"""
import os, runpy
ours = runpy.run_path({str(ROTATION_FUNCTION)!r})["handler"]
def handler(event, context):
    answer = ours(event, context)
    if event["Step"] == {step!r} and not os.path.exists(os.environ["DIED"]):
        open(os.environ["DIED"], "w").close()
        os._exit(1)
    return answer
""",
        NEXT_KEY_SECRET=NEXT_KEY,
        CACHE_NAME="tutorial",
        DIED=str(tmp_path / "died"),
    )
    before, wanted = value(sm), sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert (step, "Runtime.ExitError: exit code 1") in log and log[-1][0] == "RotationSucceeded"
    assert (value(sm), value(sm, "AWSPREVIOUS")) == (wanted, before)
    assert labels(sm)[version] == ["AWSCURRENT"]


def test_a_spent_next_key_is_refused_and_the_current_one_stays(cloud, sm, function):
    rotate(sm, function)
    cloud.rotation_log(function)
    before = labels(sm)
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert [what for what, _ in log] == ["RotationStarted", *["createSecret"] * 3, "RotationFailed"]
    assert "The next key is spent" in log[1][1] and NEXT_KEY in log[1][1]
    assert labels(sm) == {**before, version: ["AWSPENDING"]}


def test_the_previous_key_is_no_next_key(cloud, sm, function):
    """It is about to be revoked."""
    old = value(sm)
    rotate(sm, function)
    cloud.rotation_log(function)
    put_next_key(cloud, sm, old)
    rotate(sm, function)
    assert "The next key is spent" in cloud.rotation_log(function)[1][1]
    assert value(sm) != old


def test_a_failed_rotation_refuses_another_and_is_reattempted_when_mended(cloud, sm, function):
    revoked = put_next_key(cloud, sm)
    cloud.revoke_api_key(revoked)
    before = value(sm)
    version = rotate(sm, function)
    log = cloud.rotation_log(function)
    assert log[-1][0] == "RotationFailed" and "AUTHENTICATION_ERROR" in log[1][1]
    assert value(sm) == before
    wanted = put_next_key(cloud, sm)
    with pytest.raises(ClientError) as caught:
        rotate(sm, function)
    assert caught.value.response["Error"] == {
        "Code": "InvalidRequestException",
        "Message": "A previous rotation isn't complete. That rotation will be reattempted.",
    }
    assert cloud.rotation_log(function) == WORKED
    assert value(sm) == wanted and labels(sm)[version] == ["AWSCURRENT"]


def test_a_second_rotation_while_one_runs_is_refused_and_changes_nothing(cloud, sm, function):
    cloud.add_fault("momento", "Get", delay=0.5)
    version = rotate(sm, function)

    def again(_) -> str:
        with pytest.raises(sm.exceptions.InvalidRequestException) as caught:
            rotate(sm, function)
        return str(caught.value)

    with ThreadPoolExecutor(8) as pool:
        assert all("isn't complete" in said for said in pool.map(again, range(8)))
    assert cloud.rotation_log(function) == WORKED
    assert labels(sm)[version] == ["AWSCURRENT"]


def test_the_same_request_again_is_the_same_rotation(cloud, sm, function):
    token = str(uuid4())
    assert {rotate(sm, function, ClientRequestToken=token) for _ in range(3)} == {token}
    assert cloud.rotation_log(function) == WORKED
    assert rotate(sm, function, ClientRequestToken=token) == token
    assert cloud.rotation_log(function) == WORKED


def test_of_eight_rotations_at_once_one_runs(cloud, sm, function):
    def start(_) -> str:
        try:
            return rotate(sm, function)
        except sm.exceptions.InvalidRequestException:
            return ""

    with ThreadPoolExecutor(8) as pool:
        (started,) = filter(None, pool.map(start, range(8)))
    assert cloud.rotation_log(function) == WORKED
    assert labels(sm)[started] == ["AWSCURRENT"]


def test_a_pending_key_that_momento_refuses_names_its_cure_and_the_cure_works(cloud, sm, function):
    """It was accepted when it was stored, and is revoked before testSecret."""
    cloud.add_fault("aws", "DescribeSecret", delay=0.5)
    pending = sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    version = rotate(sm, function)
    while not cloud.calls_seen().get("aws.PutSecretValue"):
        time.sleep(0.01)
    cloud.revoke_api_key(pending)
    cloud.clear_faults()
    log = cloud.rotation_log(function)
    assert log[-1][0] == "RotationFailed" and labels(sm)[version] == ["AWSPENDING"]
    said = log[-2][1]
    assert "the key was revoked" in said and pending not in said
    secret = sm.describe_secret(SecretId=SECRET_NAME)["ARN"]
    assert said.endswith(
        f"aws secretsmanager update-secret-version-stage --secret-id {secret} "
        f"--version-stage AWSPENDING --remove-from-version-id {version}"
    )
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    wanted = put_next_key(cloud, sm)
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED and value(sm) == wanted


def test_the_label_can_be_taken_off_an_empty_version(cloud, sm, function):
    put_next_key(cloud, sm, value(sm))
    version = rotate(sm, function)
    cloud.rotation_log(function)
    sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage="AWSPENDING", RemoveFromVersionId=version)
    assert version not in labels(sm)
    put_next_key(cloud, sm)
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED


def test_a_new_version_made_by_hand_ends_a_stuck_rotation(cloud, sm, function):
    put_next_key(cloud, sm, value(sm))
    version = rotate(sm, function)
    cloud.rotation_log(function)
    by_hand = cloud.issue_api_key()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=by_hand)
    assert cloud.rotation_log(function)[-1][0] == "RotationAbandoned"
    assert version not in labels(sm) and value(sm) == by_hand
    put_next_key(cloud, sm)
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED


def test_a_function_that_does_nothing_leaves_the_rotation_unfinished(cloud, sm, tmp_path):
    before = value(sm)
    function = deploy(cloud, tmp_path, "def handler(event, context):\n    return 'done'")
    version = rotate(sm, function)
    assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
    assert value(sm) == before and labels(sm)[version] == ["AWSPENDING"]


def test_a_rotation_that_is_cancelled_stops_and_keeps_its_label(cloud, sm, function):
    cloud.add_fault("momento", "Get", delay=1)
    before, version = value(sm), rotate(sm, function)
    sm.cancel_rotate_secret(SecretId=SECRET_NAME)
    assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
    assert value(sm) == before and labels(sm)[version] == ["AWSPENDING"]
    described = sm.describe_secret(SecretId=SECRET_NAME)
    assert not described["RotationEnabled"] and "NextRotationDate" not in described


def test_a_slow_endpoint_changes_nothing_but_the_time(cloud, sm, function):
    cloud.add_fault("aws", delay=0.2)
    cloud.add_fault("momento", delay=0.2)
    rotate(sm, function)
    assert cloud.rotation_log(function) == WORKED


def test_a_read_that_lags_behind_does_not_store_a_second_key(cloud, sm, tmp_path):
    """Reads are eventually consistent: the first of them says that the pending version has no value, though it has."""
    function = deploy(
        cloud,
        tmp_path,
        f"""
import os, runpy
ours = runpy.run_path({str(ROTATION_FUNCTION)!r})
sm, lags = ours["sm"], []
read_now = sm.get_secret_value
def lagging(**which):
    if which.get("VersionStage") == "AWSPENDING" and lags and lags.pop():
        raise sm.exceptions.ResourceNotFoundException({{"Error": {{}}}}, "GetSecretValue")
    return read_now(**which)
sm.get_secret_value = lagging
def handler(event, context):
    if event["Step"] == "createSecret":
        ours["handler"](event, context)
        sm.put_secret_value(SecretId={NEXT_KEY!r}, SecretString=os.environ["ANOTHER_KEY"])
        lags.append(True)
    return ours["handler"](event, context)
""",
        NEXT_KEY_SECRET=NEXT_KEY,
        CACHE_NAME="tutorial",
        ANOTHER_KEY=cloud.issue_api_key(),
    )
    wanted = sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    rotate(sm, function)
    log = cloud.rotation_log(function)
    assert log[1] == ("createSecret", "has its key already")
    assert log[-1][0] == "RotationSucceeded" and value(sm) == wanted


def test_a_version_that_has_its_value_keeps_it(cloud, sm, function):
    key = value(sm, "AWSCURRENT")
    put_next_key(cloud, sm)
    version = rotate(sm, function)
    cloud.rotation_log(function)
    again = {"SecretId": SECRET_NAME, "ClientRequestToken": version}
    assert sm.put_secret_value(**again, SecretString=value(sm))["VersionId"] == version
    with pytest.raises(sm.exceptions.ResourceExistsException, match="already in use"):
        sm.put_secret_value(**again, SecretString=key)


# ---- bad input: a sentence each, and nothing is lost ----


def invoke(function: str, event: dict) -> str:
    """What the function says to an event that doesn't come from Secrets Manager."""
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps(event))
    assert answer["FunctionError"] == "Unhandled"
    return json.load(answer["Payload"])["errorMessage"]


def test_an_event_that_is_none_of_a_rotation_gets_a_sentence(cloud, sm, function):
    before, token = labels(sm), {"ClientRequestToken": "t" * 36}
    for event in (
        {},
        {"Step": "createSecret"},
        {"SecretId": SECRET_NAME, **token},
        {"SecretId": SECRET_NAME, **token, "Step": "create_secret"},
        {"SecretId": SECRET_NAME, **token, "Step": "dropSecret"},
    ):
        said = invoke(function, event)
        assert "no event of a rotation" in said and "createSecret, setSecret" in said
    assert labels(sm) == before


def test_a_secret_without_rotation_gets_a_sentence(cloud, sm, function):
    event = {"SecretId": SECRET_NAME, "ClientRequestToken": str(uuid4()), "Step": "createSecret"}
    assert f"{SECRET_NAME} has no rotation: call RotateSecret" in invoke(function, event)


def test_a_secret_without_a_first_key_gets_a_sentence(cloud, sm, function):
    """As the templates in deploy/ make it, if the schedule is turned on too early. AWS's own templates refuse it too."""
    sm.create_secret(Name="empty")
    sm.rotate_secret(SecretId="empty", RotationLambdaARN=function, RotationRules=RULES)
    log = cloud.rotation_log(function)
    assert "holds no key yet: put its first one there" in log[1][1]
    assert log[-1][0] == "RotationFailed"


def test_a_version_that_is_not_pending_gets_a_sentence(cloud, sm, function):
    rotate(sm, function)
    cloud.rotation_log(function)
    before = labels(sm)
    for step in STEPS:
        event = {"SecretId": SECRET_NAME, "ClientRequestToken": str(uuid4()), "Step": step}
        assert "is not pending: this rotation was given up" in invoke(function, event)
    assert labels(sm) == before


def test_steps_out_of_order_never_make_current_what_is_no_key(cloud, sm, function):
    put_next_key(cloud, sm, value(sm))  # spent, so that the version stays empty
    version = rotate(sm, function)
    cloud.rotation_log(function)
    before, event = labels(sm), {"SecretId": SECRET_NAME, "ClientRequestToken": version}
    for step in ("testSecret", "finishSecret"):
        said = invoke(function, {**event, "Step": step})
        assert "has no value: createSecret comes first" in said
    # by hand, and wrong
    sm.put_secret_value(**event, SecretBinary=b"key", VersionStages=["AWSPENDING"])
    answer = boto3.client("lambda").invoke(FunctionName=function, Payload=json.dumps({**event, "Step": "createSecret"}))
    assert json.load(answer["Payload"]) == "has its key already"
    assert "was stored as SecretBinary" in invoke(function, {**event, "Step": "finishSecret"})
    said = invoke(function, {**event, "Step": "testSecret"})
    assert "was stored as SecretBinary" in said
    assert said.endswith(f"--version-stage AWSPENDING --remove-from-version-id {version}")
    assert labels(sm) == before


def test_a_next_key_that_can_not_serve_is_not_stored(cloud, sm, function):
    before, version = value(sm), ""
    for next_key, said in (
        ('{"apiKey": "x", "refreshToken": "y"}', "the JSON that Momento's rotation example stores"),
        ("not-a-key", "too short for an API key"),
        ("   ", "There is no next key: put one into next-key"),
        (cloud.issue_api_key("v1"), "not a v2 API key"),
    ):
        put_next_key(cloud, sm, next_key)
        with suppress(sm.exceptions.InvalidRequestException):  # from the second on: a reattempt
            version = rotate(sm, function)
        log = cloud.rotation_log(function)
        assert log[-1][0] == "RotationFailed" and said in log[1][1]
        assert value(sm) == before and labels(sm)[version] == ["AWSPENDING"]
        with pytest.raises(sm.exceptions.ResourceNotFoundException):
            value(sm, "AWSPENDING")


def test_no_next_key_at_all_gets_a_sentence(cloud, sm, function):
    sm.delete_secret(SecretId=NEXT_KEY, ForceDeleteWithoutRecovery=True)
    rotate(sm, function)
    assert "There is no next key: put one into next-key" in cloud.rotation_log(function)[1][1]


def test_a_cache_that_there_is_not_is_named(cloud, sm):
    function = cloud.deploy_function(str(ROTATION_FUNCTION), NEXT_KEY_SECRET=NEXT_KEY, CACHE_NAME="misspelt")
    allow(function)
    rotate(sm, function)
    assert "there is no cache of the name in CACHE_NAME" in cloud.rotation_log(function)[1][1]


def test_no_line_of_a_log_and_no_error_holds_a_key(cloud, sm, function):
    keys = [value(sm), put_next_key(cloud, sm)]
    rotate(sm, function)
    log = cloud.rotation_log(function)
    cloud.revoke_api_key(put_next_key(cloud, sm))
    rotate(sm, function)
    log += cloud.rotation_log(function)
    assert not [key for key in keys if key[:20] in str(log)]


def test_the_secret_of_a_rotation_that_is_deleted_ends_it(cloud, sm, function):
    cloud.add_fault("momento", "Get", delay=0.5)
    rotate(sm, function)
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
    cloud.ensure_secret(SECRET_NAME)
    assert "RotationEnabled" not in sm.describe_secret(SecretId=SECRET_NAME)


# ---- what RotateSecret refuses ----


def test_without_the_permission_to_invoke_it_refuses(cloud, sm):
    another = "arn:aws:secretsmanager:us-west-2:123456789012:secret:another-??????"
    for statement in (
        None,
        {"Principal": "events.amazonaws.com"},
        {"SourceAccount": "999999999999"},
        {"SourceArn": another},
    ):
        function = cloud.deploy_function(str(ROTATION_FUNCTION))
        if statement:
            allow(function, **statement)
        with pytest.raises(ClientError) as caught:
            rotate(sm, function)
        assert caught.value.response["Error"]["Code"] == "AccessDeniedException"
        assert "secretsmanager.amazonaws.com" in caught.value.response["Error"]["Message"]
    assert "RotationEnabled" not in sm.describe_secret(SecretId=SECRET_NAME)


def test_it_refuses_as_aws_does(sm):
    both = {"AutomaticallyAfterDays": 1, "ScheduleExpression": "rate(1 day)"}
    for asked, code in (
        ({"SecretId": "no-such-secret"}, "ResourceNotFoundException"),
        ({"RotationRules": {"AutomaticallyAfterDays": 1001}}, "InvalidParameterException"),
        ({"RotationRules": both}, "InvalidParameterException"),
        ({}, "InvalidRequestException"),  # no function was ever named
    ):
        with pytest.raises(ClientError) as caught:
            sm.rotate_secret(**{"SecretId": SECRET_NAME, **asked})
        assert caught.value.response["Error"]["Code"] == code


def test_a_secret_that_waits_for_its_deletion_is_not_rotated(sm, function):
    sm.delete_secret(SecretId=SECRET_NAME)
    with pytest.raises(sm.exceptions.InvalidRequestException, match="marked for deletion"):
        rotate(sm, function)


def test_hours_are_a_schedule_too(cloud, sm, function):
    sm.rotate_secret(
        SecretId=SECRET_NAME,
        RotationLambdaARN=function,
        RotationRules={"ScheduleExpression": "rate(4 hours)"},
    )
    cloud.rotation_log(function)
    due = sm.describe_secret(SecretId=SECRET_NAME)["NextRotationDate"]
    assert timedelta(hours=3) < due - datetime.now(UTC) < timedelta(hours=5)


# ---- functions ----


def test_a_function_that_does_not_load_says_why(cloud, sm, tmp_path):
    function = deploy(cloud, tmp_path, "import no_such_package")
    rotate(sm, function)
    assert cloud.rotation_log(function)[1] == (
        "createSecret",
        "Runtime.ExitError: ModuleNotFoundError: No module named 'no_such_package'",
    )


def test_what_a_function_prints_is_not_its_answer(cloud, sm, tmp_path):
    function = deploy(
        cloud,
        tmp_path,
        "def handler(event, context):\n    print('hello')\n    raise KeyError('Step')",
    )
    rotate(sm, function)
    assert cloud.rotation_log(function)[1] == ("createSecret", "KeyError: 'Step'")


def test_a_function_has_an_environment_of_its_own(cloud, sm, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_THE_KERNEL", "x")
    source = "import os\ndef handler(event, context):\n    return sorted(os.environ)"
    function = deploy(cloud, tmp_path, source, GREETING="hello")
    rotate(sm, function)
    names = ast.literal_eval(cloud.rotation_log(function)[1][1])
    assert {"GREETING", "AWS_LAMBDA_FUNCTION_NAME", "AWS_ENDPOINT_URL"} <= set(names)
    assert "SECRET_OF_THE_KERNEL" not in names and "MOMENTO_API_KEY" not in names


@pytest.mark.own_sandbox
def test_a_function_that_hangs_ends_with_the_sandbox(cloud, sm, tmp_path):
    function = deploy(cloud, tmp_path, "import time\ndef handler(event, context):\n    time.sleep(600)")
    rotate(sm, function)
    sandbox = psutil.Process(cloud._sandbox.pid)
    end = time.monotonic() + 20
    while not (children := sandbox.children()) and time.monotonic() < end:
        time.sleep(0.02)
    cloud.close()
    gone, alive = psutil.wait_procs(children, timeout=20)
    assert gone and not alive


def test_what_can_not_be_deployed_gets_a_sentence(cloud):
    with pytest.raises(CloudError, match=r"There is no file no_such.py"):
        cloud.deploy_function("no_such.py")
    with pytest.raises(SandboxError, match="deploy the function first"):
        cloud.rotation_log("arn:aws:lambda:us-west-2:123456789012:function:none")
    other = Sandbox("--aws-engine", "ministack").wait_until_ready()
    with pytest.raises(SandboxError, match="the other AWS engine"):
        other.ask("deploy_function", file=str(ROTATION_FUNCTION), environment={})
    other.close()


def test_with_another_stand_in_behind_it_the_same_rotation_is_played(environment, monkeypatch):
    from helpers.cloud import connect

    other = Sandbox("--aws-engine", "ministack", "--aws-access-key", "sandbox").wait_until_ready()
    monkeypatch.setenv("AWS_ENDPOINT_URL", other.aws)
    cloud = connect()
    try:
        cloud.ensure_secret(SECRET_NAME)
        sm = boto3.client("secretsmanager")
        sm.create_secret(Name=NEXT_KEY, SecretString=cloud.issue_api_key())
        function = cloud.deploy_function(str(ROTATION_FUNCTION), NEXT_KEY_SECRET=NEXT_KEY, CACHE_NAME="tutorial")
        allow(function)
        version = rotate(sm, function)
        assert cloud.rotation_log(function) == WORKED
        assert labels(sm)[version] == ["AWSCURRENT"]
        assert value(sm) == sm.get_secret_value(SecretId=NEXT_KEY)["SecretString"]
    finally:
        cloud.close()
        other.close()


# ---- keys made over Momento's HTTP API ----


@pytest.fixture
def making_function(cloud, sm, tmp_path) -> str:
    """Ours, over a network that loses the answer to each DELETE, so that it is sent again. It dies before a GET if told so."""
    sm.create_secret(Name="manager", SecretString=cloud.issue_key_manager())
    arn = deploy(
        cloud,
        tmp_path,
        f"""
import os, runpy, urllib.request
send = urllib.request.urlopen
def send_twice(request, **more):
    if request.method == "GET" and os.path.exists(os.environ["DIE"]):
        os.remove(os.environ["DIE"])
        os._exit(1)
    if request.method == "DELETE":
        send(request, **more).close()
    return send(request, **more)
urllib.request.urlopen = send_twice
handler = runpy.run_path({str(ROTATION_FUNCTION)!r})["handler"]
""",
        CACHE_NAME="tutorial",
        MOMENTO_KEY_MANAGER_SECRET="manager",
        MOMENTO_ROLE_ID="tutorial-role",
        DIE=str(tmp_path / "die"),
    )
    while made := ask_momento(cloud, sm, "GET")["key_info"]:  # by a test before this one
        for info in made:
            ask_momento(cloud, sm, "DELETE", f"/{info['key_id']}")
    return arn


def ask_momento(cloud, sm, method: str, path: str = "", body: dict | None = None) -> dict:
    key = sm.get_secret_value(SecretId="manager")["SecretString"]
    request = Request(
        f"{cloud._sandbox.aws}/api-keys{path}",
        json.dumps(body).encode() if body else None,
        {"Authorization": key, "Content-Type": "application/json"},
        method=method,
    )
    with urlopen(request) as answer:
        return json.load(answer)


def test_the_function_makes_keys_and_revokes_each_one_rotation_after_it_was_replaced(
    cloud, sm, making_function, tmp_path
):
    keys = [value(sm)]
    for _ in range(3):
        if len(keys) == 3:
            (tmp_path / "die").touch()  # after the label has moved, and before a key is revoked
        rotate(sm, making_function)
        assert cloud.rotation_log(making_function)[-2:] == WORKED[-2:]
        keys.append(value(sm))
    assert len(set(keys)) == 4 and not (tmp_path / "die").exists()
    # the first isn't its own
    assert [works(cloud, key) for key in keys] == [True, False, True, True]
    assert len(ask_momento(cloud, sm, "GET")["key_info"]) == 2


def test_keys_of_others_are_never_revoked(cloud, sm, making_function):
    for description in ("a colleague's", f"{SECRET_NAME} x", "", "arn:aws:secretsmanager x y"):
        body = {"role_id": "tutorial-role", "description": description, "expiry": "never"}
        ask_momento(cloud, sm, "POST", body=body)
    before = {it["key_id"] for it in ask_momento(cloud, sm, "GET")["key_info"]}
    for _ in range(3):
        rotate(sm, making_function)
        assert cloud.rotation_log(making_function) == WORKED
    assert before <= {it["key_id"] for it in ask_momento(cloud, sm, "GET")["key_info"]}


def test_more_than_a_page_of_keys_is_listed(cloud, sm, making_function):
    for _ in range(120):
        ask_momento(
            cloud,
            sm,
            "POST",
            body={"role_id": "tutorial-role", "description": "x", "expiry": "never"},
        )
    for _ in range(3):
        rotate(sm, making_function)
        assert cloud.rotation_log(making_function) == WORKED
    first = ask_momento(cloud, sm, "GET")
    rest = ask_momento(cloud, sm, "GET", f"?next_token={first['next_token']}")
    assert len(first["key_info"]) == 100 and len(rest["key_info"]) == 22
    assert len(ask_momento(cloud, sm, "GET", "?limit=1")["key_info"]) == 1


def test_a_key_that_was_made_in_vain_is_revoked_later(cloud, sm, making_function):
    """The key is made, and then can't be stored: the attempt after it makes another."""
    cloud.add_fault("aws", "PutSecretValue", error="InternalServiceError", times=5)
    for expected in (2, 3, 2):  # rotation 3 takes both keys of rotation 1 away
        rotate(sm, making_function)
        assert cloud.rotation_log(making_function)[-1][0] == "RotationSucceeded"
        assert len(ask_momento(cloud, sm, "GET")["key_info"]) == expected


def test_a_service_s_key_can_not_make_keys(cloud, sm, making_function):
    sm.put_secret_value(SecretId="manager", SecretString=cloud.issue_api_key())
    before = value(sm)
    rotate(sm, making_function)
    said = cloud.rotation_log(making_function)[1][1]
    assert "Momento answers 403 to POST" in said and "manager" in said
    assert value(sm) == before


def test_the_keys_api_refuses_as_momento_s_page_says(cloud, sm, making_function):
    role = {"role_id": "tutorial-role", "description": ""}
    for method, path, body, status in (
        ("POST", "", {**role, "role_id": "x", "expiry": "never"}, 404),
        ("POST", "", {**role, "expiry": "soon"}, 400),
        ("POST", "", role, 400),
        ("GET", "?limit=101", None, 400),
        ("DELETE", "/none", None, 404),
    ):
        with pytest.raises(HTTPError) as caught:
            ask_momento(cloud, sm, method, path, body)
        assert caught.value.code == status
        assert set(json.load(caught.value)) == {"code", "message"}
