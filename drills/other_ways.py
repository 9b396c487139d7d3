"""The ways in which services are given a token, in one drill on a moved clock: hours pass in seconds.

Each way is the same service in its own process. Two parts of the platforms are emulated: what puts the token into the
environment of a process that starts, and the driver that rewrites a mounted file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import boto3
import httpx
from botocore.exceptions import ClientError

from helpers.cloud import Cloud
from helpers.display import Table
from sandbox.processes import Server
from sandbox.run_plain_file import MOVED_CLOCK, MOVED_LIBRARY

from . import fault, reads_seen
from .rotation_drill import ROTATIONS, current_token, rotate

FLEET = 200  # processes
NEVER = float("inf")
# Seconds after a rotation at which each way is tried: each half minute for as long as most ways need, then each five
# minutes for longer than a copy of AWS's library may live, which is an hour.
MOMENTS = (0, *range(30, 361, 30), *range(600, 3901, 300))
# The default of the Secrets Store CSI driver's --rotation-poll-interval. AWS's provider for it calls DescribeSecret at each
# poll, and GetSecretValue if the version has changed (secrets_manager_provider.go, `isCurrent`).
POLL = 120

ENVIRONMENT, FILE, EXTENSION = "environment variable", "mounted file", "extension or agent"
LIBRARY, PATTERN = "AWS's library", "the pattern"
# As visits_by_other_ways.py calls them.
WAYS = {ENVIRONMENT: "environment", FILE: "file", EXTENSION: "extension", LIBRARY: "library", PATTERN: "pattern"}


@dataclass
class Outcome:
    """What one way did. Times are in seconds of the moved clock."""

    way: str
    stale: list[float] = field(default_factory=list)  # after each rotation, until a request succeeded, or `NEVER`
    stopped_after: float | None = None  # when it was denied the secret; None: it went on for two hours
    calls: int = 0  # to Secrets Manager, in an hour without a rotation

    @property
    def hits(self) -> int:
        """Count the rotations after which a request failed."""
        return sum(seconds > 0 for seconds in self.stale)

    @property
    def longest(self) -> float:
        return max(self.stale)


class Clock:
    """Seconds ahead, for this process and its children, which read them from the file."""

    def __init__(self, folder: Path) -> None:
        self.file, self.now = folder / "clock", 0.0
        self.move(0)

    def move(self, seconds: float) -> None:
        self.now += seconds
        _replace(self.file, str(self.now))


def _replace(file: Path, text: str) -> None:
    written = file.with_suffix(".new")
    written.write_text(text)
    os.replace(written, file)


class Running:
    """The services, each in its process, and what they depend on."""

    def __init__(self, cloud: Cloud, secret_name: str, folder: Path, stack: ExitStack) -> None:
        self._cloud, self._secret_name, self._folder, self._stack = cloud, secret_name, folder, stack
        self.outcomes = {way: Outcome(way) for way in WAYS}
        mount = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._clock, self._token_file = Clock(mount), mount / "token"
        self._sm, self._version, self._next_poll = boto3.client("secretsmanager"), "", 0.0
        self._tick(0)
        self._shared = {
            "SECRET_NAME": secret_name,
            "CACHE_NAME": "tutorial",
            "TOKEN_FILE": str(self._token_file),
            "AWS_SESSION_TOKEN": token_hex(16),
            MOVED_CLOCK: str(self._clock.file),
        }
        # A server whose clock has moved on by minutes closes the connections that are kept.
        alone = httpx.Limits(max_keepalive_connections=0)
        self._http = stack.enter_context(httpx.Client(limits=alone, timeout=20, trust_env=False))
        port = "PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"
        extension = self._serve_file("secrets_extension", **{port: "0"})
        self._shared[port] = extension.rpartition(":")[2]
        self._pool = stack.enter_context(ThreadPoolExecutor(len(WAYS)))
        self._addresses = dict(zip(WAYS, self._pool.map(self._start, WAYS), strict=True))

    def quiet_hour(self, way: str) -> None:
        """Count the calls of this way in an hour with a request a minute, in which nothing happens."""
        before = self._calls()
        for _ in range(60):
            self._clock.move(60)
            if way == FILE:
                self._poll_if_due()
            self._serves(way)
        self.outcomes[way].calls = self._calls() - before

    def rotation(self) -> None:
        """Rotate, revoke the old token immediately, and try each way until it serves again, for 65 minutes at most."""
        self._tick(41)  # no multiple of what the copies live for
        self._serve()  # so that whatever was due has been read
        rotate(self._cloud, self._secret_name)
        begun, back = self._clock.now, dict.fromkeys(WAYS, NEVER)
        for moment in MOMENTS:
            self._tick(begun + moment - self._clock.now)
            waiting = [way for way in WAYS if back[way] == NEVER]
            back |= {way: moment for way, serves in self._serve(waiting).items() if serves}
        for way, outcome in self.outcomes.items():
            outcome.stale.append(back[way])

    def denial(self) -> None:
        """Deny reading the secret for two hours, and note when each way stops."""
        for way, serves in self._serve().items():
            if not serves:  # its token was revoked, and only a restart gives it the current one
                self._addresses[way] = self._start(way)
        begun = self._clock.now
        with fault(self._cloud, error="AccessDeniedException"):
            for _ in range(24):
                self._tick(300)
                for way, serves in self._serve().items():
                    if not serves and self.outcomes[way].stopped_after is None:
                        self.outcomes[way].stopped_after = self._clock.now - begun

    def _tick(self, seconds: float) -> None:
        self._clock.move(seconds)
        self._poll_if_due()

    def _poll_if_due(self) -> None:
        """Rewrite the mounted file as the Secrets Store CSI driver does with AWS's provider."""
        if self._clock.now < self._next_poll:
            return
        self._next_poll = self._clock.now + POLL
        with suppress(ClientError):  # the driver logs an event, and leaves the file as it is
            versions = self._sm.describe_secret(SecretId=self._secret_name)["VersionIdsToStages"]
            if "AWSCURRENT" not in versions.get(self._version, ()):
                response = self._sm.get_secret_value(SecretId=self._secret_name, VersionStage="AWSCURRENT")
                _replace(self._token_file, response["SecretString"])
                self._version = response["VersionId"]

    def _start(self, way: str) -> str:
        """Start the service; the token that is current then is put into the environment of the one that needs it there."""
        own = {"WAY": WAYS[way]}
        if way == ENVIRONMENT:
            own["MOMENTO_API_KEY"] = current_token(self._secret_name)
        if way == LIBRARY:
            own[MOVED_LIBRARY] = "yes"
        return self._serve_file("visits_by_other_ways", **own)

    def _serve_file(self, module: str, **environment: str) -> str:
        server = Server(self._cloud, module, folder=self._folder, **{**self._shared, **environment})
        return self._stack.enter_context(server).address

    def _serves(self, way: str) -> bool:
        return self._http.post(f"{self._addresses[way]}/visits/user-1").status_code == 200

    def _serve(self, ways: Sequence[str] = tuple(WAYS)) -> dict[str, bool]:
        return dict(zip(ways, self._pool.map(self._serves, ways), strict=True))

    def _calls(self) -> int:
        return reads_seen(self._cloud) + self._cloud.calls_seen()["aws.DescribeSecret"]


def run_other_ways(
    cloud: Cloud, secret_name: str, folder: Path, step: Callable[[str], None] = lambda text: None
) -> list[Outcome]:
    """An hour in which nothing happens, ten rotations 65 minutes apart, and two hours without the permission to read."""
    with ExitStack() as stack:
        running = Running(cloud, secret_name, folder, stack)
        for way in WAYS:
            running.quiet_hour(way)
            step(f"a quiet hour: {way}")
        for number in range(1, ROTATIONS + 1):
            running.rotation()
            step(f"rotation {number}")
        running.denial()
        return list(running.outcomes.values())


def ways_table(outcomes: list[Outcome]) -> Table:
    calls = f"Calls an hour, {FLEET} processes"
    columns = ("The token comes from", "Rotations that hurt", "Stale for at most", "When denied", calls)
    rows = []
    for one in outcomes:
        denied = "goes on" if one.stopped_after is None else f"stops within {_span(one.stopped_after)}"
        rows.append((one.way, one.hits, _span(one.longest), denied, one.calls * FLEET))
    return Table(columns, rows, f"{ROTATIONS} rotations, 65 minutes apart; each old token revoked immediately")


def _span(seconds: float) -> str:
    if seconds == NEVER:
        return "until a restart"
    return f"{seconds:g} s" if seconds < 600 else f"{seconds / 60:g} min"
