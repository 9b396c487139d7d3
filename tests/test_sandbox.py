"""The sandbox as a process: how it starts, what it listens on, what it bears, how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, suppress
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import boto3
import psutil
import pytest
from momento import CacheClient, Configurations, CredentialProvider
from momento.responses import ListCaches

from sandbox.api_keys import header_value, new_api_key
from sandbox.processes import Sandbox, SandboxError, run_file

ALONE = [sys.executable, "-P", "-m", "sandbox"]
ROOT = Path(__file__).resolve().parent.parent


def lists_caches(sandbox: Sandbox, api_key: str) -> bool:
    host, port = sandbox.momento.split(":")
    provider = CredentialProvider.for_momento_local(host, int(port))
    provider.auth_token = header_value(api_key)
    with CacheClient(Configurations.Laptop.v1(), provider, timedelta(seconds=60)) as client:
        return isinstance(client.list_caches(), ListCaches.Success)


@pytest.mark.parametrize("engine", ["moto", "ministack"])
def test_alone_it_prints_one_json_line_and_serves_until_its_input_closes(engine):
    """Also where Python takes the docstrings away."""
    optimized = {**os.environ, "PYTHONOPTIMIZE": "2"}
    command = [*ALONE, "--aws-engine", engine]
    process = subprocess.Popen(command, env=optimized, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        ready = json.loads(process.stdout.readline())
        momento = {name for name in ready if name.startswith("momento")}
        assert momento == {"momento", "momento_proxy", "momento_roots", "momento_endpoint"}
        assert set(ready) - momento == {"aws", "aws_access_key", "api_key", "caches", "pid"}
        assert reads(SimpleNamespace(**ready))
        process.stdin.close()
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == "" and not os.path.exists(ready["momento_roots"])


def test_api_keys_of_the_command_line_are_accepted_beside_its_own():
    keys = [new_api_key("v2"), new_api_key("v1"), "plain-word"]
    sandbox = Sandbox(*(f"--api-key={key}" for key in keys)).wait_until_ready()
    assert all(lists_caches(sandbox, key) for key in [*keys, sandbox.api_key])
    assert not lists_caches(sandbox, new_api_key())
    sandbox.close()


def test_it_listens_on_the_loopback_only_and_an_interrupt_of_the_kernel_does_not_reach_it(sandbox):
    listening = [c.laddr.ip for c in psutil.Process(sandbox.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 4
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}  # gRPC writes it as IPv6
    if hasattr(os, "getpgid"):
        assert os.getpgid(sandbox.pid) != os.getpgrp()


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_a_killed_parent_leaves_no_process_behind():
    code = "from sandbox.processes import Sandbox; import time; print(Sandbox().wait_until_ready().pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        child = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        while child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "it lives on"
            time.sleep(0.02)


def test_a_child_that_died_is_named_with_the_way_out():
    sandbox = Sandbox("--aws-engine", "nonsense")
    with pytest.raises(SandboxError, match="has ended .*nonsense.*first cells again"):
        sandbox.wait_until_ready()
    with pytest.raises(SandboxError, match="has ended .*first cells again"):
        sandbox.ask("seen")
    sandbox.close()


def test_a_python_without_the_packages_gets_a_sentence():
    """`-S` leaves site-packages out, so this Python has nothing but the project's own folder."""
    done = subprocess.run([sys.executable, "-S", "-m", "sandbox"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1 and "make lab" in done.stderr


def test_a_plain_file_that_is_not_there_is_named_with_the_folder(cloud, tmp_path, monkeypatch):
    """The usual cause is a kernel that was started in another folder: nteract/papermill#316."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SandboxError, match=f"no file handler.py in {tmp_path}: start the kernel in the notebook's own"):
        run_file(cloud, "handler.py")


def connection_to(sandbox: Sandbox) -> socket.socket:
    host, port = sandbox.aws.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=5)


def reads(sandbox: Sandbox) -> bool:
    key = sandbox.aws_access_key
    session = boto3.Session(key, key, region_name="us-west-2")
    return "SecretList" in session.client("secretsmanager", endpoint_url=sandbox.aws).list_secrets()


def test_a_client_gets_a_response_beside_300_connections_that_stay_open(sandbox):
    with ExitStack() as idle:
        for _ in range(300):
            idle.enter_context(connection_to(sandbox))
        assert reads(sandbox)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ("\0\1", "400"),
        ("POST / HTTP/1.1\r\nContent-Length: -5", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {key}\r\nContent-Length: 0", "400"),
        ("FOO /%ff HTTP/1.1\r\nHost: x\r\nAuthorization: Credential={key}/20260101/us-west-2/s3/x", "400"),
        ("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {signed}\r\nContent-Length: 4\r\n\r\nnone", "500"),
        ("POST / HTTP/1.1\r\nHost: x\r\nAuthorization: {signed}\r\nContent-Length: 2000000000", "413"),
    ],
)
def test_a_malformed_request_gets_an_error_and_the_next_one_its_response(sandbox, request_, status):
    key = sandbox.aws_access_key
    signed = f"Credential={key}/20260101/us-west-2/secretsmanager/x\r\nX-Amz-Target: secretsmanager.RotateSecret"
    with connection_to(sandbox) as connection:
        connection.sendall(f"{request_.format(key=key, signed=signed)}\r\n\r\n".encode())
        assert connection.recv(100).split()[1].decode() == status
    assert reads(sandbox)
