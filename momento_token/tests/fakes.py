"""What the tests of the pattern share. They need boto3, momento, pytest and hypothesis, and nothing else of ours."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from itertools import count
from typing import Any

import jwt
from botocore.exceptions import ClientError

_numbers = count()


def new_api_key() -> str:
    """A key in Momento's v2 format, as helpers/sandbox makes them too."""
    return jwt.encode({"t": "g", "id": f"key-{next(_numbers)}"}, "k" * 32)


def new_v1_key() -> str:
    inside = {"endpoint": "cell.example.com", "api_key": new_api_key()}
    return base64.b64encode(json.dumps(inside).encode()).decode()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """What `TokenSource` knows of boto3's client."""

    def __init__(self) -> None:
        self.value: str | bytes | None = new_api_key()
        self.version, self.calls = "1", 0
        self.error: BaseException | None = None

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> dict[str, Any]:
        assert VersionStage == "AWSCURRENT"
        self.calls += 1
        if self.error:
            raise self.error
        if self.value is None:
            return {"SecretBinary": b"x", "VersionId": self.version}
        return {"SecretString": self.value, "VersionId": self.version}

    def rotate(self, value: str | None = None) -> str:
        self.value, self.version = value or new_api_key(), self.version + "+"
        return self.value


def at_once(work: Callable[[], None]) -> None:
    """In place of a thread: the read is over before the reader looks at it."""
    work()


class Steps(list[Callable[[], None]]):
    """In place of threads: reads that land when a test says so."""

    def __call__(self, work: Callable[[], None]) -> None:
        self.append(work)

    def land(self) -> None:
        self.pop(0)()


def failure(code: str, status: int = 400, operation: str = "GetSecretValue") -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "…"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that happens in another thread. Fails after a time that only a hang takes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(0.005)
