"""Every command of docs/runbook.md, run in the sandbox: afterwards a service serves again."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from fakes import until
from momento import CacheClient, Configurations
from momento.responses import CacheGet
from names import SECRET_NAME

from helpers.cloud import Cloud
from momento_token import SharedClient, State, TokenSource

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "runbook.md").read_text()
NEXT_KEY = "next-key"


def run(section: str, operation: str, **variables: str) -> dict[str, Any]:
    """Run a command of the page with these variables, by boto3: the AWS CLI's words are the API's."""
    part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0]
    (command,) = re.findall(rf"^ +aws secretsmanager ({operation} .+)$", part, re.M)
    _, *options = [re.sub(r"\$(\w+)", lambda name: variables[name[1]], word) for word in shlex.split(command)]
    names = ["".join(word.title() for word in option[2:].split("-")) for option in options[::2]]
    method = getattr(boto3.client("secretsmanager"), operation.replace("-", "_"))
    return method(**dict(zip(names, options[1::2], strict=True)))


def version(label: str) -> str:
    versions = boto3.client("secretsmanager").describe_secret(SecretId=SECRET_NAME)["VersionIdsToStages"]
    return next(version for version, labels in versions.items() if label in labels)


@pytest.fixture
def serves(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], bool]]:
    """A function that tells whether a service with momento_token serves."""

    def make(token: str) -> CacheClient:
        return CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1))

    for pause in ("FIRST_PAUSE", "LONGEST_PAUSE"):
        monkeypatch.setattr(f"momento_token.waiting.{pause}", 0.01)
    source = TokenSource(SECRET_NAME)
    with SharedClient(source, make) as clients:

        def get() -> bool:
            response = clients.call(lambda client: client.get("tutorial", "key"))
            return not isinstance(response, CacheGet.Error) and source.state is State.FRESH

        yield get


def test_a_leaked_token(cloud, serves):
    assert serves()
    run("A token has leaked", "put-secret-value", SECRET=SECRET_NAME, NEW_KEY=cloud.issue_api_key())
    cloud.revoke_api_key(cloud.api_key)
    assert serves()


@pytest.mark.slow
def test_a_rotation_that_is_stuck(cloud, serves):
    """Twice: its pending version has no value, then a bad one."""
    section, secret, sm = "A rotation is stuck", {"SECRET": SECRET_NAME}, boto3.client("secretsmanager")
    function = cloud.deploy_function(
        str(ROOT / "notebooks" / "rotation_function.py"), NEXT_KEY_SECRET=NEXT_KEY, CACHE_NAME="tutorial"
    )
    boto3.client("lambda").add_permission(
        FunctionName=function,
        StatementId="secrets-manager",
        Action="lambda:InvokeFunction",
        Principal="secretsmanager.amazonaws.com",
    )
    sm.create_secret(Name=NEXT_KEY)
    for pending in ("without a value", "with a bad value"):
        used = sm.get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        sm.put_secret_value(SecretId=NEXT_KEY, SecretString=used)  # in use, so refused
        rules = {"AutomaticallyAfterDays": 30}
        sm.rotate_secret(SecretId=SECRET_NAME, RotationLambdaARN=function, RotationRules=rules)
        assert cloud.rotation_log(function)[-1][0] == "RotationFailed"
        stuck = version("AWSPENDING")
        assert run(section, "describe-secret", **secret)["VersionIdsToStages"][stuck] == ["AWSPENDING"] and serves()
        if pending == "with a bad value":
            run(section, "update-secret-version-stage", PENDING=stuck, **secret)
        run(section, "put-secret-value", NEXT_KEY=NEXT_KEY, NEW_KEY=cloud.issue_api_key())
        try:
            run(section, "rotate-secret", **secret)
        except sm.exceptions.InvalidRequestException as error:
            assert "will be reattempted" in str(error)  # the rotation that failed goes on
        assert cloud.rotation_log(function)[-1][0] == "RotationSucceeded"
        cloud.revoke_api_key(used)
        assert serves()


def test_a_key_that_momento_refuses(cloud, serves):
    for key in (cloud.issue_api_key(), expired := cloud.issue_api_key()):
        boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=key)
    cloud.revoke_api_key(expired)
    assert not serves()
    section, operation = "Momento refuses the current key", "update-secret-version-stage"
    run(section, operation, SECRET=SECRET_NAME, PREVIOUS=version("AWSPREVIOUS"), CURRENT=version("AWSCURRENT"))
    until(serves)


def test_a_deleted_secret(cloud, serves):
    section, sm = "The secret is deleted", boto3.client("secretsmanager")
    assert serves()
    sm.delete_secret(SecretId=SECRET_NAME)
    run(section, "restore-secret", SECRET=SECRET_NAME)
    assert serves()
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    run(section, "create-secret", SECRET=SECRET_NAME, NEW_KEY=cloud.issue_api_key())
    cloud.revoke_api_key(cloud.api_key)
    until(serves)
