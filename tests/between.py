"""A proxy before an AWS endpoint of this machine, for what a stand-in doesn't do by itself: lag, and errors for one secret."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import urllib3

# What came in, and what to answer instead: a JSON object, or (an error's code, its status), or None for the true answer.
Rule = Callable[[dict[str, Any]], Any]


class Between:
    """`url` answers as `behind` does, but for the operations that have a rule."""

    def __init__(self, behind: str) -> None:
        self.behind = behind
        self.rules: dict[str, Rule] = {}
        self._pool = urllib3.PoolManager(retries=False)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(behind))
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self, behind: str) -> type[BaseHTTPRequestHandler]:
        between = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers.get("X-Amz-Target", "").rpartition(".")[2]
                rule = between.rules.get(operation)
                instead = rule(json.loads(body)) if rule else None
                if instead is None:
                    answer = between._pool.request("POST", behind, body=body, headers=dict(self.headers))
                    status, said = answer.status, answer.data
                elif isinstance(instead, tuple):
                    code, status = instead
                    said = json.dumps({"__type": code, "message": "A rule of the test"}).encode()
                else:
                    status, said = 200, json.dumps(instead).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_) -> None:
                pass

        return Handler
