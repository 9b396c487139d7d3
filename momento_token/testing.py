"""For the tests of your own code: a key that `check` takes, and a Secrets Manager without AWS."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from typing import Any

import jwt
from botocore.exceptions import ClientError  # type: ignore[import-untyped, unused-ignore]

_numbers = count(1)


def fake_key() -> str:
    """Make a key in Momento's v2 format, another one each time. It opens nothing: Momento refuses it."""
    untyped: Any = jwt
    return str(untyped.encode({"t": "g", "id": f"fake-{next(_numbers)}"}, "this signs keys for tests, nothing else"))


class FakeSecretsManager:
    """A Secrets Manager with one secret: `TokenSource("any-name", lambda: FakeSecretsManager())`.

    `calls` counts the reads. While `error` is set, reads raise it; `error_of("AccessDeniedException")` makes one.
    """

    def __init__(self, value: str | None = None) -> None:
        self.value: object = fake_key() if value is None else value
        self.version, self.calls = 1, 0
        self.error: BaseException | None = None

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]:
        """Return the secret as boto3 does, or raise `error`."""
        self.calls += 1
        if self.error is not None:
            raise self.error
        kind = "SecretString" if isinstance(self.value, str) else "SecretBinary"
        return {kind: self.value, "VersionId": f"version-{self.version}"}

    def rotate(self, value: str | None = None) -> str:
        """Store another key, and return it."""
        self.value, self.version = value or fake_key(), self.version + 1
        return self.value


def error_of(code: str, status: int = 400, message: str = "…", operation: str = "GetSecretValue") -> ClientError:
    """Make the exception that boto3 raises for an error of AWS with this code."""
    response = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return ClientError(response, operation)
