"""A JupyterLab server as a context: started as `make lab` and Binder start it, on a port of its own."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

OPTIONS = [
    "--allow-root",
    "--no-browser",
    "--ip=127.0.0.1",
    "--port=0",
    "--IdentityProvider.token=",
    "--ServerApp.disable_check_xsrf=True",
]


@dataclass(frozen=True)
class LabServer:
    address: str
    pid: int

    def ask(self, path: str, **body) -> dict[str, Any]:
        """Ask its API: GET, or POST where there is a body."""
        data = json.dumps(body).encode() if body else None
        with urlopen(Request(self.address + path, data), timeout=30) as answer:
            return json.load(answer)


@contextmanager
def lab_server(command: Sequence[str], folder: Path, environment: dict[str, str], log: Path) -> Iterator[LabServer]:
    """`command` and OPTIONS, run in `folder`; ends the server afterwards. Raises RuntimeError with its log."""
    with log.open("w") as written:
        server = subprocess.Popen([*command, *OPTIONS], cwd=folder, env=environment, stdout=written, stderr=written)
    try:
        yield LabServer(_address(server, log), server.pid)
    finally:
        server.terminate()
        server.wait(20)


def _address(server: subprocess.Popen, log: Path) -> str:
    """Return the address that the server names, once it takes connections: it names it a moment before."""
    for _ in range(600):
        if found := re.search(r"http://(127\.0\.0\.1):(\d+)", log.read_text()):
            with suppress(OSError), socket.create_connection((found[1], int(found[2])), timeout=5):
                return found[0]
        if server.poll() is not None:
            break
        time.sleep(0.1)
    raise RuntimeError(log.read_text()[-2000:])
