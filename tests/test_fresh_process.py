"""Plain files in a fresh process: connected as the kernel is, with one sentence for what goes wrong."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from names import SECRET_NAME

from sandbox.processes import SandboxError, invoke_lambda, run_file

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
ENVIRONMENT = {"SECRET_NAME": SECRET_NAME, "CACHE_NAME": "tutorial"}


@pytest.mark.slow
@pytest.mark.parametrize(("file", "reads"), [("lambda_handler.py", 1), ("lambda_handler_naive.py", 5)])
def test_the_lambda_files_serve_and_read_the_secret_as_often_as_said(cloud, file, reads):
    ran = invoke_lambda(cloud, str(NOTEBOOKS / file), [{"user": "user-1"}] * 5, **ENVIRONMENT)
    assert ran.answers == [{"visits": number} for number in (1, 2, 3, 4, 5)]
    assert len(ran.seconds) == 5 and ran.init > 0
    assert cloud.calls_seen()["aws.GetSecretValue"] == reads


def test_plain_files_know_nothing_of_the_sandbox():
    """They import nothing of this collection but momento_token, so that a reader can take them."""
    for file in [*NOTEBOOKS.glob("*.py"), *NOTEBOOKS.glob("*/*.py")]:
        ours = re.findall(r"^\s*(?:from|import) (?:drills|exercises|helpers|sandbox)\b", file.read_text(), re.M)
        assert not ours, file.name


def test_a_cold_start_is_measured_from_before_the_sdks_are_imported():
    code = "import sys, sandbox.run_plain_file; print({'boto3', 'momento'} & {*sys.modules})"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"


def test_a_file_that_fails_is_named_with_its_last_words(cloud, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as in a kernel; from 3.13 on Python would obey
    broken = tmp_path / "broken.py"
    broken.write_text("raise ValueError('no such thing')")
    with pytest.raises(SandboxError, match=r"broken.py failed \(ValueError: no such thing\)"):
        run_file(cloud, str(broken))


def test_a_token_that_is_refused_fails_without_being_shown(cloud):
    cloud.revoke_api_key(cloud.api_key)
    with pytest.raises(SandboxError, match="Momento responded AUTHENTICATION_ERROR") as caught:
        invoke_lambda(cloud, str(NOTEBOOKS / "lambda_handler.py"), [{"user": "user-1"}], **ENVIRONMENT)
    assert cloud.api_key[:12] not in str(caught.value)


def test_arguments_and_environment_reach_the_file(cloud, tmp_path):
    echo = tmp_path / "echo.py"
    echo.write_text("import os, sys; print(sys.argv[1:], os.environ['GREETING'])")
    assert run_file(cloud, str(echo), "a", "b", GREETING="hello") == "['a', 'b'] hello\n"


# A closed client, and an async one in a second event loop. It ends hard, as that one can't be closed.
UNUSABLE = """
import asyncio, os
from datetime import timedelta
from momento import CacheClient, CacheClientAsync, Configurations, CredentialProvider

credentials = CredentialProvider.from_api_key_v2(os.environ["KEY"], os.environ["MOMENTO_ENDPOINT"])
settings = Configurations.Laptop.v1(), credentials, timedelta(minutes=10)
with CacheClient(*settings) as client:
    print(client.get("tutorial", "key"))
print(client.get("tutorial", "key").message)
kept = []

async def get():
    if not kept:
        kept.append(CacheClientAsync(*settings))
    return await kept[0].get("tutorial", "key")

print(asyncio.run(get()))
print(asyncio.run(get()).message, flush=True)
os._exit(0)
"""


@pytest.mark.slow
def test_a_closed_client_and_one_of_another_loop_fail_with_a_message_that_names_no_cause(cloud, tmp_path):
    """Notebook 04 says so, and doesn't run it: such a call can end the process."""
    (tmp_path / "unusable.py").write_text(UNUSABLE)
    lines = run_file(cloud, str(tmp_path / "unusable.py"), KEY=cloud.api_key).splitlines()
    failed = "Unknown error has occurred: SDK Failed to process the request."
    assert ["Miss" in lines[0], lines[1], "Miss" in lines[2], lines[3]] == [True, failed] * 2
