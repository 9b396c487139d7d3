"""A local AWS that decides by IAM policies: MiniStack, for the notebook about permissions.

Its ASGI application is called in the sandbox's process. Its start-up hook is not run: it would open more ports and
remove Docker containers, which are the learner's.

MiniStack pins one botocore exactly, and runs with others too. So that it can't hold back the learner's SDK, it is
installed in a folder of its own with what it needs except botocore, and uses the environment's. Only the process that
runs it puts the folder on its path.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Coroutine
from contextvars import copy_context
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .aws_responses import Request, Response
from .gate import AWS, Gate

FOLDER = Path(sys.prefix) / "ministack"
LOCK = Path(__file__).with_name("requirements.txt")

SETTINGS = {
    "AUTH": "true",  # verify signatures and decide by policies
    "SERVICES": "iam,sts,secretsmanager",
    "MINISTACK_REGION": "us-west-2",
    "PERSIST_STATE": "0",
    "LOG_LEVEL": "CRITICAL",  # a browser tab has not all services that others send their events to
}


def how_to_install() -> str:
    """The command that puts MiniStack into its folder, for the environment that this Python is of."""
    pip = [sys.executable, "-m", "pip", "install", "--upgrade", "--no-deps", "--require-hashes"]
    join = subprocess.list2cmdline if os.name == "nt" else shlex.join
    return join([*pip, "--target", str(FOLDER), "-r", str(LOCK)])


def installed() -> bool:
    return (FOLDER / "ministack").is_dir() or find_spec("ministack") is not None


class MiniStack:
    """MiniStack's answers for Secrets Manager, IAM and STS.

    The `access_key`, whose secret is the same text, may do everything, as an account's administrator. MiniStack would
    take `test` for an administrator too, and answers some paths without any key. So the gate lets only those keys
    through that were created here: each that IAM or STS returns is added to them.

    Raises `ModuleNotFoundError` if MiniStack is not installed.
    """

    def __init__(self, gate: Gate, access_key: str) -> None:
        # MiniStack reads its settings while it is imported.
        os.environ.update(SETTINGS, AWS_ACCESS_KEY_ID=access_key, AWS_SECRET_ACCESS_KEY=access_key)
        sys.path.insert(0, str(FOLDER))  # before the learner's botocore
        from ministack.app import app
        from ministack.services import iam, secretsmanager, sts

        for service in (iam, secretsmanager, sts):
            service.reset()  # in a browser tab it may not be the first of its process
        self._app, self._gate, self._lock = app, gate, threading.Lock()

    def __call__(self, request: Request) -> Response:
        with self._lock:
            response = copy_context().run(_result, self._respond(request))
        if request.signed("service") in ("iam", "sts"):
            for key in re.findall(rb"<AccessKeyId>(\w+)</AccessKeyId>", response.body):
                self._gate.accept(AWS, key.decode())
        return response

    async def _respond(self, request: Request) -> Response:
        """Call the application as an ASGI server does: https://asgi.readthedocs.io/en/latest/specs/www.html."""
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": request.path,
            "raw_path": request.path.encode(),
            "query_string": request.query.encode(),
            "headers": [(name.encode(), text.encode()) for name, text in request.headers.items()],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._app(scope, receive, send)
        headers = {name.decode(): text.decode() for name, text in sent[0].get("headers", [])}
        return Response(sent[0]["status"], headers, b"".join(message.get("body", b"") for message in sent[1:]))


def _result(coroutine: Coroutine[Any, Any, Response]) -> Response:
    """Run a coroutine that waits for nothing to its end: the services that we use answer without a loop or a thread."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        response: Response = end.value
        return response
    raise RuntimeError("MiniStack waits for something, which needs an event loop.")
