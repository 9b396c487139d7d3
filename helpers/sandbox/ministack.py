"""A local AWS that decides by IAM policies: MiniStack, for the notebook about permissions.

It runs within the sandbox's process, on the sandbox's own port and behind its faults. MiniStack's start-up hook is not
run: it would open more ports and tidy up Docker containers, which are the learner's.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading

from .aws import refusal
from .faults import Faults

SETTINGS = {
    "AUTH": "true",  # verify signatures and decide by policies
    "SERVICES": "iam,sts,secretsmanager",
    "MINISTACK_REGION": "us-west-2",
    "PERSIST_STATE": "0",
    "LOG_LEVEL": "ERROR",
}


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
        from ministack.app import app

        self._ministack = app
        threading.Thread(target=self._serve, name="aws", daemon=True).start()
        self.url = f"http://127.0.0.1:{port}"

    def refuse(self) -> None:
        """Raises `ValueError`: only moto's server can close its port."""
        raise ValueError("choose the other AWS engine for this fault")

    def accept(self) -> None:
        """Connections are never refused here."""

    def _serve(self) -> None:
        from hypercorn.asyncio import serve
        from hypercorn.config import Config

        config = Config()
        config.bind = [f"fd://{self._listener.fileno()}"]
        config.keep_alive_timeout = 75
        config.loglevel = "ERROR"
        # Without a trigger of ours hypercorn waits for signals, which only a main thread can.
        asyncio.run(serve(self._answer, config, shutdown_trigger=asyncio.Event().wait))

    async def _answer(self, scope, receive, send) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            return
        operation = dict(scope["headers"]).get(b"x-amz-target", b"").decode().rpartition(".")[2]
        self._faults.note_connection("aws", str(scope["client"][1]))
        fault = self._faults.meet("aws", operation)
        await asyncio.sleep(fault.delay)
        if not fault.error:
            await self._ministack(scope, receive, send)
            return
        status, headers, body = refusal(fault)
        raw = [(name.encode(), value.encode()) for name, value in headers]
        await send({"type": "http.response.start", "status": int(status[:3]), "headers": raw})
        await send({"type": "http.response.body", "body": body})
