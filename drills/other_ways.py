"""The ways in which services are given a token, under one drill on a moved clock: hours pass in seconds.

Each way is the same service in a process of its own. Of the platforms two parts are played: whoever puts the token into the
environment of a process that starts, and the driver that rewrites a mounted file.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from secrets import token_hex

import boto3
import httpx

from helpers.cloud import Cloud
from helpers.display import Table
from sandbox.plain_file import MOVED_CLOCK, MOVED_LIBRARY
from sandbox.processes import Server

from .rotation_drill import ROTATIONS, rotate

FLEET = 200  # processes
HOUR = 3600
STEP = 60  # seconds between two requests of the quiet hour
# After a rotation: each half minute for as long as most ways need, then each five minutes for longer than a copy of AWS's
# library may live, which is an hour.
MOMENTS = (*range(30, 361, 30), *range(600, HOUR + 301, 300))
# The default of the Secrets Store CSI driver's --rotation-poll-interval. AWS's provider for it calls DescribeSecret at each
# poll, and GetSecretValue if the version has changed (secrets_manager_provider.go, `isCurrent`).
POLL = 120

ENVIRONMENT, FILE, EXTENSION, LIBRARY, PATTERN = WAYS = (
    "environment variable",
    "mounted file",
    "extension or agent",
    "AWS's library",
    "the pattern",
)
# As visits_by_other_ways.py calls them.
_NAMES = {
    ENVIRONMENT: "environment",
    FILE: "file",
    EXTENSION: "extension",
    LIBRARY: "library",
    PATTERN: "pattern",
}
_NEEDS = {
    ENVIRONMENT: "the platform reads: its execution role may; no code",
    FILE: "a driver on each node; GetSecretValue and DescribeSecret for the pod's role; read the file each time",
    EXTENSION: "a process beside yours; GetSecretValue for your role; an HTTP call",
    LIBRARY: "a package; GetSecretValue and DescribeSecret",
    PATTERN: "a folder of code, in Python; GetSecretValue",
}


@dataclass
class Outcome:
    """What one way did. Times are in seconds of the moved clock."""

    way: str
    # After each rotation, until a request succeeded; infinite if none did until the next rotation.
    stale: list[float] = field(default_factory=list)
    cured: bool | None = None  # by a restart, if it was still failing at the end
    # When it was denied the secret; None: it went on for two hours.
    stopped_after: float | None = None
    calls: int = 0  # to Secrets Manager, in an hour without a rotation

    @property
    def hits(self) -> int:
        """Of `ROTATIONS` rotations, after how many a request failed."""
        return sum(seconds > 0 for seconds in self.stale)

    @property
    def longest(self) -> float:
        return max(self.stale)

    @property
    def needs_restart(self) -> bool:
        return self.longest == float("inf")

    @property
    def needs(self) -> str:
        return _NEEDS[self.way]


class Clock:
    """Seconds ahead, for this process and its children: they read them from the file."""

    def __init__(self, folder: Path) -> None:
        self.file, self.now = folder / "clock", 0.0
        self.move(0)

    def move(self, seconds: float) -> None:
        self.now += seconds
        written = self.file.with_suffix(".new")
        written.write_text(str(self.now))
        os.replace(written, self.file)


class Driver:
    """Rewrites the mounted file, as the Secrets Store CSI driver does with AWS's provider."""

    def __init__(self, clock: Clock, secret_name: str, file: Path) -> None:
        self._clock, self._secret_name, self._file = clock, secret_name, file
        self._client, self._version, self._next = boto3.client("secretsmanager"), "", 0.0

    def run(self) -> None:
        """Poll, if that is due."""
        if self._clock.now < self._next:
            return
        self._next = self._clock.now + POLL
        try:
            self._poll()
        except self._client.exceptions.ClientError:
            pass  # it logs an event, and leaves the file as it is

    def _poll(self) -> None:
        described = self._client.describe_secret(SecretId=self._secret_name)
        if "AWSCURRENT" in described["VersionIdsToStages"].get(self._version, ()):
            return
        answer = self._client.get_secret_value(SecretId=self._secret_name, VersionStage="AWSCURRENT")
        written = self._file.with_suffix(".new")
        written.write_text(answer["SecretString"])
        os.replace(written, self._file)
        self._version = answer["VersionId"]


class Running:
    """The services, each in its process, and what they depend on."""

    def __init__(self, cloud: Cloud, secret_name: str, folder: Path, stack: ExitStack) -> None:
        self._cloud, self._secret_name = cloud, secret_name
        self._folder, self._stack = folder, stack
        mount = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._clock, self._token_file = Clock(mount), mount / "token"
        self._driver = Driver(self._clock, secret_name, self._token_file)
        self._driver.run()
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
        extension = stack.enter_context(
            Server(
                cloud,
                "secrets_extension",
                folder=folder,
                PARAMETERS_SECRETS_EXTENSION_HTTP_PORT="0",
                **self._shared,
            )
        )
        port = extension.address.rpartition(":")[2]
        self._shared["PARAMETERS_SECRETS_EXTENSION_HTTP_PORT"] = port
        self._pool = stack.enter_context(ThreadPoolExecutor(len(WAYS)))
        self._addresses = dict(zip(WAYS, self._pool.map(self._start, WAYS), strict=True))
        self.outcomes = {way: Outcome(way) for way in WAYS}

    def quiet_hour(self, way: str) -> None:
        """How many calls does it make in an hour in which nothing happens?"""
        before = self._calls()
        for _ in range(0, HOUR, STEP):
            self._clock.move(STEP)
            if way == FILE:
                self._driver.run()
            self._serves(way)
        self.outcomes[way].calls = self._calls() - before

    def rotation(self) -> None:
        """Rotate, revoke the old token at once, and ask each way until it serves again, for 65 minutes at most."""
        self._tick(41)  # no multiple of what the copies live for
        self._serve()  # so that whatever was due has been read
        rotate(self._cloud, self._secret_name)
        begun, back = self._clock.now, dict.fromkeys(WAYS, float("inf"))
        for moment in (0, *MOMENTS):
            self._tick(begun + moment - self._clock.now)
            waiting = [way for way in WAYS if back[way] == float("inf")]
            back |= {way: moment for way, serves in self._serve(waiting).items() if serves}
        for way, outcome in self.outcomes.items():
            outcome.stale.append(back[way])

    def restarts(self) -> None:
        """Restart whatever fails now. Does it serve?"""
        for way, serves in self._serve().items():
            if not serves:
                self._addresses[way] = self._start(way)
                self.outcomes[way].cured = self._serves(way)

    def denial(self) -> None:
        """Take the permission to read the secret away: who stops within two hours, and when?"""
        begun = self._clock.now
        self._cloud.add_fault("aws", error="AccessDeniedException")
        try:
            for _ in range(24):
                self._tick(300)
                for way, serves in self._serve().items():
                    if not serves and self.outcomes[way].stopped_after is None:
                        self.outcomes[way].stopped_after = self._clock.now - begun
        finally:
            self._cloud.clear_faults()

    def _tick(self, seconds: float) -> None:
        self._clock.move(seconds)
        self._driver.run()

    def _start(self, way: str) -> str:
        """Start its service; whoever starts it puts the token that is current then into its environment."""
        own = {"WAY": _NAMES[way]}
        if way == ENVIRONMENT:
            own["MOMENTO_API_KEY"] = boto3.client("secretsmanager").get_secret_value(
                SecretId=self._secret_name, VersionStage="AWSCURRENT"
            )["SecretString"]
        if way == LIBRARY:
            own[MOVED_LIBRARY] = "yes"
        server = Server(self._cloud, "visits_by_other_ways", folder=self._folder, **self._shared, **own)
        return self._stack.enter_context(server).address

    def _serves(self, way: str) -> bool:
        return self._http.post(f"{self._addresses[way]}/visits/user-1").status_code == 200

    def _serve(self, ways: Sequence[str] = WAYS) -> dict[str, bool]:
        return dict(zip(ways, self._pool.map(self._serves, ways), strict=True))

    def _calls(self) -> int:
        seen = self._cloud.calls_seen()
        return seen.get("aws.GetSecretValue", 0) + seen.get("aws.DescribeSecret", 0)


def run_other_ways(
    cloud: Cloud, secret_name: str, folder: Path, step: Callable[[str], None] = lambda text: None
) -> list[Outcome]:
    """An hour in which nothing happens, ten rotations 65 minutes apart, and two hours without the permission to read."""
    with _running(cloud, secret_name, folder) as ways:
        for way in WAYS:
            ways.quiet_hour(way)
            step(f"a quiet hour: {way}")
        for number in range(1, ROTATIONS + 1):
            ways.rotation()
            step(f"rotation {number}")
        ways.restarts()
        ways.denial()
        return list(ways.outcomes.values())


@contextmanager
def _running(cloud: Cloud, secret_name: str, folder: Path) -> Iterator[Running]:
    with ExitStack() as stack:
        yield Running(cloud, secret_name, folder, stack)


def ways_table(outcomes: list[Outcome]) -> Table:
    columns = (
        "The token comes from",
        "Rotations after which requests failed",
        "Stale for at most",
        "Cured by",
        "When denied the secret",
        f"Calls an hour, {FLEET} processes",
        "It needs",
    )
    rows = [
        (
            outcome.way,
            outcome.hits,
            _span(outcome.longest),
            _cure(outcome),
            "goes on" if outcome.stopped_after is None else f"stops within {_span(outcome.stopped_after)}",
            outcome.calls * FLEET,
            outcome.needs,
        )
        for outcome in outcomes
    ]
    return Table(columns, rows, f"{ROTATIONS} rotations, 65 minutes apart; each old token revoked at once")


def _cure(outcome: Outcome) -> str:
    if outcome.longest == 0:
        return "itself, in the request"
    if outcome.cured is None:
        return "the next read"
    return "a restart" if outcome.cured else "nothing"


def _span(seconds: float) -> str:
    if seconds == float("inf"):
        return "all the time"
    return f"{seconds:g} s" if seconds < 600 else f"{seconds / 60:g} min"
