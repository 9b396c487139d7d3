"""The Lambda function of the notebooks, warm, cold and restored, while the token is rotated and the old one revoked."""

from __future__ import annotations

import json
import time
from pathlib import Path

import boto3
import pytest
from names import SECRET_NAME

pytestmark = pytest.mark.slow

HANDLER = Path(__file__).resolve().parent.parent / "notebooks" / "lambda_handler.py"


@pytest.fixture
def deploy(cloud):
    """Deploy the function; what it returns invokes it through Lambda's API and returns the response, or the error."""

    def deploy(file: Path = HANDLER, **environment: str):
        arn = cloud.deploy_function(str(file), SECRET_NAME=SECRET_NAME, CACHE_NAME="tutorial", **environment)
        client, event = boto3.client("lambda"), json.dumps({"user": "user-1"})
        return lambda: json.load(client.invoke(FunctionName=arn, Payload=event)["Payload"])

    return deploy


def rotate(cloud) -> None:
    sm = boto3.client("secretsmanager")
    old = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(old)


def test_warm_it_survives_rotations_without_an_overlap(cloud, deploy):
    invoke = deploy()
    visits = [invoke()["visits"]]
    for _ in range(3):
        rotate(cloud)
        visits += [invoke()["visits"], invoke()["visits"]]
    assert visits == list(range(1, 8))
    cloud.add_fault("momento", "Increment", error="RESOURCE_EXHAUSTED")
    assert invoke()["errorMessage"] == "Momento answered LIMIT_EXCEEDED_ERROR"


def test_without_permission_at_its_start_it_says_so_and_recovers(cloud, deploy):
    cloud.add_fault("aws", "GetSecretValue", error="AccessDeniedException")
    invoke = deploy()
    response = invoke()
    assert response["errorType"] == "TokenUnavailable" and SECRET_NAME in response["errorMessage"]
    cloud.clear_faults()
    end = time.monotonic() + 30
    while (response := invoke()) != {"visits": 1} and time.monotonic() < end:
        time.sleep(0.1)  # it calls Secrets Manager again after a pause
    assert response == {"visits": 1}


def test_a_restored_copy_reads_its_own_token_and_makes_a_client_with_it(cloud, deploy, tmp_path):
    """SnapStart: what was read while the file loaded, here by another hook or import, isn't used after the snapshot."""
    file = tmp_path / "restored.py"
    file.write_text(
        f"import runpy\nhandler = runpy.run_path({str(HANDLER)!r})['handler']\nhandler({{'user': 'user-1'}}, None)"
    )
    invoke = deploy(file, AWS_LAMBDA_INITIALIZATION_TYPE="snap-start")
    assert [invoke(), invoke()] == [{"visits": 2}, {"visits": 3}]
    assert cloud.calls_seen()["aws.GetSecretValue"] == cloud.clients_seen() == 2
