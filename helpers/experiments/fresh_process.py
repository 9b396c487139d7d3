"""Run a plain Python file in a fresh process that is connected as this kernel is.

Such a file is what one deploys, so it knows nothing of the sandbox: it calls `CredentialProvider.from_api_key_v2`. In
the child that one method is pointed at the local Momento before the file runs; AWS comes from the environment.

A `Server` is such a child that goes on until its `with` block ends, or the kernel does in whatever way.
"""

from __future__ import annotations

import json
import os
import queue
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

from ..cloud import MOMENTO_ADDRESS, Cloud, CloudError, at_address

MOVED_CLOCK = "TUTORIAL_CLOCK"  # a file: by so many seconds time is ahead of the real one
MOVED_LIBRARY = "TUTORIAL_CLOCK_OF_LIBRARY"  # if set, time is so for AWS's caching library, too
INITIALIZATION = "AWS_LAMBDA_INITIALIZATION_TYPE"
PAUSE = 0.05  # seconds between two invocations
CLOSING_SECONDS = (
    2  # gRPC closes a connection a moment after its client is closed, and later on a busy machine
)


class Invocations(NamedTuple):
    """What a Lambda handler did: seconds to import boto3 and momento and to load its file, seconds of each invocation,
    and what each returned."""

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


class Server:
    """A server as `python -m MODULE …` starts it, in a process group of its own. Not for Windows.

    It chooses its port and says which: uvicorn, gunicorn and waitress all do. `address` is its URL, `started` the seconds
    until it took requests; after `patience` seconds without, it is given up. When the block ends, its group is killed. So
    it is when the kernel ends: a process between the two, `leash`, waits for its input to close.
    """

    # In the words of the three; an address alone may be another one, such as that of the local AWS in a log.
    STARTED = re.compile(r"(?:running on|Listening at:|Serving on) (http://127\.0\.0\.1:\d+)")

    patience = 60.0

    def __init__(self, cloud: Cloud, *command: str, folder: Path, **environment: str) -> None:
        self._command, self._folder = command, folder
        self._environment = _environment_of(cloud, environment)

    def __enter__(self) -> Self:
        self._said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        begun = time.perf_counter()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "helpers.experiments.fresh_process",
                "leash",
                *self._command,
            ],
            cwd=self._folder,
            env={**self._environment, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(self._folder)},
            stdin=subprocess.PIPE,
            stdout=self._said,
            stderr=self._said,
            start_new_session=True,  # "Interrupt Kernel" must not reach it
        )
        try:
            while not (found := self.STARTED.search(self.said)):
                if self._process.poll() is not None:
                    raise CloudError(self._why_not("does not serve"))
                if time.perf_counter() > begun + self.patience:
                    raise CloudError(self._why_not(f"takes no requests within {self.patience:g} s"))
                time.sleep(0.01)
        except BaseException:
            self.__exit__()
            raise
        self.address, self.started = found[1], time.perf_counter() - begun
        return self

    def __exit__(self, *exception: object) -> None:
        assert self._process.stdin is not None  # it is a pipe
        self._process.stdin.close()
        self._process.wait()
        self._said.close()

    @property
    def leash(self) -> int:
        """The id of the process that holds the leash; the server is its child."""
        return self._process.pid

    @property
    def said(self) -> str:
        """What it has printed and logged so far."""
        self._said.flush()
        return os.pread(self._said.fileno(), 1 << 20, 0).decode(errors="replace")

    def _why_not(self, seen: str) -> str:
        last = (self.said.strip().splitlines() or ["it said nothing"])[-1]
        return f"{self._command[0]} {seen} ({last}): correct it and run this cell again."


def _environment_of(cloud: Cloud, environment: dict[str, str]) -> dict[str, str]:
    # From 3.13 on Python colours a traceback wherever FORCE_COLOR is set, as it is in a kernel.
    inherited = {**os.environ, "PYTHON_COLORS": "0", **environment}
    if cloud.momento_address:
        inherited[MOMENTO_ADDRESS] = cloud.momento_address
    return inherited


def _run(cloud: Cloud, arguments: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-P", "-m", "helpers.experiments.fresh_process", *arguments],
        env=_environment_of(cloud, environment),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
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
    CredentialProvider.from_api_key_v2 = staticmethod(  # type: ignore[method-assign, assignment]
        lambda key, endpoint: at_address(original(key, endpoint), address)
    )


def _invoke(file: str, events: list[dict], started: float) -> Invocations:
    handler = runpy.run_path(file)["handler"]
    init = time.perf_counter() - started
    seconds, answers = [], []
    for event in events:
        before = _connections()
        started = time.perf_counter()
        answers.append(handler(event, None))
        seconds.append(time.perf_counter() - started)
        time.sleep(PAUSE)
        end = time.monotonic() + CLOSING_SECONDS
        while _connections() > before and time.monotonic() < end:  # else the next client shares it
            time.sleep(PAUSE)
    return Invocations(init, seconds, answers)


def _connections() -> int:
    """How many connections this process has to the local Momento."""
    import psutil

    port = int(os.environ.get(MOMENTO_ADDRESS, ":0").rpartition(":")[2])
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
    hooks = _play_snapshots() if os.environ.get(INITIALIZATION) == "snap-start" else []
    handler = runpy.run_path(file)["handler"]
    for hook in hooks:
        hook()
    while True:
        try:
            answer = json.dumps({"result": handler(json.loads(events.get()), None)})
        except Exception as error:
            answer = json.dumps({"errorType": type(error).__name__, "errorMessage": str(error)})
        print(answer, file=answers, flush=True)


def _move_the_clock(file: str) -> None:
    """Let the wall clock of this process be what the file says, so that hours pass in seconds."""
    from datetime import UTC, datetime, tzinfo

    started = time.time()
    time.time = lambda: started + float(Path(file).read_text())
    if MOVED_LIBRARY not in os.environ:
        return  # it takes half a second to import
    from aws_secretsmanager_caching.cache import items

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.fromtimestamp(time.time(), tz or UTC)

    items.datetime = Moved  # AWS's caching library has no argument for a clock


def _play_snapshots() -> list[Callable[[], object]]:
    """Stand in for Lambda's package `snapshot_restore_py`: the hooks that the file registers, in the order of their run.

    What is between them, freezing the process and restoring copies of it, is not played.
    """
    hooks: list[Callable[[], object]] = []
    stand_in: Any = types.ModuleType("snapshot_restore_py")
    stand_in.register_before_snapshot = lambda hook: hooks.insert(0, hook)
    stand_in.register_after_restore = hooks.append
    sys.modules["snapshot_restore_py"] = stand_in
    return hooks


def _hold_leash(command: list[str]) -> None:
    """Run the command beside us. When it ends, or our input does, kill our process group, ourselves included."""
    signal.signal(signal.SIGTERM, lambda *_: _kill_group())
    server = subprocess.Popen(
        [sys.executable, "-P", "-m", "helpers.experiments.fresh_process", "module", *command],
        stdin=subprocess.DEVNULL,
    )

    def end_with_it() -> None:
        server.wait()
        _kill_group()

    threading.Thread(target=end_with_it, daemon=True).start()
    sys.stdin.read()
    _kill_group()


def _kill_group() -> None:
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> None:
    kind, file, *rest = sys.argv[1:]
    if kind == "leash":
        return _hold_leash([file, *rest])
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    started = time.perf_counter()  # nothing is imported yet that a cold start has to import
    if address := os.environ.get(MOMENTO_ADDRESS):
        _use_the_sandbox(address)
    if clock := os.environ.get(MOVED_CLOCK):
        _move_the_clock(clock)
    if kind == "lambda":
        print(json.dumps(_invoke(file, json.loads(rest[0]), started)._asdict()))
    elif kind == "serve":
        _serve(file)
    elif kind == "module":
        sys.argv = [file, *rest]
        runpy.run_module(file, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [file, *rest]
        runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    main()
