"""The Lambda functions of the notebooks: warm, cold and restored, through rotations, and where nothing can be reached."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest
from names import SECRET_NAME

pytestmark = pytest.mark.slow

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
EVENT = {
    "user": "user-1",
    "SecretId": SECRET_NAME,
    "ClientRequestToken": "1",
    "Step": "createSecret",
}  # for each of them
HANDLER = NOTEBOOKS / "lambda_handler.py"


@pytest.fixture
def deploy(cloud):
    """Deploy the function; what it returns invokes it through Lambda's API and returns the response, or the error."""

    def deploy(file: Path = HANDLER, **environment: str):
        arn = cloud.deploy_function(str(file), SECRET_NAME=SECRET_NAME, CACHE_NAME="tutorial", **environment)
        client, event = boto3.client("lambda"), json.dumps(EVENT)
        return lambda: json.load(client.invoke(FunctionName=arn, Payload=event)["Payload"])

    return deploy


@pytest.fixture
def black_hole() -> Iterator[str]:
    """The address of a port that takes connections and never responds."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield "{}:{}".format(*server.getsockname())


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
    assert invoke()["errorMessage"] == "Momento responded LIMIT_EXCEEDED_ERROR"


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


@pytest.mark.parametrize(
    ("file", "kind", "said"),
    [
        ("lambda_handler.py", "TokenUnavailable", "In a VPC it needs an interface endpoint"),
        ("rotation_function.py", "RotationError", "a function in a VPC needs an interface endpoint"),
        ("lambda_handler_naive.py", "ReadTimeoutError", "Read timeout on endpoint URL"),
    ],
)
def test_where_secrets_manager_does_not_respond_each_says_so_before_lambda_ends_it(
    deploy, black_hole, file, kind, said
):
    """Loading and invoking together take less than the 15 s that the template gives to an invocation of the service."""
    begun = time.monotonic()
    nowhere = {"AWS_ENDPOINT_URL": f"http://{black_hole}", "AWS_ENDPOINT_URL_SECRETS_MANAGER": f"http://{black_hole}"}
    response = deploy(NOTEBOOKS / file, NEXT_KEY_SECRET="next", **nowhere)()
    assert response["errorType"] == kind and said in response["errorMessage"]
    assert time.monotonic() - begun < 15
