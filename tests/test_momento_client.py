"""The small file to take home, notebooks/momento_client.py: alone, and over real SDKs through rotations and a hang."""

from __future__ import annotations

import ast
import logging
import os
import shutil
import subprocess
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from momento.responses import CacheIncrement
from names import SECRET_NAME

from helpers.timing import at_once
from momento_token import is_refused

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "notebooks" / "momento_client.py"
CACHE = "tutorial"


@pytest.fixture
def momento(cloud, monkeypatch):
    """Makes a MomentoClient for the sandbox, with a function in the place of `new_cache_client`."""
    monkeypatch.syspath_prepend(str(FILE.parent))
    from momento_client import MomentoClient

    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)

    def new_client(token: str) -> CacheClient:
        return CacheClient(configuration, cloud.credentials_from(token), timedelta(minutes=1))

    return lambda **settings: MomentoClient(SECRET_NAME, new_client, **settings)


def rotate(cloud, new: str | None = None) -> None:
    """The secret gets a new key, and the old one is revoked at once."""
    sm = boto3.client("secretsmanager")
    old = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=new or cloud.issue_api_key())
    cloud.revoke_api_key(old)


def visit(client: CacheClient) -> object:
    return client.increment(CACHE, "visits")


def test_it_is_small():
    text = FILE.read_text(encoding="utf-8")
    docs = {
        line
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node)
        for line in range(node.body[0].lineno, node.body[0].end_lineno + 1)
    }
    lines = {n for n, line in enumerate(text.splitlines(), 1) if line.strip()[:1] not in ("", "#")}
    assert len(lines - docs) <= 45


@pytest.mark.slow
def test_32_threads_share_a_read_and_a_client_through_rotations_a_second_apart(cloud, momento):
    kept, stop, responses = momento(), threading.Event(), []
    with cloud.ledger.page("start") as page:
        at_once(lambda: kept.call(visit), 32)
    assert (page.count("GetSecretValue"), page.momento_clients) == (1, 1)

    def work() -> None:
        while not stop.is_set():
            responses.append(kept.call(visit))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(32)]
    for thread in threads:
        thread.start()
    for _ in range(3):
        time.sleep(1.1)
        with cloud.ledger.page("a rotation") as page:
            rotate(cloud)
            time.sleep(0.5)
        # One read is `rotate`'s own; the old client may have called, too.
        assert page.count("GetSecretValue") == 2 and page.momento_clients <= 2
    stop.set()
    for thread in threads:
        thread.join(20)
    failed = [it for it in responses if not isinstance(it, CacheIncrement.Success)]
    assert len(responses) > 300 and not failed
    assert max(it.value for it in responses) == len(responses) + 32  # each was done once


@pytest.mark.slow
def test_a_second_rotation_within_a_second_fails_until_that_is_over(cloud, momento):
    kept = momento()
    kept.call(visit)
    for _ in range(2):
        rotate(cloud)
        last = kept.call(visit)
    if is_refused(last):  # a slow machine may take longer than that second
        time.sleep(1.1)
        assert isinstance(kept.call(visit), CacheIncrement.Success)


@pytest.mark.slow
def test_a_refused_token_without_a_newer_one_is_read_once_a_second_and_not_for_each_call(cloud, momento):
    kept = momento()
    kept.call(visit)
    cloud.revoke_api_key(cloud.api_key)
    begun = time.monotonic()
    with cloud.ledger.page("refused") as page:
        assert all(is_refused(kept.call(visit)) for _ in range(50))
    assert page.count("GetSecretValue") <= 1 + (time.monotonic() - begun)


@pytest.mark.slow
def test_callers_go_on_with_the_old_copy_while_secrets_manager_hangs(cloud, momento):
    kept = momento(ttl=1)
    kept.call(visit)
    cloud.add_fault("aws", delay=20)
    time.sleep(1.1)
    begun = time.monotonic()
    responses = at_once(lambda: kept.call(visit), 32)
    assert all(isinstance(it, CacheIncrement.Success) for it in responses)
    assert time.monotonic() - begun < 10  # 2.1 s, on a machine that is not busy
    cloud.clear_faults()


@pytest.mark.slow
def test_what_is_wrong_is_raised_and_shows_no_token(cloud, momento, caplog):
    caplog.set_level(logging.INFO)
    sm, key = boto3.client("secretsmanager"), str(cloud.api_key)
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=f'{{"MOMENTO_API_KEY": "{key}"}}')
    with pytest.raises(ValueError, match="must hold the API key alone") as caught:
        momento().call(visit)
    assert key not in str(caught.value) and key not in caplog.text
    cloud.add_fault("aws", error="AccessDeniedException")
    kept = momento()
    with pytest.raises(ClientError, match="AccessDenied"):
        kept.call(visit)
    cloud.clear_faults()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=key + "\n")
    time.sleep(1.5)  # the library's own pause after an error
    assert isinstance(kept.call(visit), CacheIncrement.Success)


USE = """
import dataclasses, os, sys
from datetime import timedelta
from momento import CacheClient, Configurations, CredentialProvider
from momento_client import MomentoClient

def new_client(token):  # the sandbox is no public endpoint
    provider = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    host, port = os.environ["MOMENTO_AT"].split(":")
    provider = dataclasses.replace(
        provider, control_endpoint=host, cache_endpoint=host, token_endpoint=host, port=int(port))
    return CacheClient(Configurations.Laptop.v1(), provider, timedelta(minutes=1))

momento = MomentoClient(os.environ["SECRET"], new_client)
print(type(momento.call(lambda client: client.set("tutorial", "key", "value"))).__name__)
print(momento.call(lambda client: client.get("tutorial", "key")).value_string)
print(sorted(it for it in sys.modules if it.split(".")[0] in ("helpers", "momento_token", "moto", "sandbox")))
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_runs_alone_in_an_empty_project(cloud, tmp_path):
    shutil.copy(FILE, tmp_path)
    (tmp_path / "app.py").write_text(USE)
    python, uv = tmp_path / "venv" / "bin" / "python", Path(sys.executable).parent / "uv"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment |= {
        "MOMENTO_ENDPOINT": cloud.momento_endpoint,
        "MOMENTO_AT": cloud.momento_address,
        "SECRET": SECRET_NAME,
    }

    def run(*command: object) -> str:
        done = subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=200,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "--without-pip", "venv")
    packages = ["boto3", "momento", "aws-secretsmanager-caching"]
    run(uv, "pip", "install", "-q", "--python", python, *packages, "-c", ROOT / "requirements.txt")
    assert run(python, "app.py").splitlines() == ["Success", "value", "[]"]
