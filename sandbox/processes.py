"""The processes that a kernel starts: its sandbox, and plain files that are connected as the kernel is.

`Sandbox()` starts the sandbox and speaks to it through its standard input and output, one JSON object per line. Closing
that input, or losing the parent in whatever way, ends the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from . import PlainError, run_plain_file
from .child_process import Child, Ended
from .run_plain_file import NO_PROXY, PROXY, ROOTS, Invocations

# A full classroom on one machine starts slowly; an idle machine needs about one second.
START_SECONDS = 60


class SandboxError(PlainError):
    """The sandbox can't do what was asked. The message is one sentence that names the cause and the fix."""


class Connected(Protocol):
    """What a child needs to know of its parent's connection: the variables by which it reaches the same services."""

    def program_environment(self) -> dict[str, str]: ...


class Sandbox:
    """A running sandbox, seen from its parent.

    Attributes `aws` (URL), `aws_access_key`, `momento` (`host:port`), `api_key`, `momento_endpoint`, `caches` and `pid` are those that
    `python -m sandbox` prints; `proxied` are the variables by which other programs reach its Momento. Raises `SandboxError` if the child does not come up.
    """

    def __init__(self, *arguments: str) -> None:
        self._lock = threading.Lock()
        # Nothing may steer the child's own AWS library.
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))}
        # -P keeps the notebook's folder off the child's path: a learner's `queue.py` there must not break it. In a session
        # of its own "Interrupt Kernel" doesn't reach it, and Jupyter doesn't wait for it when the kernel ends.
        self._child = Child([sys.executable, "-P", "-m", "sandbox", *arguments], kept, alone=True)

    def wait_until_ready(self) -> Sandbox:
        """Block until both endpoints serve. Separate from the start, so that the parent can import in the meantime."""
        ready = self._from(lambda: self._child.reply(START_SECONDS))
        self.aws: str = ready["aws"]
        self.aws_access_key: str = ready["aws_access_key"]
        self.momento: str = ready["momento"]
        # Empty, a variable that excludes hosts would be taken from `no_proxy`.
        self.proxied = {PROXY: ready["momento_proxy"], NO_PROXY: "none", ROOTS: ready["momento_roots"]}
        self.api_key: str = ready["api_key"]
        self.momento_endpoint: str = ready["momento_endpoint"]
        self.caches: list[str] = ready["caches"]
        self.pid: int = ready["pid"]
        return self

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command to the child and return its result.

        Commands are the public methods of `sandbox.commands.StandIns`. Raises `SandboxError` for an unknown command,
        wrong arguments, or a child that has ended.
        """
        reply = self._command({"do": command, **arguments})
        if "error" in reply:
            raise SandboxError(reply["error"])
        return reply["result"]

    @property
    def alive(self) -> bool:
        return self._child.alive

    def close(self) -> None:
        """End the child and wait for it."""
        self._child.close()

    def _command(self, command: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            return self._from(lambda: self._child.call(command, START_SECONDS))

    def _from(self, reply: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        try:
            return reply()
        except TimeoutError:
            raise SandboxError(
                f"The sandbox did not respond within {START_SECONDS} s: close other programs or kernels, then restart this kernel."
            ) from None
        except Ended as error:
            raise SandboxError(
                f"The sandbox has ended ({error}): run this notebook's first cells again, and if it ends again run `make clean` and `make lab`."
            ) from None


def new_sandbox(engine: str) -> Sandbox:
    """Start a sandbox. In a browser tab, which has no processes, it runs in this one.

    TUTORIAL_SANDBOX=in-process tries that elsewhere, with PYTHONPATH=browser, which has the stand-in for grpcio.
    """
    if sys.platform == "emscripten" or os.environ.get("TUTORIAL_SANDBOX") == "in-process":
        from .in_process import InProcessSandbox  # it needs that

        return InProcessSandbox(engine)
    return Sandbox("--aws-engine", engine)


def invoke_lambda(cloud: Connected, file: str, events: list[dict], **environment: str) -> Invocations:
    """Load `file` in a fresh process and call its `handler(event, context)` for each event, as Lambda does.

    The first invocation is a cold start, the others are warm. Raises `SandboxError` if the file or the handler fails.
    """
    path = plain(file)
    command = run_plain_file.command("lambda", str(path), json.dumps(events))
    return Invocations(**json.loads(_run(cloud, command, path, environment)))


def run_file(cloud: Connected, file: str, *arguments: str, **environment: str) -> str:
    """Run `file` in a fresh process and return what it printed. Raises `SandboxError` if it fails."""
    path = plain(file)
    return _run(cloud, [sys.executable, str(path), *arguments], path, environment)


def environment_of(cloud: Connected, environment: dict[str, str]) -> dict[str, str]:
    """Return the variables of a child that reaches the same services as this kernel, these among them."""
    # From 3.13 on Python colours a traceback wherever FORCE_COLOR is set, as it is in a kernel.
    return {**os.environ, "PYTHON_COLORS": "0", **cloud.program_environment(), **environment}


def plain(file: str) -> Path:
    """Return the whole path of a plain file beside the notebook. Raises `SandboxError` if it isn't there."""
    path = Path(file).resolve()
    if not path.is_file():
        raise SandboxError(
            f"There is no file {path.name} in {path.parent}: start the kernel in the notebook's own folder, which holds it."
        )
    return path


def _run(cloud: Connected, command: list[str], path: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(
        command,
        env=environment_of(cloud, environment),
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise SandboxError(f"{path.name} failed ({last}): correct it and run this cell again.")
    return done.stdout
