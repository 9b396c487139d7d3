"""Every command of docs/runbook.md, run in the sandbox: what it is for has happened afterwards."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from momento import CacheClient, Configurations
from momento.responses import CacheGet
from names import SECRET_NAME

from helpers.cloud import Cloud
from momento_token import SharedClient, State, TokenSource

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "runbook.md").read_text()
COMMANDS = re.findall(r"^ +(aws secretsmanager .+)$", PAGE, re.M)
NEXT_KEY = "next-key"


class Shell:
    """Runs commands of the page, with these variables, by boto3: the AWS CLI's words are the API's."""

    def __init__(self) -> None:
        self.client = boto3.client("secretsmanager")
        self.ran: set[str] = set()

    def run(self, section: str, operation: str, **variables: str) -> dict[str, Any]:
        part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
        (command,) = re.findall(rf"^ +(aws secretsmanager {operation} .+)$", part, re.M)
        return self._run(command, variables)

    def _run(self, command: str, variables: dict[str, str]) -> dict[str, Any]:
        self.ran.add(command)
        words = [re.sub(r"\$(\w+)", lambda name: variables[name[1]], word) for word in shlex.split(command)[2:]]
        operation, options = words[0].replace("-", "_"), words[1:]
        names = ["".join(part.title() for part in one[2:].split("-")) for one in options[::2]]
        return getattr(self.client, operation)(**dict(zip(names, options[1::2], strict=True)))

    def labels(self) -> dict[str, str]:
        described = self.client.describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
        return {label: version for version, its in described.items() for label in its}


@pytest.fixture
def shell(cloud) -> Shell:
    return Shell()


@pytest.fixture
def service(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """Does a service on the pattern serve?"""

    def make(token: str) -> CacheClient:
        provider = cloud.credentials_from(token)
        return CacheClient(Configurations.Laptop.v1(), provider, timedelta(minutes=1))

    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(f"momento_token.waiting.{pause}", 0.01)
    source = TokenSource(SECRET_NAME)
    with SharedClient(source, make) as clients:

        def serves() -> bool:
            answer = clients.call(lambda client: client.get("tutorial", "key"))
            return not isinstance(answer, CacheGet.Error) and source.state is State.FRESH

        yield serves


def test_a_leaked_token(cloud, shell, service):
    assert service()
    leaked = cloud.api_key
    shell.run("A token has leaked", "put-secret-value", SECRET=SECRET_NAME, NEW_KEY=cloud.issue_api_key())
    cloud.revoke_api_key(leaked)
    assert service()


@pytest.mark.slow
def test_a_rotation_that_is_stuck(cloud, shell, service):
    """Twice: its pending version has no value, then a bad one."""
    section, secret = "A rotation is stuck", {"SECRET": SECRET_NAME}
    function = cloud.deploy_function(
        str(ROOT / "notebooks" / "rotation_function.py"),
        NEXT_KEY_SECRET=NEXT_KEY,
        CACHE_NAME="tutorial",
    )
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId="secrets-manager",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    shell.client.create_secret(Name=NEXT_KEY)
    for pending in ("without a value", "with a bad value"):
        used = shell.client.get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        shell.client.put_secret_value(SecretId=NEXT_KEY, SecretString=used)  # in use, so refused
        shell.client.rotate_secret(
            SecretId=SECRET_NAME,
            RotationLambdaARN=function,
            RotationRules={"AutomaticallyAfterDays": 30},
        )
        assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
        stuck = shell.labels()["AWSPENDING"]
        described = shell.run(section, "describe-secret", **secret)
        assert described["VersionIdsToStages"][stuck] == ["AWSPENDING"] and service()
        if pending == "with a bad value":
            shell.run(section, "update-secret-version-stage", PENDING=stuck, **secret)
        shell.run(section, "put-secret-value", NEXT_KEY=NEXT_KEY, NEW_KEY=cloud.issue_api_key())
        try:
            shell.run(section, "rotate-secret", **secret)
        except shell.client.exceptions.InvalidRequestException as error:
            assert "will be reattempted" in str(error)  # the one that failed goes on
        assert cloud.rotation_log(function)[-1][0] == "RotationSucceeded"
        cloud.revoke_api_key(used)
        assert service()


def test_a_key_that_momento_refuses(cloud, shell, service):
    good, expired = cloud.issue_api_key(), cloud.issue_api_key()
    for key in (good, expired):
        shell.client.put_secret_value(SecretId=SECRET_NAME, SecretString=key)
    cloud.revoke_api_key(expired)
    assert not service()
    labels = shell.labels()
    shell.run(
        "Momento refuses the current key",
        "update-secret-version-stage",
        SECRET=SECRET_NAME,
        PREVIOUS=labels["AWSPREVIOUS"],
        CURRENT=labels["AWSCURRENT"],
    )
    until_it_serves(service)


def test_a_deleted_secret(cloud, shell, service):
    section = "The secret is deleted"
    assert service()
    before = shell.client.describe_secret(SecretId=SECRET_NAME)["ARN"]
    shell.client.delete_secret(SecretId=SECRET_NAME)
    shell.run(section, "restore-secret", SECRET=SECRET_NAME)
    assert service()
    shell.client.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    key = cloud.issue_api_key()
    made = shell.run(section, "create-secret", SECRET=SECRET_NAME, NEW_KEY=key)
    assert made["ARN"] != before and made["ARN"][:-6] == before[:-6]
    cloud.revoke_api_key(cloud.api_key)
    until_it_serves(service)


def until_it_serves(service: Callable[[], bool]) -> None:
    assert any(service() for _ in range(200))


def test_no_command_is_left_out():
    """By the sections and operations that the tests above name."""
    tried = set(re.findall(r'"([a-z]+(?:-[a-z]+)+)"', Path(__file__).read_text()))
    assert {command.split()[2] for command in COMMANDS} <= tried and len(COMMANDS) == 8
