"""What docs/ says runs: the commands of the ten minutes, and the example for the SDK's repository."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import boto3
import pytest
from botocore import xform_name
from names import SECRET_NAME
from sdk_example import example

from sandbox.processes import run_file

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/ten_minutes.md").read_text(encoding="utf-8")

pytestmark = pytest.mark.slow


def blocks(language: str, page: str = PAGE) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)


def test_the_unit_test_of_the_questions_is_one(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "notebooks"))
    (code,) = blocks("python", (ROOT / "docs/production.md").read_text(encoding="utf-8"))
    exec(code, names := {})
    names["test_it_uses_the_key_of_the_secret"](monkeypatch)


def parsed(command: str):
    """Return the boto3 client, its method and the arguments of an AWS CLI command: both read the same models."""
    program, service, operation, *options = shlex.split(command)
    assert program == "aws"
    client, method = boto3.client(service), operation.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    known = {f"--{xform_name(name, '-')}": name for name in shape.input_shape.members}
    pairs = zip(options[::2], options[1::2], strict=True)
    return client, method, {known[option]: value for option, value in pairs}


def test_the_example_runs(cloud, tmp_path):
    (tmp_path / "example.py").write_text(f"{example()}\nexample_API_retrieveAuthTokenFromSecretsManager()\n")
    before = cloud.calls_seen()
    assert "CacheSet.Success" in run_file(cloud, str(tmp_path / "example.py"))
    assert cloud.calls_seen() - before == {"aws.DescribeSecret": 1, "aws.GetSecretValue": 1, "momento.Set": 1}
    assert max(map(len, example().splitlines())) <= 120  # as in the SDK's repository


def test_the_ten_minutes_commands_are_commands_and_store_what_is_piped_into_them(cloud):
    store, attach = blocks("sh")
    given, command = store.strip().splitlines()[1].split(" | ")
    assert shlex.split(given) == ["printf", "%s", "$MOMENTO_API_KEY"]
    client, create_secret, arguments = parsed(command)
    assert arguments.pop("SecretString") == "file:///dev/stdin"
    client.delete_secret(SecretId=arguments["Name"], ForceDeleteWithoutRecovery=True)
    getattr(client, create_secret)(SecretString=cloud.api_key, **arguments)
    stored = client.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")
    assert stored["SecretString"] == cloud.api_key
    _, operation, arguments = parsed(attach)
    assert (operation, arguments["PolicyDocument"]) == ("put_role_policy", "file://policy.json")
