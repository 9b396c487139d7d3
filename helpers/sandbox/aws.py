"""A local AWS: moto, which speaks the Secrets Manager protocol to the unchanged boto3, or an endpoint of the learner's.

Served by waitress, as moto's own server closes the connection after each answer: here, as at AWS, a reused client
reuses its connection.
"""

from __future__ import annotations

import json
import socket
import threading
import time

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import secretsmanager_backends
from waitress.server import create_server
from werkzeug.test import Client

from .faults import DROPPED, Faults, Met
from .forward import Forward

THREADS = 64  # more than any notebook reads with at once, so that nobody waits for a thread


class AwsServer:
    """Serves on 127.0.0.1 at `url`, a thread a connection, until the process ends; by moto, or from `endpoint`.

    Others on this machine can reach the port too. moto believes everybody, so a call must be made with `access_key`;
    an endpoint of the learner's decides that itself.
    """

    def __init__(self, faults: Faults, access_key: str, endpoint: str | None = None) -> None:
        self._faults, self._access_key = faults, None if endpoint else access_key
        self._answers = Forward(endpoint, THREADS) if endpoint else _moto()
        # Never listened on: it keeps the port ours while `refuse` has closed the one that is.
        self._reserved = _bound_socket(0)
        port = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._listen(port)
        if not endpoint:
            threading.Thread(target=self._warm_up, name="warm-up", daemon=True).start()

    def refuse(self) -> None:
        """From now on connections are refused, and those that were open are closed: the service is away."""

        def close() -> None:
            for channel in list(self._server.active_channels.values()):
                channel.handle_close()
            self._server.close()

        if self._thread.is_alive():
            self._server.trigger.pull_trigger(close)
            self._thread.join()
            self._server.task_dispatcher.shutdown()

    def accept(self) -> None:
        """Listen again, if connections were refused."""
        if not self._thread.is_alive():
            self._listen(self._reserved.getsockname()[1])

    def _listen(self, port: int) -> None:
        self._server = create_server(self._answer, sockets=[_bound_socket(port)], threads=THREADS)
        self._thread = threading.Thread(target=self._server.run, name="aws", daemon=True)
        self._thread.start()

    def _warm_up(self) -> None:
        """Let moto load its part for Secrets Manager now, not in the learner's first measured call."""
        headers = {
            "Authorization": "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-west-2/secretsmanager/aws4_request",
            "X-Amz-Target": "secretsmanager.ListSecrets",
            "Content-Type": "application/x-amz-json-1.1",
        }
        Client(self._answers).post("/", data="{}", headers=headers)

    def _answer(self, environ, start_response):
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        self._faults.note_connection("aws", environ["REMOTE_PORT"])
        fault = self._stranger(environ) or self._faults.meet("aws", operation)
        time.sleep(fault.delay)
        if not fault.error:
            return self._answers(environ, start_response)
        if fault.error == DROPPED:
            # waitress keeps the promised length and closes the connection that falls short of it
            body = b"".join(self._answers(environ, start_response))
            return [body[: len(body) // 2]]
        status, headers, body = refusal(fault)
        start_response(status, headers)
        return [body]

    def _stranger(self, environ) -> Met | None:
        """What a call meets that was not made with the sandbox's own access key."""
        if not self._access_key:
            return None
        if f"Credential={self._access_key}/" in environ.get("HTTP_AUTHORIZATION", ""):
            return None
        return Met(
            error="UnrecognizedClientException",
            message="The security token included in the request is invalid.",
        )


def _moto():
    """moto as a WSGI application, with a mend: see `_let_defaults_follow_the_label`."""
    moto = DomainDispatcherApplication(create_backend_app)

    def answer(environ, start_response):
        body = moto(environ, start_response)
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".UpdateSecretVersionStage"):
            _let_defaults_follow_the_label()
        return body

    return answer


def _let_defaults_follow_the_label() -> None:
    """Make up for what moto 5.2.5 leaves out when the label AWSCURRENT is moved.

    It goes on taking the version before for the current one: a read that names no label gets that, and the next new
    version leaves two with the label.
    """
    for backends in secretsmanager_backends.values():
        for backend in backends.values():
            for secret in backend.secrets.values():
                for version in secret.versions.values():
                    if "AWSCURRENT" in version["version_stages"]:
                        secret.set_default_version_id(version["version_id"])


def _bound_socket(port: int) -> socket.socket:
    """A socket on this port, 0 for any that is free, which another one of ours may share."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_REUSEPORT", socket.SO_REUSEADDR), 1)
    bound.bind(("127.0.0.1", port))
    return bound


def refusal(fault: Met) -> tuple[str, list[tuple[str, str]], bytes]:
    """The answer to a call that meets an error: status line, headers and body, in the protocol of AWS."""
    body = json.dumps({"__type": fault.error, "message": fault.message}).encode()
    status = {
        "InternalServiceError": "500 Internal Server Error",
        "ServiceUnavailableException": "503 Service Unavailable",
    }.get(fault.error, "400 Bad Request")
    headers = [
        ("content-type", "application/x-amz-json-1.1"),
        ("content-length", str(len(body))),
    ]
    return status, headers, body
