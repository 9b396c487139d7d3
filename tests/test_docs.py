"""What docs/ says runs: the commands of the ten minutes, and the example for the SDK's repository."""

from __future__ import annotations

import json
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


def text_of(page: Path) -> str:
    text = page.read_text(encoding="utf-8")
    return text if page.suffix == ".md" else "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


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


def test_a_line_that_reads_what_is_pasted_is_the_last_of_its_block():
    """Without bracketed paste, `read` takes the line after it."""
    pages = [*ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md"), *ROOT.glob("notebooks/**/*.ipynb")]
    texts = [text_of(page) for page in pages if ".ipynb_checkpoints" not in page.parts]
    reading = [block for text in texts for block in re.findall(r"```sh\n(.*?)```", text, re.S) if "read -r" in block]
    assert len(reading) >= 9
    for block in reading:
        lines = block.replace("\\\n", " ").strip().splitlines()
        assert not any("read -r" in line for line in lines[:-1]), block


def test_the_command_of_notebook_01_stores_what_is_typed(cloud, tmp_path):
    boto3.client("secretsmanager").delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    (command,) = blocks("sh", text_of(ROOT / "notebooks/01_create_the_secret.ipynb"))
    shell = {"env": shell_environment(cloud, tmp_path), "cwd": tmp_path, "text": True}
    subprocess.run(["bash"], input=f"{command}{cloud.api_key}\n", check=True, **shell)
    assert boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"] == cloud.api_key


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
