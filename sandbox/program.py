"""A program in any language that serves HTTP, started beside a kernel and connected as the kernel is.

It gets its port by the variable PORT, or where its command says $PORT. A process between the two, the watchdog, kills the
process group when its input closes, as it does when the kernel ends. Not for Windows.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from .processes import Connected, SandboxError, environment_of

PATIENCE = 30.0  # seconds, for a busy machine too
WATCHDOG = """
import os, signal, subprocess, sys, threading
program = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)
threading.Thread(target=lambda: (sys.stdin.read(), os.killpg(0, signal.SIGKILL)), daemon=True).start()
program.wait()
os.killpg(0, signal.SIGKILL)
"""


def reserve_port() -> socket.socket:
    """Return a UDP socket on a port that no TCP server uses: until it is closed, no other kernel reserves this port.

    The port is below those that a system gives to connections, so that none of these takes it by chance.
    """
    while True:
        address = "127.0.0.1", random.randrange(20_000, 32_000)
        reserved = socket.socket(type=socket.SOCK_DGRAM)
        try:
            reserved.bind(address)
            socket.create_server(address).close()
        except OSError:
            reserved.close()
        else:
            return reserved


class NotListening(SandboxError):
    """The program takes no requests. The message says what it printed last."""


class Program:
    """A program while it runs: it listens when the block begins, and all its processes are killed when the block ends."""

    def __init__(
        self, cloud: Connected, command: Sequence[str], folder: Path | None = None, /, **environment: str
    ) -> None:
        self._reserved = reserve_port()
        self.port = self._reserved.getsockname()[1]
        self.address = f"http://127.0.0.1:{self.port}"
        self._command, self._folder = [part.replace("$PORT", str(self.port)) for part in command], folder
        # Unbuffered, so that what Python prints comes early.
        self._environment = environment_of(cloud, {"PYTHONUNBUFFERED": "1", "PORT": str(self.port), **environment})

    def __enter__(self) -> Self:
        self._output = tempfile.TemporaryFile()
        self._watchdog = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", WATCHDOG, *self._command],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=self._output,
            stderr=self._output,
            start_new_session=True,  # "Interrupt Kernel" must not reach it
        )
        try:
            self._wait_until_it_listens()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exception: object) -> None:
        processes = self.processes()
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._watchdog.pid, signal.SIGKILL)
        for process in processes:  # those that left the group
            with suppress(psutil.Error):
                process.kill()
        self._watchdog.communicate()
        self._output.close()
        self._reserved.close()

    def processes(self) -> list[psutil.Process]:
        with suppress(psutil.NoSuchProcess):
            return list(psutil.Process(self._watchdog.pid).children(recursive=True))
        return []

    def output(self) -> str:
        """Return what it has printed so far."""
        return os.pread(self._output.fileno(), 1 << 24, 0).decode(errors="replace")

    def last_words(self) -> str:
        """Return the last line of that, as the end of a sentence."""
        lines = self.output().strip().splitlines()
        return f"; it printed last: {lines[-1].strip()[:160]}" if lines else "; it printed nothing"

    def _wait_until_it_listens(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                break
            if self._watchdog.poll() is not None:
                raise NotListening(f"it ended{self.last_words()}")
            if time.monotonic() > end:
                raise NotListening(f"after {PATIENCE:g} s it doesn't listen at PORT{self.last_words()}")
            time.sleep(0.05)
        while time.monotonic() < end:  # while its other processes load, they use the processor
            before = self._processor_time()
            time.sleep(0.5)
            if self._processor_time() - before < 0.03:
                break

    def _processor_time(self) -> float:
        total = 0.0
        for process in self.processes():
            with suppress(psutil.Error):
                total += sum(process.cpu_times()[:2])
        return total
