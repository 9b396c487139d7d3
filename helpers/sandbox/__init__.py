"""The sandbox: local stand-ins for Secrets Manager and Momento, in one child process.

`Sandbox()` starts the child and speaks to it through its standard input and output, one JSON object per line.
Closing that input, or losing the parent in whatever way, ends the child.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from typing import Any

from ..display import PlainError

# A full classroom on one machine starts slowly; an idle machine needs about one second.
START_SECONDS = 60


class SandboxError(PlainError):
    """The sandbox can't do what was asked. The message is one sentence that names the cause and the fix."""


class Sandbox:
    """A running sandbox, seen from its parent.

    Attributes `aws` (URL), `aws_access_key`, `momento` (`host:port`), `api_key`, `momento_endpoint`, `caches` and `pid` are those that
    `python -m helpers.sandbox` prints. Raises `SandboxError` if the child does not come up.
    """

    def __init__(self, *arguments: str) -> None:
        self._lock = threading.Lock()
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        # -P keeps the notebook's folder off the child's path: a learner's `queue.py` there must not break it.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "helpers.sandbox", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            env=_child_environment(),
            # a group of its own: "Interrupt Kernel" must not reach it, nor Jupyter wait for it when the kernel ends
            start_new_session=True,
        )
        self._replies: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read_replies, name="sandbox replies", daemon=True).start()

    def wait_until_ready(self) -> Sandbox:
        """Block until both endpoints serve. Separate from the start, so that the parent can import meanwhile."""
        ready = self._reply(START_SECONDS)
        self.aws: str = ready["aws"]
        self.aws_access_key: str = ready["aws_access_key"]
        self.momento: str = ready["momento"]
        self.api_key: str = ready["api_key"]
        self.momento_endpoint: str = ready["momento_endpoint"]
        self.caches: list[str] = ready["caches"]
        self.pid: int = ready["pid"]
        return self

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send one command through the control door and return its result.

        Commands are the methods of `helpers.sandbox.__main__.Door`. Raises `SandboxError` for an unknown command,
        wrong arguments, or a child that has ended.
        """
        with self._lock:
            try:
                print(
                    json.dumps({"do": command, **arguments}), file=self._process.stdin, flush=True
                )
            except (OSError, ValueError):
                raise SandboxError(self._why_it_ended()) from None
            reply = self._reply(START_SECONDS)
        if "error" in reply:
            raise SandboxError(reply["error"])
        return reply["result"]

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def close(self) -> None:
        """End the child and wait for it."""
        if self._process.stdin and not self._process.stdin.closed:
            try:
                self._process.stdin.close()
            except OSError:
                pass  # the child is gone already
        self._process.wait(timeout=10)
        self._errors.close()

    def _read_replies(self) -> None:
        assert self._process.stdout  # it is a pipe
        for line in self._process.stdout:
            self._replies.put(line)
        self._replies.put("")

    def _reply(self, seconds: float) -> dict[str, Any]:
        try:
            line = self._replies.get(timeout=seconds)
        except queue.Empty:
            self._process.kill()
            raise SandboxError(
                f"The sandbox gave no answer within {seconds} s: close other programs or kernels, then restart this kernel."
            ) from None
        if not line:
            raise SandboxError(self._why_it_ended())
        return json.loads(line)

    def _why_it_ended(self) -> str:
        code = self._process.wait(timeout=10)
        self._errors.seek(0)
        said = self._errors.read().strip().splitlines()
        cause = said[-1] if said else f"exit code {code}, nothing said"
        return f"The sandbox has ended ({cause}): restart the kernel, and if it ends again run `make clean` and `make lab`."


def _child_environment() -> dict[str, str]:
    """The parent's environment without anything that could steer the child's own AWS library."""
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOTO_"))
    }
