"""A local AWS: moto, which speaks the Secrets Manager protocol to the unchanged boto3.

Served by waitress, as moto's own server closes the connection after each answer: here, as at AWS, a reused client
reuses its connection.
"""

from __future__ import annotations

import json
import threading
import time

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from waitress.server import create_server
from werkzeug.test import Client

from .faults import Faults, Met

THREADS = 64  # more than any notebook reads with at once, so that nobody waits for a thread


class AwsServer:
    """Serves on 127.0.0.1 at `url`, a thread a connection, until the process ends."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = create_server(self._answer, host="127.0.0.1", port=0, threads=THREADS)
        threading.Thread(target=self._server.run, name="aws", daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.effective_port}"
        threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def _warm_up(self) -> None:
        """Let moto load its part for Secrets Manager now, not in the learner's first measured call."""
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-west-2/secretsmanager/aws4_request",
            "X-Amz-Target": "secretsmanager.ListSecrets",
            "Content-Type": "application/x-amz-json-1.1",
        }
        Client(self._moto).post("/", data="{}", headers=headers)

    def _answer(self, environ, start_response):
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        self._faults.note_connection("aws", environ["REMOTE_PORT"])
        fault = self._faults.meet("aws", operation)
        time.sleep(fault.delay)
        if not fault.error:
            return self._moto(environ, start_response)
        status, headers, body = refusal(fault)
        start_response(status, headers)
        return [body]


def refusal(fault: Met) -> tuple[str, list[tuple[str, str]], bytes]:
    """The answer to a call that meets an error: status line, headers and body, in the protocol of AWS."""
    body = json.dumps({"__type": fault.error, "message": fault.message}).encode()
    status = (
        "500 Internal Server Error" if fault.error == "InternalServiceError" else "400 Bad Request"
    )
    headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("content-length", str(len(body))),
    ]
    return status, headers, body
