"""docs/runbook.md, pasted line by line into bash, with the AWS CLI and a service beside it."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
import httpx
import pytest
from aws_command import assumed, shell_environment

from helpers.cloud import Cloud
from sandbox.program import Program

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
PAGE = (NOTEBOOKS.parent / "docs" / "runbook.md").read_text(encoding="utf-8")
SECRET, NEXT_KEY, ROLE = "momento-api-key", "momento-next-api-key", "momento-ServiceRole-1A2B3C"
FUNCTION = "arn:aws:lambda:us-west-2:123456789012:function:momento-rotation"


class Person:
    """Somebody with a bash who pastes sections of the page while a service runs."""

    def __init__(self, cloud: Cloud, folder: Path, address: str) -> None:
        self._address, self._typed = address, {"NEW_KEY": cloud.issue_api_key, "ROLE": lambda: ROLE}
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        self.bash = subprocess.Popen(["bash", "--norc"], env=shell_environment(cloud, folder), text=True, **pipes)
        self.pastes("First")

    def pastes(self, section: str) -> None:
        """Paste all blocks of a section. A check is repeated, as the page says; any other line has to work."""
        part = PAGE.split(f"\n## {section}\n")[1].split("\n## ")[0].replace("http://localhost:8080", self._address)
        for block in re.findall(r"^ *```sh\n(.*?)^ *```$", part, re.M | re.S):
            lines = block.splitlines()
            for line in map(str.strip, lines):
                name = re.search(r"\bread -\w+ (\w+)", line)
                assert not name or len(lines) == 1, "`read` would take the line after it"
                end = time.monotonic() + (100 if line == "check" or "| grep" in line else 0)
                while (done := self.line(line, self._typed[name[1]]() if name else ""))[0]:
                    assert time.monotonic() < end, (line, done)

    def line(self, line: str, typed: str = "") -> tuple[int, str]:
        """Paste a line, and type what it reads; return its exit code and what it printed."""
        print(line, *filter(None, [typed]), "echo END $?", sep="\n", file=self.bash.stdin, flush=True)
        said = ""
        while not (end := re.search(r"END (\d+)\n$", said)):
            said += self.bash.stdout.readline()
        assert "eyJ" not in said, "a key is shown"
        return int(end[1]), said

    def meets_an_error_of_the_page(self, command: str) -> None:
        """Try a command. The words after the operation are AWS's, and differ here."""
        said = self.line(f'aws secretsmanager {command} --secret-id "$SECRET"')[1]
        assert re.search(r"An error occurred .+? operation: ", said)[0] in PAGE

    def visits(self) -> int:
        return httpx.post(f"{self._address}/visits/a").status_code

    def sees(self, state: str) -> None:
        while httpx.get(f"{self._address}/health").json()["token"] != state:
            self.visits()


@contextmanager
def on_call(cloud: Cloud, folder: Path, **credentials: str) -> Iterator[Person]:
    """Let somebody look after both secrets, a rotation whose next key is spent, and a service, which serves in the end."""
    for name in (SECRET, NEXT_KEY):
        boto3.client("secretsmanager").create_secret(Name=name, SecretString=cloud.api_key)
    (file := folder / "momento-rotation.py").write_text((NOTEBOOKS / "rotation_function.py").read_text())
    assert cloud.deploy_function(str(file), NEXT_KEY_SECRET=NEXT_KEY, CACHE_NAME="tutorial") == FUNCTION
    allow = {"Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com"}
    boto3.client("lambda").add_permission(FunctionName=FUNCTION, StatementId="secrets-manager", **allow)
    settings = {"SECRET_NAME": SECRET, "CACHE_NAME": "tutorial", "TOKEN_TTL": "1", **credentials}
    command = [sys.executable, "-m", "uvicorn", "--port", "$PORT", "visits_async:app"]
    with Program(cloud, command, NOTEBOOKS / "services", **settings) as program:
        person = Person(cloud, folder, program.address)
        assert person.visits() == 200
        yield person
        person.bash.communicate()
        assert person.visits() == 200
    assert "eyJ" not in (folder / "aws.log").read_text(), "a key is in the list of processes"


def test_a_token_has_leaked(cloud, tmp_path):
    with on_call(cloud, tmp_path) as person:
        cloud.revoke_api_key(cloud.api_key)
        assert "OK" not in person.line("AWS_REGION=eu-west-1 AWS_DEFAULT_REGION=eu-west-1 check")[1]
        person.pastes("A token has leaked")


def test_a_rotation_is_stuck(cloud, tmp_path):
    with on_call(cloud, tmp_path) as person:
        boto3.client("secretsmanager").rotate_secret(SecretId=SECRET, RotationLambdaARN=FUNCTION)
        assert "The next key is spent" in cloud.rotation_log(FUNCTION)[1][1]
        person.meets_an_error_of_the_page("rotate-secret")
        assert cloud.rotation_log(FUNCTION)[-1][0] == "RotationFailed"  # it was reattempted
        person.pastes("A rotation is stuck")
        cloud.revoke_api_key(cloud.api_key)


def test_momento_refuses_the_current_key(cloud, tmp_path):
    with on_call(cloud, tmp_path) as person:
        boto3.client("secretsmanager").put_secret_value(
            SecretId=SECRET, SecretString=(expired := cloud.issue_api_key())
        )
        cloud.revoke_api_key(expired)
        person.sees("refused")
        assert "OK" not in person.line("check")[1]
        person.pastes("Momento refuses the current key")


def test_the_secret_is_deleted_and_then_gone(cloud, tmp_path):
    with on_call(cloud, tmp_path) as person:
        boto3.client("secretsmanager").delete_secret(SecretId=SECRET)
        person.sees("denied")
        person.meets_an_error_of_the_page("get-secret-value")
        person.pastes("The secret is deleted")
        boto3.client("secretsmanager").delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
        boto3.client("secretsmanager").put_secret_value(SecretId=NEXT_KEY, SecretString=cloud.issue_api_key())
        cloud.revoke_api_key(cloud.api_key)
        person.meets_an_error_of_the_page("get-secret-value")
        person.pastes("The secret is gone")


def test_every_service_says_access_denied(iam_cloud, tmp_path):
    with on_call(iam_cloud, tmp_path, **assumed(ROLE, "secretsmanager:GetSecretValue")) as person:
        boto3.client("iam").delete_role_policy(RoleName=ROLE, PolicyName="first")
        person.sees("denied")
        person.pastes("Every service says AccessDeniedException")
