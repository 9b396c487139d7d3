"""Carry AWS's calls over HTTP: each passes the gate, waits, and gets the response of a `Service`.

Served by waitress, because moto's own server closes the connection after each response: here, as at AWS, a reused
client reuses its connection.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from waitress.server import create_server

from .aws_responses import Request, Response, Service, after
from .gate import AWS, LOST, Gate

THREADS = 64  # more than any notebook reads with at once, so that no call waits for a thread
CONNECTIONS = 2_000  # also idle ones: a client keeps its connections open


class AwsServer:
    """Serves on 127.0.0.1 at `url` until the process ends."""

    def __init__(self, answer: Service, gate: Gate) -> None:
        self.answer, self._gate = answer, gate
        server = create_server(
            self._serve,
            host="127.0.0.1",
            port=0,
            threads=THREADS,
            connection_limit=CONNECTIONS,
            asyncore_use_poll=True,
            ident=None,
        )
        self.url = f"http://127.0.0.1:{server.effective_port}"
        threading.Thread(target=server.run, name="aws", daemon=True).start()

    def _serve(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = _request(environ)
        channel = environ["waitress.client_disconnected"].__self__
        connection = f"{environ['REMOTE_PORT']} {id(channel)}"  # a port may come back with another channel
        met = self._gate.meet(AWS, request.operation, request.signed("key"), connection)
        time.sleep(met.delay)
        if met.error == LOST:
            channel.socket.shutdown(socket.SHUT_RDWR)
        response, sent = after(met, request, self.answer)
        start_response(_status(response), [*_headers(response)])
        # waitress closes a connection on which less arrives than was promised.
        return [sent]


def _request(environ: dict[str, Any]) -> Request:
    headers = {name[5:].replace("_", "-").lower(): text for name, text in environ.items() if name.startswith("HTTP_")}
    headers["content-type"] = environ.get("CONTENT_TYPE", "")
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    return Request(environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("QUERY_STRING", ""), headers, body)


def _status(response: Response) -> str:
    return f"{response.status} {HTTPStatus(response.status).phrase}"


def _headers(response: Response) -> Iterable[tuple[str, str]]:
    for name, text in response.headers.items():
        if name.lower() not in ("content-length", "connection", "transfer-encoding"):
            yield name, text
    yield "content-length", str(len(response.body))
