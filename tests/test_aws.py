"""The local AWS, spoken to by the unchanged boto3."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import boto3
import psutil
import pytest
from botocore.config import Config
from botocore.exceptions import (
    ClientError,
    ConnectionClosedError,
    EndpointConnectionError,
)
from moto import mock_aws
from names import SECRET_NAME

from sandbox.processes import Sandbox

NO_RETRY = Config(retries={"total_max_attempts": 1})


def read(client) -> str:
    return client.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]


def connections_to(url: str) -> int:
    port = int(url.rsplit(":", 1)[1])
    return sum(
        c.status == psutil.CONN_ESTABLISHED and c.raddr.port == port
        for c in psutil.Process().net_connections()
        if c.raddr
    )


def test_a_secret_is_created_and_read(cloud):
    assert read(boto3.client("secretsmanager")) == cloud.api_key


def test_labels_move_with_a_new_version(cloud):
    client = boto3.client("secretsmanager")
    client.put_secret_value(SecretId=SECRET_NAME, SecretString="second")
    assert read(client) == "second"
    previous = client.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSPREVIOUS")
    assert previous["SecretString"] == cloud.api_key


def test_a_label_that_was_moved_is_followed(cloud):
    client = boto3.client("secretsmanager")
    before = client.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
    pending = client.put_secret_value(SecretId=SECRET_NAME, SecretString="pending", VersionStages=["AWSPENDING"])
    client.update_secret_version_stage(
        SecretId=SECRET_NAME,
        VersionStage="AWSCURRENT",
        MoveToVersionId=pending["VersionId"],
        RemoveFromVersionId=next(iter(before)),
    )
    assert client.get_secret_value(SecretId=SECRET_NAME)["SecretString"] == "pending"
    client.put_secret_value(SecretId=SECRET_NAME, SecretString="next")
    assert read(client) == "next"
    labels = client.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"].values()
    assert sum("AWSCURRENT" in its for its in labels) == 1


def test_a_reused_client_reuses_its_connection_and_a_new_one_opens_another(cloud):
    client = boto3.client("secretsmanager")
    for _ in range(5):
        read(client)
    before = connections_to(cloud._sandbox.aws)
    for _ in range(20):
        read(client)
    assert connections_to(cloud._sandbox.aws) == before
    other = boto3.client("secretsmanager")
    read(other)
    assert connections_to(cloud._sandbox.aws) == before + 1


def test_sixty_four_reads_at_once_all_answer(cloud):
    client = boto3.client("secretsmanager", config=Config(max_pool_connections=64))
    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(lambda _: read(client), range(256))) == {cloud.api_key}


def test_an_error_fault_has_the_code_that_boto3_knows(cloud):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    cloud.add_fault("aws", "GetSecretValue", error="ThrottlingException", message="Rate exceeded", times=1)
    with pytest.raises(ClientError) as caught:
        read(client)
    assert caught.value.response["Error"] == {
        "Code": "ThrottlingException",
        "Message": "Rate exceeded",
    }
    assert read(client) == cloud.api_key


def test_a_quota_fault_throttles_what_is_beyond_it(cloud):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    cloud.add_fault("aws", "GetSecretValue", error="ThrottlingException", per_second=5)
    outcomes = []
    for _ in range(8):
        try:
            read(client)
            outcomes.append("ok")
        except ClientError as error:
            outcomes.append(error.response["Error"]["Code"])
    assert outcomes == ["ok"] * 5 + ["ThrottlingException"] * 3


def test_a_delay_is_added(cloud):
    client = boto3.client("secretsmanager")
    cloud.add_fault("aws", delay=0.2)
    started = time.perf_counter()
    read(client)
    assert time.perf_counter() - started >= 0.2
    cloud.clear_faults()


def test_the_sandbox_counts_connections(cloud):
    client = boto3.client("secretsmanager")
    before = cloud.connections_seen()["aws"]
    for _ in range(5):
        read(client)
    for _ in range(3):
        read(boto3.client("secretsmanager"))
    assert cloud.connections_seen()["aws"] == before + 4


def test_refused_connections_are_refused_until_faults_are_cleared(cloud):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    assert read(client) == cloud.api_key
    for _ in range(3):
        cloud.add_fault("aws", error="CONNECTION_REFUSED")
        for one in (client, boto3.client("secretsmanager", config=NO_RETRY)):
            with pytest.raises(EndpointConnectionError):
                read(one)
        cloud.clear_faults()
        assert read(client) == cloud.api_key
    sandbox = psutil.Process(cloud._sandbox.pid)
    assert sandbox.num_threads() < 150


def test_a_dropped_answer_ends_before_its_end(cloud):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    cloud.add_fault("aws", "GetSecretValue", error="CONNECTION_DROPPED", times=1)
    with cloud.ledger.page("half an answer") as page:
        answer = client.get_secret_value(SecretId=SECRET_NAME)
    # botocore from 1.43.115 on makes of it an answer without a secret; the ledger is not deceived
    assert "SecretString" not in answer and page.count(outcome="BrokenOff") == len(page.calls) == 1
    assert read(client) == cloud.api_key


def test_a_lost_connection_gets_no_answer_and_a_second_attempt_mends_it(cloud):
    for attempts in (1, 2):
        config = Config(retries={"total_max_attempts": attempts})
        client = boto3.client("secretsmanager", config=config)
        cloud.add_fault("aws", "GetSecretValue", error="CONNECTION_LOST", times=1)
        with cloud.ledger.page("lost") as page:
            if attempts == 1:
                with pytest.raises(ConnectionClosedError):
                    read(client)
            else:
                assert read(client) == cloud.api_key
        assert [call.outcome for call in page.calls] == ["ConnectionClosedError", "ok"][:attempts]
        cloud.clear_faults()


def test_a_fault_can_end_by_itself(cloud):
    client = boto3.client("secretsmanager", config=NO_RETRY)
    cloud.add_fault("aws", error="ThrottlingException", seconds=0.5)
    with pytest.raises(ClientError):
        read(client)
    time.sleep(0.5)
    assert read(client) == cloud.api_key


def test_nobody_else_on_this_machine_is_answered(cloud):
    stranger = boto3.Session("sandbox", "sandbox").client("secretsmanager", config=NO_RETRY)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        read(stranger)
    assert "aws.GetSecretValue" not in cloud.calls_seen()


def test_one_sandbox_does_not_know_the_credentials_of_another(cloud):
    mine = boto3.client("secretsmanager")
    with_other = Sandbox().wait_until_ready()
    other = boto3.client("secretsmanager", endpoint_url=with_other.aws, config=NO_RETRY)
    with pytest.raises(ClientError, match="UnrecognizedClientException"):
        read(other)
    with_other.close()
    assert read(mine) == cloud.api_key


def test_moto_still_needs_the_mend():
    """When this fails, moto has caught up: delete `_let_defaults_follow_the_label` in sandbox/aws.py, and this."""
    with mock_aws():
        client = boto3.client("secretsmanager", region_name="us-west-2", endpoint_url=None)
        old = client.create_secret(Name="s", SecretString="old")["VersionId"]
        new = client.put_secret_value(SecretId="s", SecretString="new", VersionStages=["AWSPENDING"])["VersionId"]
        client.update_secret_version_stage(
            SecretId="s", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
        )
        assert client.get_secret_value(SecretId="s")["SecretString"] == "old"


def test_a_label_moves_where_a_secret_has_a_replica(cloud):
    client = boto3.client("secretsmanager")
    made = client.create_secret(Name="s", SecretString="old", AddReplicaRegions=[{"Region": "eu-west-1"}])
    new = client.put_secret_value(SecretId="s", SecretString="new", VersionStages=["AWSPENDING"])
    client.update_secret_version_stage(
        SecretId="s",
        VersionStage="AWSCURRENT",
        MoveToVersionId=new["VersionId"],
        RemoveFromVersionId=made["VersionId"],
    )
    assert client.get_secret_value(SecretId="s")["SecretString"] == "new"
