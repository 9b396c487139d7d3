"""A child process that is spoken to in lines of JSON. It ends when its input closes, as a parent's does that was killed."""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from typing import Any


class Ended(Exception):
    """The child has ended; the message is the last line of its standard error, or its exit code."""


class Child:
    """Starts `command`, whose `environment` is exactly this one. `alone` puts it into a session of its own."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], alone: bool = False) -> None:
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self._process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
            start_new_session=alone,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def call(self, message: dict[str, Any], seconds: float) -> dict[str, Any]:
        """Send a message and return the reply. Raises `Ended`, or `TimeoutError` if none comes within these seconds."""
        try:
            print(json.dumps(message), file=self._process.stdin, flush=True)
        except (OSError, ValueError):
            raise Ended(self._last_words()) from None
        return self.reply(seconds)

    def reply(self, seconds: float) -> dict[str, Any]:
        """Return the next line; raises as `call`."""
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty:
            self._process.kill()
            raise TimeoutError from None
        if not line:
            raise Ended(self._last_words())
        reply: dict[str, Any] = json.loads(line)
        return reply

    def close(self) -> None:
        """Let it end, and wait for it."""
        if self._process.stdin:
            try:
                self._process.stdin.close()
            except OSError:
                pass  # the child is gone already
        self._process.wait(timeout=10)
        self._errors.close()

    def kill(self) -> None:
        self._process.kill()
        self.close()

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _last_words(self) -> str:
        if self._errors.closed:
            return "it was closed"
        code = self._process.wait(timeout=10)
        self._errors.seek(0)
        lines = self._errors.read().strip().splitlines()
        return lines[-1] if lines else f"exit code {code}"
