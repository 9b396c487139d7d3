"""Run a plain Python file in a fresh process that is connected as this kernel is.

Such a file is what one deploys, so it knows nothing of the sandbox: it calls `CredentialProvider.from_api_key_v2`. In
the child that one method is pointed at the local Momento before the file runs; AWS comes from the environment.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

from .cloud import MOMENTO_ADDRESS, Cloud, CloudError, at_address

PAUSE = 0.05  # seconds between two invocations, so that a connection that was closed is really gone


class Invocations(NamedTuple):
    """What a Lambda handler did: seconds to load its file, seconds of each invocation, and what each returned."""

    init: float
    seconds: list[float]
    answers: list[Any]


def invoke_lambda(cloud: Cloud, file: str, events: list[dict], **environment: str) -> Invocations:
    """Load `file` in a fresh process and call its `handler(event, context)` for each event, as Lambda does.

    The first invocation is a cold start, the others are warm. Raises `CloudError` if the file or the handler fails.
    """
    return Invocations(**json.loads(_run(cloud, ["lambda", file, json.dumps(events)], environment)))


def run_file(cloud: Cloud, file: str, *arguments: str, **environment: str) -> str:
    """Run `file` in a fresh process and return what it printed. Raises `CloudError` if it fails."""
    return _run(cloud, ["file", file, *arguments], environment)


def _run(cloud: Cloud, arguments: list[str], environment: dict[str, str]) -> str:
    # From 3.13 on Python colours a traceback wherever FORCE_COLOR is set, as it is in a kernel.
    inherited = {**os.environ, "PYTHON_COLORS": "0", **environment}
    if cloud.momento_address:
        inherited[MOMENTO_ADDRESS] = cloud.momento_address
    command = [sys.executable, "-P", "-m", "helpers.child", *arguments]
    done = subprocess.run(
        command, env=inherited, capture_output=True, text=True, encoding="utf-8", timeout=60
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise CloudError(
            f"{Path(arguments[1]).name} failed ({last}): correct it and run this cell again."
        )
    return done.stdout


def _use_the_sandbox(address: str) -> None:
    from momento import CredentialProvider

    original = CredentialProvider.from_api_key_v2
    CredentialProvider.from_api_key_v2 = staticmethod(
        lambda key, endpoint: at_address(original(key, endpoint), address)
    )


def _invoke(file: str, events: list[dict]) -> Invocations:
    started = time.perf_counter()
    handler = runpy.run_path(file)["handler"]
    init = time.perf_counter() - started
    seconds, answers = [], []
    for event in events:
        started = time.perf_counter()
        answers.append(handler(event, None))
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
    return Invocations(init, seconds, answers)


def main() -> None:
    kind, file, *rest = sys.argv[1:]
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    if address := os.environ.get(MOMENTO_ADDRESS):
        _use_the_sandbox(address)
    import boto3  # noqa: F401  (loaded before the clock starts, as its time is the same whatever the file does)

    if kind == "lambda":
        print(json.dumps(_invoke(file, json.loads(rest[0]))._asdict()))
    else:
        sys.argv = [file, *rest]
        runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    main()
