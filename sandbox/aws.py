"""A local AWS: moto, which speaks the Secrets Manager protocol to the unchanged boto3, or an endpoint of the learner's.

Served by waitress, as moto's own server closes the connection after each answer: here, as at AWS, a reused client
reuses its connection.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from copy import deepcopy

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.secretsmanager.models import FakeSecret, SecretsManagerBackend, secretsmanager_backends
from waitress.server import create_server
from werkzeug.test import Client

from .aws_forward import Forward
from .faults import DROPPED, LOST, Faults, Met, refusal
from .keys_api import KeysApi

THREADS = 64  # more than any notebook reads with at once, so that nobody waits for a thread


class AwsServer:
    """Serves on 127.0.0.1 at `url`, a thread a connection, until the process ends; by moto, or from `endpoint`.

    Others on this machine can reach the port too. moto believes everybody, so a call must be made with `access_key`;
    an endpoint of the learner's decides that itself.
    """

    def __init__(self, faults: Faults, access_key: str, endpoint: str | None = None) -> None:
        self._faults, self._access_key = faults, None if endpoint else access_key
        self.answers = self._service = Forward(endpoint, THREADS) if endpoint else _moto()
        # Momento's own HTTP API is served here, too, as one server is enough; it is no call to AWS.
        self.momento_keys: KeysApi | None = None
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

    def keep(self) -> Callable[[], None]:
        """A function that makes the secrets what they are now. Those of an endpoint of the learner's it leaves alone."""
        if isinstance(self._service, Forward):
            return lambda: None
        # At once, as a replica holds on to its secret.
        kept = deepcopy({backend.region_name: dict(backend.secrets) for backend in _backends()})

        def put_back() -> None:
            for backend in _backends():
                backend.secrets.clear()
                backend.secrets.update(kept.get(backend.region_name, {}))

        return put_back

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
        Client(self.answers).post("/", data="{}", headers=headers)

    def _answer(self, environ, start_response):
        if self.momento_keys and self.momento_keys.answers(environ["PATH_INFO"]):
            return self.momento_keys(environ, start_response)
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        channel = environ["waitress.client_disconnected"].__self__  # a port may come back in another
        travel = self._faults.travel("aws", f"{environ['REMOTE_PORT']} {id(channel)}")
        fault = self._stranger(environ) or self._faults.meet("aws", operation)
        time.sleep(fault.delay + travel)
        if not fault.error:
            return self.answers(environ, start_response)
        if fault.error == LOST:
            self._hang_up(environ["REMOTE_PORT"])
        if fault.error == DROPPED:
            # waitress keeps the promised length and closes the connection that falls short of it
            body = b"".join(self.answers(environ, start_response))
            return [body[: len(body) // 2]]
        status, headers, body = refusal(fault)
        start_response(status, headers)
        return [body]

    def _hang_up(self, port: str) -> None:
        """Close the connection from this port of the caller's; what is written to it afterwards goes nowhere."""
        for channel in list(self._server.active_channels.values()):
            if str(channel.addr[1]) == port:
                channel.socket.shutdown(socket.SHUT_RDWR)

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
    version leaves two with the label. We found no issue of moto's that names it; nearest is what it makes of a secret without
    AWSCURRENT, https://github.com/getmoto/moto/issues/9451. A test in tests/test_aws.py fails once moto needs no mend.
    """
    for backend in _backends():
        for secret in backend.secrets.values():
            if not isinstance(secret, FakeSecret):
                continue  # a replica: it follows its secret
            for version in secret.versions.values():
                if "AWSCURRENT" in version["version_stages"]:
                    secret.set_default_version_id(version["version_id"])


def _backends() -> list[SecretsManagerBackend]:
    """moto's, one for each region, in which somebody has called; the account is the same everywhere."""
    return [one for its in secretsmanager_backends.values() for one in its.values()]


def _bound_socket(port: int) -> socket.socket:
    """A socket on this port, 0 for any that is free, which another one of ours may share."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, getattr(socket, "SO_REUSEPORT", socket.SO_REUSEADDR), 1)
    bound.bind(("127.0.0.1", port))
    return bound
