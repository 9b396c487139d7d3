"""The function of 04, warm, cold and frozen, while the token is rotated and the old one revoked."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import boto3
import psutil
import pytest
from names import SECRET_NAME

from sandbox.processes import run_file

pytestmark = [pytest.mark.slow, pytest.mark.own_sandbox]

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
HANDLER = NOTEBOOKS / "lambda_handler.py"


@pytest.fixture
def invoke(cloud):
    """Invoke the deployed function through Lambda's API; its answer, or the error that it raised."""
    cloud.deploy_function(str(HANDLER), SECRET_NAME=SECRET_NAME, CACHE_NAME="tutorial")
    client = boto3.client("lambda")

    def invoke(user: str = "user-1") -> dict:
        answer = client.invoke(FunctionName="lambda_handler", Payload=json.dumps({"user": user}))
        return json.load(answer["Payload"])

    return invoke


def rotate(cloud) -> None:
    sm = boto3.client("secretsmanager")
    old = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(old)


def process_of_the_function(cloud) -> psutil.Process:
    (child,) = psutil.Process(cloud._sandbox.pid).children()
    return child


def test_warm_it_survives_ten_rotations_without_an_overlap(cloud, invoke):
    visits = [invoke()["visits"]]
    for _ in range(10):
        rotate(cloud)
        visits += [invoke()["visits"], invoke()["visits"]]
    assert visits == list(range(1, 22))
    cloud.add_fault("momento", "Increment", error="RESOURCE_EXHAUSTED")
    assert invoke()["errorMessage"] == "Momento answered LIMIT_EXCEEDED_ERROR"


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGSTOP on Windows")
def test_frozen_while_the_token_is_rotated_it_goes_on_when_thawed(cloud, invoke):
    assert invoke() == {"visits": 1}
    function = process_of_the_function(cloud)
    for visit in (2, 3):
        function.send_signal(signal.SIGSTOP)
        rotate(cloud)
        function.send_signal(signal.SIGCONT)
        assert invoke() == {"visits": visit}
    assert process_of_the_function(cloud).pid == function.pid


def test_without_permission_at_its_start_it_says_so_and_comes_back(cloud, invoke):
    cloud.add_fault("aws", "GetSecretValue", error="AccessDeniedException")
    answer = invoke()
    assert answer["errorType"] == "TokenUnavailable" and SECRET_NAME in answer["errorMessage"]
    cloud.clear_faults()
    end = time.monotonic() + 30
    while (answer := invoke()) != {"visits": 1} and time.monotonic() < end:
        time.sleep(0.1)  # it asks Secrets Manager again after a pause
    assert answer == {"visits": 1}


def test_a_restored_copy_reads_its_own_token_and_makes_a_client_with_it(cloud, tmp_path):
    """SnapStart: hooks as of AWS's package snapshot_restore_py, which Lambda's runtime brings."""
    (tmp_path / "snapshot_restore_py.py").write_text(
        "hooks = {}\n"
        "def register_before_snapshot(hook): hooks['before'] = hook\n"
        "def register_after_restore(hook): hooks['after'] = hook\n"
    )
    driver = tmp_path / "driver.py"
    driver.write_text(
        "import json, runpy, sys\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "import snapshot_restore_py\n"
        f"loaded = runpy.run_path({str(HANDLER)!r})\n"
        "source, handler = loaded['source'], loaded['handler']\n"
        "seen = [str(source.state)]\n"
        "handler({'user': 'user-1'}, None)\n"
        "snapshot_restore_py.hooks['before']()\n"
        "seen.append(str(source.state))\n"
        "handler({'user': 'user-1'}, None)\n"  # from a hook of somebody else
        "snapshot_restore_py.hooks['after']()\n"
        "seen.append(str(source.state))\n"
        "seen.append(handler({'user': 'user-1'}, None))\n"
        "print(json.dumps(seen))\n"
    )
    said = run_file(
        cloud,
        str(driver),
        SECRET_NAME=SECRET_NAME,
        CACHE_NAME="tutorial",
        AWS_LAMBDA_INITIALIZATION_TYPE="snap-start",
    )
    assert json.loads(said) == ["empty", "empty", "empty", {"visits": 3}]
    assert cloud.calls_seen()["aws.GetSecretValue"] == cloud.clients_seen() == 3
