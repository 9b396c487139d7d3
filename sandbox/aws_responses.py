"""A local AWS: what it answers to each request. moto answers for Secrets Manager and STS here; `ministack.py` decides by IAM.

A response is a plain function of the request; nothing here waits, and nothing needs a socket.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .gate import DROPPED, Met

CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/")


class Request(NamedTuple):
    """An HTTP request to AWS; the names of `headers` are in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        """The operation of Secrets Manager, or an empty text for other services."""
        return self.headers.get("x-amz-target", "").rpartition(".")[2]

    def signed(self, what: str) -> str:
        """Return "key", "region" or "service" as the signature names it, or an empty text."""
        found = CREDENTIAL.search(self.headers.get("authorization", ""))
        return found[what] if found else ""


class Response(NamedTuple):
    status: int
    headers: Mapping[str, str]
    body: bytes


Service = Callable[[Request], Response]


class Refused(Exception):
    """The response is this error: its code at AWS, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code, self.message = code, message

    def response(self, request: Request) -> Response:
        """Return the error in the protocol of the request: JSON, or XML for IAM and STS."""
        status = {"InternalServiceError": 500, "ServiceUnavailableException": 503}.get(self.code, 400)
        if "form" in request.headers.get("content-type", ""):
            error = f"<Error><Code>{self.code}</Code><Message>{self.message}</Message></Error>"
            return Response(status, {"content-type": "text/xml"}, f"<ErrorResponse>{error}</ErrorResponse>".encode())
        return json_response({"__type": self.code, "message": self.message}, status)


def after(met: Met, request: Request, service: Service) -> tuple[Response, bytes]:
    """Return the response to a request that met this, and what of its body is sent."""
    known = met.error in ("", DROPPED)
    response = service(request) if known else Refused(met.error, met.message).response(request)
    return response, response.body[: len(response.body) // 2] if met.error == DROPPED else response.body


def json_response(content: Any, status: int = 200, headers: Mapping[str, str] = {}) -> Response:
    """Return a response in the protocol of Secrets Manager; Lambda's differs in the content type only."""
    kind = {"content-type": "application/x-amz-json-1.1"}
    return Response(status, {**kind, **headers}, json.dumps(content).encode())


class Moto:
    """moto's answers, with one correction: see `_follow_the_label`."""

    def __init__(self) -> None:
        # Imported here: it takes half a second, and the process that has MiniStack does without.
        from moto.core.request import Request as MotoRequest
        from moto.secretsmanager.responses import SecretsManagerResponse
        from moto.sts.responses import TokenResponse

        self._services = {"secretsmanager": SecretsManagerResponse, "sts": TokenResponse}
        self._request = MotoRequest.from_primitives
        # moto loads the rest of its code with the first call: now, not in a call that a learner measures.
        signature = "AWS4-HMAC-SHA256 Credential=sandbox/20260101/us-west-2/secretsmanager/aws4_request"
        headers = {"x-amz-target": "secretsmanager.ListSecrets", "authorization": signature, "host": "localhost"}
        self(Request("POST", "/", "", {**headers, "content-type": "application/x-amz-json-1.1"}, b"{}"))

    def __call__(self, request: Request) -> Response:
        service = self._services.get(request.signed("service"))
        if service is None:
            return Refused("UnknownOperationException", "The sandbox has Secrets Manager and STS only.").response(
                request
            )
        url = f"http://{request.headers['host']}{request.path}"
        try:
            status, headers, body = service.dispatch(self._request(request.method, url, request.headers, request.body))
        except NotImplementedError:
            what = f"The sandbox doesn't respond to {request.operation}: try this call live."
            return Refused("UnknownOperationException", what).response(request)
        if request.operation == "UpdateSecretVersionStage":
            _follow_the_label()
        return Response(int(status), headers, body.encode() if isinstance(body, str) else body)


def forget_secrets() -> None:
    """Remove all that moto holds."""
    from moto.secretsmanager.models import secretsmanager_backends

    secretsmanager_backends.reset()


def _follow_the_label() -> None:
    """Correct what moto 5.2.5 leaves out when the label AWSCURRENT is moved.

    It keeps taking the version before for the current one: a read that names no label gets that, and the next new
    version leaves two with the label. We found no issue of moto's that names it; nearest is what it makes of a secret
    without AWSCURRENT, https://github.com/getmoto/moto/issues/9451. A test fails once moto needs no correction.
    """
    from moto.secretsmanager.models import FakeSecret, secretsmanager_backends

    secrets = [
        it
        for account in secretsmanager_backends.values()
        for region in account.values()
        for it in region.secrets.values()
    ]
    for secret in secrets:
        if not isinstance(secret, FakeSecret):
            continue  # a replica: it follows its secret
        for version in secret.versions.values():
            if "AWSCURRENT" in version["version_stages"]:
                secret.set_default_version_id(version["version_id"])
