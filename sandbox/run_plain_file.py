"""Run a plain Python file in a process of its own, as a Lambda function.

Such a file is what one deploys, so it knows nothing of the sandbox: the environment leads it there (`momento_proxy`).
`sandbox.processes` starts it for a kernel, `sandbox.functions` for the stand-in of Lambda.
"""

from __future__ import annotations

import dataclasses
import json
import os
import queue
import runpy
import sys
import threading
import time
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from momento import CredentialProvider

INITIALIZATION = "AWS_LAMBDA_INITIALIZATION_TYPE"
PAUSE = 0.05  # seconds between two invocations
CLOSING_SECONDS = 2  # gRPC closes a connection a moment after its client is closed, and later on a busy machine
# What leads gRPC to the sandbox: https://grpc.github.io/grpc/core/md_doc_environment_variables.html
PROXY, NO_PROXY, ROOTS = "grpc_proxy", "no_grpc_proxy", "GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"
# Where Momento listens if not at its endpoint, for trying live mode without Momento: `host:port`, without TLS.
MOMENTO_ADDRESS = "TUTORIAL_MOMENTO_ADDRESS"


def command(*arguments: str) -> list[str]:
    """Return the command line that runs this module; -P keeps the kernel's folder, with whatever is in it, off its path."""
    return [sys.executable, "-P", "-m", "sandbox.run_plain_file", *arguments]


class Invocations(NamedTuple):
    """What a Lambda handler did: seconds to import boto3 and momento and to load its file, seconds of each invocation,
    and what each returned."""

    init: float
    seconds: list[float]
    answers: list[Any]


def at_address(provider: CredentialProvider, address: str) -> CredentialProvider:
    """Return the same credentials for a Momento that listens at `host:port` without TLS."""
    host, port = address.split(":")
    return dataclasses.replace(
        provider, control_endpoint=host, cache_endpoint=host, token_endpoint=host, port=int(port)
    )


def _invoke(file: str, events: list[dict], started: float) -> Invocations:
    handler = runpy.run_path(file)["handler"]
    init = time.perf_counter() - started
    seconds, answers = [], []
    momento = os.environ.get(PROXY)
    for event in events:
        before = open_connections(momento)
        started = time.perf_counter()
        answers.append(handler(event, None))
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
        end = time.monotonic() + CLOSING_SECONDS
        while open_connections(momento) > before and time.monotonic() < end:  # else the next client shares it
            time.sleep(PAUSE)
    return Invocations(init, seconds, answers)


def open_connections(momento: str | None) -> int:
    """Return the number of connections that this process has to a Momento, or a proxy, whose address ends in this port."""
    try:
        import psutil
    except ImportError:  # in a browser tab, where clients share no connection
        return 0
    port = int((momento or ":0").rpartition(":")[2])
    mine = psutil.Process().net_connections("tcp")
    return sum(one.raddr.port == port for one in mine if one.raddr and one.status == "ESTABLISHED")


def _serve(file: str) -> None:
    """Call the `handler` of `file` for each event on standard input, a line of JSON each, and answer as Lambda does."""
    answers, sys.stdout = sys.stdout, sys.stderr  # what the file prints is its log
    events: queue.Queue[str] = queue.Queue()

    def read() -> None:
        for line in sys.stdin:
            events.put(line)
        os._exit(0)  # nobody is left to answer, whatever the handler does

    threading.Thread(target=read, daemon=True).start()
    hooks = _emulate_snapshots() if os.environ.get(INITIALIZATION) == "snap-start" else []
    handler = runpy.run_path(file)["handler"]
    for hook in hooks:
        hook()
    while True:
        try:
            answer = json.dumps({"result": handler(json.loads(events.get()), None)})
        except Exception as error:
            answer = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
        print(answer, file=answers, flush=True)


def _emulate_snapshots() -> list[Callable[[], object]]:
    """Stand in for Lambda's package `snapshot_restore_py`: the hooks that the file registers, in the order of their run.

    What is between them, freezing the process and restoring copies of it, is not emulated.
    """
    hooks: list[Callable[[], object]] = []
    stand_in: Any = types.ModuleType("snapshot_restore_py")
    stand_in.register_before_snapshot = lambda hook: hooks.insert(0, hook)
    stand_in.register_after_restore = hooks.append
    sys.modules["snapshot_restore_py"] = stand_in
    return hooks


def main() -> None:
    kind, file, *rest = sys.argv[1:]
    started = time.perf_counter()  # nothing is imported yet that a cold start has to import
    if kind == "lambda":
        print(json.dumps(_invoke(file, json.loads(rest[0]), started)._asdict()))
    else:
        _serve(file)


if __name__ == "__main__":
    main()
