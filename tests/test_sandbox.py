"""The sandbox as a process: how it starts, what it listens on, how it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from sandbox.processes import Sandbox, SandboxError

ALONE = [sys.executable, "-P", "-m", "sandbox"]


def wait_until_gone(pid: int, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.02)
    return False


def test_alone_it_prints_one_json_line_and_serves_until_its_input_closes():
    process = subprocess.Popen(ALONE, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(process.stdout.readline())
    wanted = {"aws", "aws_access_key", "momento", "api_key", "momento_endpoint", "caches", "pid"}
    assert set(ready) == wanted
    assert ready["aws"].startswith("http://127.0.0.1:") and ready["momento"].startswith("127.0.0.1:")
    assert ready["pid"] == process.pid
    process.stdin.close()
    assert process.wait(timeout=10) == 0
    assert process.stdout.read() == ""
    process.stdout.close()


@pytest.mark.parametrize("kind", ["v2", "v1", "a plain word"])
def test_an_api_key_from_the_command_line_is_accepted(kind):
    from datetime import timedelta

    from momento import CacheClient, Configurations, CredentialProvider
    from momento.responses import ListCaches

    from sandbox.api_keys import header_value, new_api_key

    key = new_api_key(kind) if kind in ("v2", "v1") else "plain-word"
    sandbox = Sandbox("--api-key", key).wait_until_ready()
    host, port = sandbox.momento.split(":")
    provider = CredentialProvider.for_momento_local(host, int(port))
    provider.auth_token = header_value(key)
    with CacheClient(Configurations.Laptop.v1(), provider, timedelta(seconds=60)) as client:
        assert isinstance(client.list_caches(), ListCaches.Success)
    sandbox.close()


def test_it_listens_on_the_loopback_address_only():
    sandbox = Sandbox().wait_until_ready()
    listening = [c.laddr.ip for c in psutil.Process(sandbox.pid).net_connections() if c.status == psutil.CONN_LISTEN]
    sandbox.close()
    assert len(listening) == 2
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}  # gRPC writes it as IPv6


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL on Windows")
def test_a_killed_parent_leaves_no_process_behind():
    code = "from sandbox.processes import Sandbox; import time; print(Sandbox().wait_until_ready().pid, flush=True); time.sleep(60)"
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    parent.stdout.close()
    assert wait_until_gone(child, seconds=2)


@pytest.mark.skipif(os.name == "nt", reason="process groups are POSIX")
def test_interrupting_the_kernel_does_not_reach_it():
    sandbox = Sandbox().wait_until_ready()
    assert os.getpgid(sandbox.pid) != os.getpgrp()
    sandbox.close()


@pytest.mark.slow
def test_four_at_once_do_not_meet():
    with ThreadPoolExecutor(4) as pool:
        sandboxes = list(pool.map(lambda _: Sandbox().wait_until_ready(), range(4)))
    try:
        addresses = [address for one in sandboxes for address in (one.aws, "http://" + one.momento)]
        assert len(set(addresses)) == 8
        assert len({one.api_key for one in sandboxes}) == 4
        sandboxes[0].ask("add_fault", service="aws", error="ThrottlingException")
        assert all(one.alive for one in sandboxes)
    finally:
        for one in sandboxes:
            one.close()


def test_a_child_that_died_is_named_with_the_way_out():
    sandbox = Sandbox().wait_until_ready()
    psutil.Process(sandbox.pid).kill()
    with pytest.raises(SandboxError, match="has ended .*restart the kernel"):
        for _ in range(100):  # the pipe may take one line before the end is seen
            sandbox.ask("seen")
    sandbox.close()


def test_a_child_that_cannot_start_says_why():
    sandbox = Sandbox("--aws-engine", "nonsense")
    with pytest.raises(SandboxError, match="nonsense"):
        sandbox.wait_until_ready()
    sandbox.close()


def test_a_python_without_the_packages_gets_a_sentence(tmp_path):
    """`-S` leaves site-packages out, so this Python has nothing but the project's own folder."""
    root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    done = subprocess.run([sys.executable, "-S", "-m", "sandbox"], cwd=root, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "make lab" in done.stderr


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("explode", {}),
        ("_faults", {}),
        ("add_fault", {"service": "gcp"}),
        ("add_fault", {"servise": "aws"}),
        ("issue", {"kind": "v9"}),
    ],
)
def test_the_control_door_refuses_what_it_does_not_know_and_lives_on(sandbox, command, arguments):
    with pytest.raises(SandboxError, match="did not understand"):
        sandbox.ask(command, **arguments)
    assert sandbox.ask("seen") == {}
