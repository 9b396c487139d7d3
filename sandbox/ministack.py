"""A local AWS that decides by IAM policies: MiniStack, for the notebook about permissions.

It runs within the sandbox's process, on the sandbox's own port and behind its faults. MiniStack's start-up hook is not
run: it would open more ports and tidy up Docker containers, which are the learner's.

MiniStack pins one botocore exactly. So that it can't hold back the learner's SDK, it is installed with what it needs in
a folder of its own, which only the process that runs it puts on its path.
"""

from __future__ import annotations

import asyncio
import os
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from .faults import Faults, refusal

FOLDER = Path(sys.prefix) / "ministack"
LOCK = Path(__file__).with_name("requirements.txt")

SETTINGS = {
    "AUTH": "true",  # verify signatures and decide by policies
    "SERVICES": "iam,sts,secretsmanager",
    "MINISTACK_REGION": "us-west-2",
    "PERSIST_STATE": "0",
    "LOG_LEVEL": "ERROR",
}


def how_to_install() -> str:
    """The command that puts MiniStack into its folder, for the environment that this Python is of."""
    pip = [sys.executable, "-m", "pip", "install", "--upgrade", "--no-deps", "--require-hashes"]
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return join([*pip, "--target", str(FOLDER), "-r", str(LOCK)])


def installed() -> bool:
    return (FOLDER / "ministack").is_dir() or find_spec("ministack") is not None


class MiniStackServer:
    """Serves Secrets Manager, IAM and STS on 127.0.0.1 at `url` until the process ends.

    The `access_key`, whose secret is the same text, may do everything, as an account's administrator.

    Raises `ModuleNotFoundError` if MiniStack is not installed.
    """

    def __init__(self, faults: Faults, access_key: str) -> None:
        self._faults = faults
        self._listener = socket.socket()
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen(128)
        port = self._listener.getsockname()[1]
        # MiniStack reads its settings while it is imported.
        os.environ.update(
            SETTINGS,
            GATEWAY_PORT=str(port),
            AWS_ACCESS_KEY_ID=access_key,
            AWS_SECRET_ACCESS_KEY=access_key,
        )
        sys.path.insert(0, str(FOLDER))  # before the learner's botocore
        from hypercorn.asyncio import serve
        from ministack.app import app

        self._ministack, self._hypercorn = app, serve
        threading.Thread(target=self._serve, name="aws", daemon=True).start()
        self.url = f"http://127.0.0.1:{port}"

    def refuse(self) -> None:
        """Raises `ValueError`: only moto's server can close its port."""
        raise ValueError("choose the other AWS engine for this fault")

    def accept(self) -> None:
        """Connections are never refused here."""

    def keep(self) -> Callable[[], None]:
        """A function that makes the secrets what they are now."""
        from ministack.services import secretsmanager

        kept = secretsmanager.get_state()

        def put_back() -> None:
            secretsmanager.reset()
            secretsmanager.load_persisted_state(kept)

        return put_back

    def _serve(self) -> None:
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{self._listener.fileno()}"]
        config.keep_alive_timeout = 75
        config.loglevel = "ERROR"
        # Without a trigger of ours hypercorn waits for signals, which only a main thread can.
        asyncio.run(self._hypercorn(self._answer, config, shutdown_trigger=asyncio.Event().wait))

    async def _answer(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        operation = dict(scope["headers"]).get(b"x-amz-target", b"").decode().rpartition(".")[2]
        travel = self._faults.travel("aws", str(scope["client"][1]))
        fault = self._faults.meet("aws", operation)
        await asyncio.sleep(fault.delay + travel)
        if not fault.error:
            await self._ministack(scope, receive, send)
            return
        status, headers, body = refusal(fault)
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
        await send({"type": "http.response.body", "body": body})
