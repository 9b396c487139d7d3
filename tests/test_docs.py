"""What docs/ says runs: the commands of the ten minutes, and the example for the SDK's repository."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import boto3
import pytest
from aws_command import assumed, shell_environment
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


def test_the_example_runs(cloud, tmp_path):
    (tmp_path / "example.py").write_text(f"{example()}\nexample_API_retrieveAuthTokenFromSecretsManager()\n")
    before = cloud.calls_seen()
    assert "CacheSet.Success" in run_file(cloud, str(tmp_path / "example.py"))
    assert cloud.calls_seen() - before == {"aws.DescribeSecret": 1, "aws.GetSecretValue": 1, "momento.Set": 1}
    assert max(map(len, example().splitlines())) <= 120  # as in the SDK's repository


def test_the_ten_minutes_commands_store_what_is_typed_and_let_one_role_read_it(iam_cloud, tmp_path):
    boto3.client("secretsmanager").delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    credentials, shell = assumed("my-service"), shell_environment(iam_cloud, tmp_path)
    (tmp_path / "policy.json").write_text(*blocks("json"))
    for command in blocks("sh"):
        subprocess.run(
            ["bash", "-c", command], input=f"{iam_cloud.api_key}\n", cwd=tmp_path, env=shell, text=True, check=True
        )
    assert "eyJ" not in (tmp_path / "aws.log").read_text()
    session = boto3.Session(*credentials.values())
    assert session.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"] == iam_cloud.api_key
