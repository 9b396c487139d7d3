"""A proxy before an AWS endpoint of this machine, for what a stand-in doesn't do: lag, and errors for one secret."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import urllib3

from sandbox.aws_responses import Request, Response, json_response
from sandbox.aws_server import AwsServer
from sandbox.gate import AWS, Gate

# From the call's arguments to its response: a JSON object, (the error's code, its status), or None for the true response.
Rule = Callable[[dict[str, Any]], Any]


class Between:
    """`url` responds as `behind` does, except to the operations that have a rule."""

    def __init__(self) -> None:
        self._gate, self._pool = Gate(), urllib3.PoolManager(retries=False, maxsize=64)
        self.url = AwsServer(self._answer, self._gate).url

    def begin(self, behind: str, access_key: str) -> None:
        self.behind, self.rules = behind, dict[str, Rule]()
        self._gate.accept(AWS, access_key)

    def _answer(self, request: Request) -> Response:
        rule = self.rules.get(request.operation)
        instead = rule(json.loads(request.body)) if rule else None
        if instead is None:
            true = self._pool.request("POST", self.behind, body=request.body, headers=dict(request.headers))
            return Response(true.status, true.headers, true.data)
        if isinstance(instead, tuple):
            code, status = instead
            return json_response({"__type": code, "message": "A rule of the test"}, status)
        return json_response(instead)
