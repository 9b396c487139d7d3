"""Deliver a token in several ways through hours of a moved clock: ten rotations, then two hours without permission to read.

Three parts of the platforms are emulated: the variables of a process that starts, the driver that rewrites a mounted
file, and Lambda's extension.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from threading import Thread
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qs, urlsplit

import boto3
from aws_secretsmanager_caching.cache import items
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations

from helpers.cloud import Cloud
from helpers.display import Table
from helpers.ledger import is_error
from momento_token import SharedClient, TokenSource

from . import fault
from .library_clock import library_clock
from .rotation_drill import ROTATIONS, current_token, rotate

ENVIRONMENT, EXTENSION, PATTERN = "environment variable", "extension or agent", "the pattern"
NEVER = float("inf")
TRIES = range(0, 66 * 60, 60)  # seconds after a rotation at which each way is tried
# The Secrets Store CSI driver (1.6.0) refreshes a file when the kubelet calls it, and the file is this old. The interval is
# what AWS's provider recommends in its README; the kubelet calls each minute and ten seconds, say the driver's maintainers
# (https://github.com/kubernetes-sigs/secrets-store-csi-driver/pull/1622).
INTERVAL, KUBELET = 3_600, 70
EXTENSION_TTL = 300  # seconds; it is the default of the extension and of the agent

Call = Callable[[Callable[[CacheClient], Any]], Any]  # takes an operation on a client, and returns Momento's response
# By name, what makes a reader of the token, as a process that starts.
Ways = Mapping[str, Callable[[], Callable[[], str]]]


@dataclass
class Outcome:
    """Hold what one way did, in seconds of the moved clock."""

    way: str
    stale: list[float] = field(default_factory=list)  # after each rotation, until a request succeeded, or `NEVER`
    stopped_after: float | None = None  # when it was denied the secret; None: it went on for two hours

    @property
    def hits(self) -> int:
        """Count the rotations after which a request failed."""
        return sum(seconds > 0 for seconds in self.stale)


class Extension(ThreadingHTTPServer):
    """Stand in for AWS's Parameters and Secrets Lambda extension, which exists as a Lambda layer only.

    It follows https://docs.aws.amazon.com/lambda/latest/dg/with-secrets-manager.html: the path, the header, the URL-encoded
    name, 300 seconds. The page gives no status for a request without the header; 401 is a guess.
    """

    def __init__(self, session_token: str, now: Callable[[], float]) -> None:
        super().__init__(("127.0.0.1", 0), _ExtensionRequest)
        self.session_token, self.now = session_token, now
        self.secrets = boto3.client("secretsmanager")
        self.copies: dict[str, tuple[float, dict[str, Any]]] = {}  # by name: until when it is good, and the response


class _ExtensionRequest(BaseHTTPRequestHandler):
    server: Extension

    def do_GET(self) -> None:
        status, content = self._response()
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content, default=str).encode())

    def _response(self) -> tuple[int, dict[str, Any]]:
        if self.headers["X-Aws-Parameters-Secrets-Token"] != self.server.session_token:
            return 401, {"message": "X-Aws-Parameters-Secrets-Token is missing or wrong"}
        url = urlsplit(self.path)
        (name, *_) = parse_qs(url.query).get("secretId", [""])
        if url.path != "/secretsmanager/get" or not name:
            return 400, {"message": "the path is /secretsmanager/get?secretId=…"}
        good_until, content = self.server.copies.get(name, (-NEVER, {}))
        if self.server.now() >= good_until:
            try:
                content = self.server.secrets.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
            except ClientError as error:
                return error.response["ResponseMetadata"]["HTTPStatusCode"], dict(error.response["Error"])
            self.server.copies[name] = self.server.now() + EXTENSION_TTL, content
        return 200, content

    def log_message(self, format: str, *arguments: object) -> None:
        """Log nothing."""


@contextmanager
def extension(now: Callable[[], float]) -> Iterator[dict[str, str]]:
    """Serve as the extension while the block runs; gives the variables that Lambda sets for it."""
    with Extension("a-session", now) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        port = str(server.server_port)
        try:
            yield {"PARAMETERS_SECRETS_EXTENSION_HTTP_PORT": port, "AWS_SESSION_TOKEN": server.session_token}
        finally:
            server.shutdown()


class Hours:
    """Run each way through the hours of the moved clock."""

    def __init__(self, cloud: Cloud, secret_name: str, ways: Ways, stack: ExitStack) -> None:
        self._cloud, self._secret_name, self._ways = cloud, secret_name, ways
        self._clock = stack.enter_context(library_clock())
        # So that AWS's library chooses the same lifetimes in every run.
        stack.enter_context(patch.object(items, "randint", Random(1).randint))
        self._file = Path(stack.enter_context(tempfile.TemporaryDirectory()), "token")
        self._written_at = -NEVER
        self._tick(0)
        self._variables = stack.enter_context(extension(self._now)) | {"TOKEN_FILE": str(self._file)}
        # The ways that are given a token share a client for each; the pattern makes and closes its own.
        self._client_of = cache(lambda token: stack.enter_context(self._new_client(token)))
        source = TokenSource(secret_name, clock=self._now)
        pattern = stack.enter_context(SharedClient(source, self._new_client))
        self._calls: dict[str, Call] = {way: self._start(way) for way in ways} | {PATTERN: pattern.call}
        self.outcomes = {way: Outcome(way) for way in self._calls}

    def rotation(self) -> None:
        """Rotate, revoke the old token immediately, and try each way every minute, for 65 minutes."""
        self._tick(41)  # so that no way's refreshes keep in step with the rotations
        for way in self._calls:
            self._serves(way)  # so that what was due has been read
        rotate(self._cloud, self._secret_name)
        back: dict[str, float] = {}
        for seconds in TRIES:
            self._tick(60 if seconds else 0)
            back |= {way: seconds for way in self._calls if way not in back and self._serves(way)}
        for way, outcome in self.outcomes.items():
            outcome.stale.append(back.get(way, NEVER))

    def denial(self) -> None:
        """Deny reading the secret for two hours, and note when each way stops."""
        for way in self._calls:
            if not self._serves(way):  # its token was revoked, and only a restart gives it the current one
                self._calls[way] = self._start(way)
        with fault(self._cloud, error="AccessDeniedException"):
            for seconds in range(300, 7_201, 300):
                self._tick(300)
                for way, outcome in self.outcomes.items():
                    if outcome.stopped_after is None and not self._serves(way):
                        outcome.stopped_after = seconds

    def _now(self) -> float:
        return self._clock.now

    def _tick(self, seconds: float) -> None:
        self._clock.now += seconds
        called_at = self._now() - self._now() % KUBELET
        if called_at >= self._written_at + INTERVAL:
            with suppress(ClientError):  # the driver logs an error, and leaves the file as it is
                self._file.write_text(current_token(self._secret_name))
                self._written_at = called_at

    def _start(self, way: str) -> Call:
        """Make a reader, as a process does that starts now."""
        variables = self._variables | {"MOMENTO_API_KEY": current_token(self._secret_name)}
        with patch.dict(os.environ, variables):
            read = self._ways[way]()
        return lambda operation: operation(self._client_of(read()))

    def _new_client(self, token: str) -> CacheClient:
        credentials = self._cloud.credentials_from(token)
        return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))

    def _serves(self, way: str) -> bool:
        try:
            return not is_error(self._calls[way](lambda client: client.increment("tutorial", "visits")))
        except Exception:  # whatever a reader raises, the request failed
            return False


def run_other_ways(cloud: Cloud, secret_name: str, ways: Ways) -> list[Outcome]:
    """Run these ways and the pattern through ten rotations, 66 minutes apart, and two hours without permission."""
    with ExitStack() as stack:
        hours = Hours(cloud, secret_name, ways, stack)
        for _ in range(ROTATIONS):
            hours.rotation()
        hours.denial()
        return list(hours.outcomes.values())


def ways_table(outcomes: list[Outcome]) -> Table:
    columns = (
        "The token comes from",
        "Rotations that hurt",
        "Longest use of a revoked token",
        "When denied the secret",
    )
    rows = []
    for one in outcomes:
        denied = "goes on" if one.stopped_after is None else f"stops within {_span(one.stopped_after)}"
        rows.append((one.way, one.hits, _span(max(one.stale)), denied))
    return Table(columns, rows, f"{ROTATIONS} rotations, 66 minutes apart; each old token revoked immediately")


def _span(seconds: float) -> str:
    return "until a restart" if seconds == NEVER else f"{seconds / 60:g} min"
