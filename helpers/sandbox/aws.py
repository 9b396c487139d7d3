"""A local AWS: moto's server, which speaks the Secrets Manager protocol to the unchanged boto3."""

from __future__ import annotations

import json
import logging
import threading
import time

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server
from werkzeug.test import Client

from .faults import Faults


class _Handler(MotoRequestHandler):
    protocol_version = "HTTP/1.1"  # keeps connections open, as AWS does, so that a reused client really reuses one
    disable_nagle_algorithm = True


class AwsServer:
    """Serves on 127.0.0.1 at `url`, a thread a connection, until the process ends."""

    def __init__(self, faults: Faults) -> None:
        logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it would log every request
        self._faults = faults
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=_Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, name="aws", daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
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
        fault = self._faults.meet("aws", operation)
        time.sleep(fault.delay)
        if not fault.error:
            return self._moto(environ, start_response)
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))  # else it would open the next request
        body = json.dumps({"__type": fault.error, "message": fault.message}).encode()
        start_response(
            "500 Internal Server Error" if fault.error == "InternalServiceError" else "400 Bad Request",
            [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(body)))],
        )
        return [body]
