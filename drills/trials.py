"""Try a service before you ship it, in any language: five trials, black box, with real faults and on the real clock.

A service is a command; docs/run_it.md says what it gets and what it has to do. Each trial starts it, sends requests from 32
threads, and kills it. No trial trusts what the service says: the sandbox counts reads, and Momento's counter the visits.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import NamedTuple

import boto3
import httpx
import psutil
from momento import CacheClient, Configurations
from momento.responses import CacheGet

from helpers.cloud import Cloud
from helpers.display import Table
from helpers.timing import OVERLAP, THREADS, at_once
from sandbox.program import NotListening, Program

from . import fault
from .learner_code import KEY

SECRET_NAME, CACHE_NAME = "trials/momento-api-key", "tutorial"
# Seconds. A TTL is an integer, as some libraries take no other, and longer than a read with sound timeouts and retries. A
# service may limit itself to one read a second, so a rotation waits until there was no read for longer than that.
TTL, SHORT_TTL, LONG_TTL, APART = 3, 1, 3600, 2.0
LONGER = TTL + 1.5  # so that a service which reads once in a TTL reads in this time
# Seconds: for a request in an outage and for a service to stop, on an idle machine; for all that isn't a trial's subject.
DEADLINE, PATIENCE, STALLED = 5.0, 6.0, 30.0
BUSY_DEADLINE, PACE = 2 * DEADLINE, 0.1  # at most; between two requests of a thread
ROTATIONS, LEAK = 2, 20  # the second is the number of characters of a token that tell too much
LOST = "connection lost"
DENIED = "User is not authorized to perform: secretsmanager:GetSecretValue"


class Finding(NamedTuple):
    """What a sound service does; what this one did instead, or an empty text; a hint; the seconds that the trial took."""

    wanted: str
    seen: str
    hint: str
    seconds: float


class Unsound(Exception):
    """What a trial saw, and the hint for it if the trial's own doesn't fit."""


class Service(Program):
    """The service on trial, and the requests that it gets."""

    def __init__(self, cloud: Cloud, command: Sequence[str], ttl: int, **environment: str) -> None:
        named = {"SECRET_NAME": SECRET_NAME, "CACHE_NAME": CACHE_NAME, "TOKEN_TTL": str(ttl)}
        super().__init__(cloud, command, **named, **environment)
        self._cloud, self._user, self._succeeded, self._lost = cloud, f"user-{time.time_ns()}", 0, 0
        self.bodies: list[str] = []
        # A connection for each request, so that it may meet any process of the service.
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
        self._http = httpx.Client(
            base_url=self.address, limits=limits, headers={"Connection": "close"}, trust_env=False
        )

    def request(self, seconds: float = STALLED) -> str:
        """Send one request. Return the code of its failure, or an empty text."""
        try:
            response = self._http.post(f"/visits/{self._user}", timeout=seconds)
        except httpx.TimeoutException:
            return f"no response within {seconds:.0f} s"
        except (httpx.ReadError, httpx.RemoteProtocolError):
            return LOST
        except httpx.HTTPError as error:
            return type(error).__name__
        self.bodies.append(response.text)
        if response.status_code == 200 and re.search(r'"visits"\s*:\s*\d', response.text):
            return ""
        code = re.search(r'"error"\s*:\s*"([\w.-]{1,50})"', response.text)
        return f"{response.status_code} {code[1] if code else 'with neither a number of visits nor an error code'}"

    def wave(self, seconds: float = STALLED, pause: float = 0.0) -> list[str]:
        """Send 32 requests at the same moment, after a pause, and return their codes."""
        time.sleep(pause)
        codes = [str(code) for code in at_once(lambda: self.request(seconds))]
        self._succeeded += codes.count("")
        self._lost += codes.count(LOST)
        return codes

    def warm_up(self) -> float:
        """Send requests until each process that takes them has had one, and return the seconds of the last 32.

        Such a process listens, has no child that does, and is connected to Momento. One that passes its requests on to
        others never is: ten waves warm these too.
        """
        for wave in range(10):
            began = time.monotonic()
            with fault(self._cloud, "momento", "Increment", delay=OVERLAP / 4):
                self.must_succeed(self.wave())
            seconds = time.monotonic() - began
            if wave and self._each_has_served():
                break
        return seconds

    def _each_has_served(self) -> bool:
        parents, served, momento = dict[int, int](), set[int](), self._cloud.program_environment()["grpc_proxy"]
        for process in self.processes():
            with suppress(psutil.Error):
                for one in process.net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN and one.laddr.port == self.port:
                        parents[process.pid] = process.ppid()
                    elif one.raddr and momento.endswith(f":{one.raddr.port}"):
                        served.add(process.pid)
        return set(parents) - set(parents.values()) <= served

    def must_succeed(self, codes: Sequence[str], when: str = "") -> None:
        """Raise `Unsound`, with how many of how many requests failed and their codes, if one did.

        One lost connection is no finding: on a very busy machine gunicorn was seen to lose one in 40,000.
        """
        if (failed := Counter(filter(None, codes))) not in (Counter(), Counter([LOST])):
            each = ", ".join(f"{code} ({times})" for code, times in failed.most_common(3))
            seen = f"{when}{failed.total():,} of {len(codes):,} requests failed: {each}"
            raise Unsound(seen if self._succeeded else seen + KEY.sub("<hidden>", self.last_words()))

    def must_count_right(self) -> None:
        """Raise `Unsound` if Momento's counter differs from the requests that succeeded."""
        credentials = self._cloud.credentials_from(self._cloud.issue_api_key())  # which no rotation revokes
        with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=10)) as client:
            response = client.get(CACHE_NAME, f"visits/{self._user}")
        counted = int(response.value_string) if isinstance(response, CacheGet.Hit) else 0
        if not self._succeeded <= counted <= self._succeeded + self._lost:
            seen = f"Momento counted {counted:,} visits, and {self._succeeded:,} requests succeeded"
            raise Unsound(seen, "Increment visits/USER once for each request, and respond 502 to Momento's errors.")


def reads(cloud: Cloud) -> int:
    """Count the reads of secrets that have arrived at the sandbox, also those in batches."""
    return sum(times for call, times in cloud.calls_seen().items() if call.endswith("GetSecretValue"))


class Bench:
    """What a trial works with: a command, and the secret, whose tokens are known."""

    def __init__(self, cloud: Cloud, command: Sequence[str]) -> None:
        self.cloud, self._command, self.tokens = cloud, command, list[str]()
        self.rotate()

    def rotate(self, form: str = "%s") -> None:
        """Put a new token into the secret, in this form, then revoke the old one."""
        self.tokens.append(self.cloud.issue_api_key())
        boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=form % self.tokens[-1])
        for old in self.tokens[-2:-1]:
            self.cloud.revoke_api_key(old)

    def service(self, ttl: int, **environment: str) -> Service:
        return Service(self.cloud, self._command, ttl, **environment)


def start(bench: Bench) -> None:
    """32 first requests read the secret once in each process, and share a client

    Keep token and client for the whole process; one thread reads while the others wait for it.
    """
    before = reads(bench.cloud)
    with fault(bench.cloud, delay=OVERLAP), bench.service(LONG_TTL) as service:
        service.must_succeed(service.wave())
        clients = bench.cloud.clients_seen()
        service.must_succeed(service.wave())
        read, clients = reads(bench.cloud) - before, bench.cloud.clients_seen() - clients
        if not read:
            raise Unsound("the sandbox counted no read", "Read the secret that SECRET_NAME names, at AWS_ENDPOINT_URL.")
        if read > (processes := len(service.processes())):
            raise Unsound(f"{2 * THREADS} requests, {read} reads, {processes} process{'es' * (processes > 1)}")
        if clients > THREADS / 2:
            raise Unsound(f"{THREADS} more requests made {clients} Momento clients")
        service.must_count_right()


def output(bench: Bench) -> None:
    """nothing that it prints, logs or responds holds the token

    Log that the token was read, never its value, not even in an exception. botocore logs it at DEBUG.
    """
    with bench.service(SHORT_TTL, LOG_LEVEL="DEBUG") as service:
        service.must_succeed(service.wave())
        with fault(bench.cloud, error="InternalServiceError"):
            service.wave(pause=SHORT_TTL + 0.2)
        bench.rotate()
        service.wave()
        bench.rotate('{"api_key": "%s"}')
        service.wave(pause=SHORT_TTL + 0.2)
        texts = {"a response": "\n".join(service.bodies), "its output": service.output()}
    harmless = bench.cloud.issue_api_key()  # what all tokens have in common is no secret
    for place, text in texts.items():
        if any(token in text for token in bench.tokens):
            raise Unsound(f"{place} holds a token")
        parts = {token[at : at + LEAK] for token in bench.tokens for at in range(len(token) - LEAK)}
        if any(part in text and part not in harmless for part in parts):
            raise Unsound(f"{place} holds {LEAK} characters of a token, or more")


def rotation(bench: Bench) -> None:
    """while the token is replaced twice, no request fails, and no visit counts twice

    A client keeps its token: when Momento denies it, read again, make a new client, and repeat that call once.
    """
    with bench.service(LONG_TTL) as service:
        service.warm_up()
        service.must_succeed(under_rotations(bench, service))
        before = bench.cloud.calls_seen()["momento.Increment"]
        with fault(bench.cloud, "momento", "Increment", error="DEADLINE_EXCEEDED"):
            sent = len(service.wave())
        if (arrived := bench.cloud.calls_seen()["momento.Increment"] - before) > sent:
            seen = f"{sent} requests met a timeout of Momento, and sent {arrived} Increments"
            raise Unsound(seen, "A call that timed out may have counted: repeat only what Momento denied.")
        service.must_count_right()


def under_rotations(bench: Bench, service: Service) -> list[str]:
    """Rotate while 32 threads send requests, and return their codes. A failure ends it.

    Before each rotation, and after the last, a wave begins and ends, and no secret is read for longer than a second.
    """
    codes, waves, over = list[str](), 0, threading.Event()

    def load() -> None:
        nonlocal waves
        while not over.wait(PACE / 4):
            codes.extend(service.wave())
            waves += 1

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    try:
        for rotation in range(ROTATIONS + 1):
            if rotation:
                bench.rotate()
            enough, seen, quiet_since = waves + 2, -1, time.monotonic()
            end = quiet_since + 5 * APART  # for a service that reads all the time
            while not set(codes) - {"", LOST} and (waves < enough or time.monotonic() < min(end, quiet_since + APART)):
                if seen != (seen := reads(bench.cloud)):
                    quiet_since = time.monotonic()
                time.sleep(0.05)
    finally:
        over.set()
        thread.join()
    return codes


def denial(bench: Bench) -> None:
    """when it may no longer read the secret, it stops

    An old token is right while Secrets Manager can't be reached, and wrong once it denies the read.
    """
    with bench.service(TTL) as service:
        patience = TTL + PATIENCE + 2 * service.warm_up()
        began, codes, failed = time.monotonic(), list[str](), 0
        with fault(bench.cloud, error="AccessDeniedException", message=DENIED):
            while failed < 3:  # waves in a row, as each may miss a process
                codes += (wave := service.wave(BUSY_DEADLINE, PACE))
                failed = failed + 1 if all(wave) else 0
                if (seconds := time.monotonic() - began) > patience:
                    many = f"{codes.count(''):,} of {len(codes):,} requests succeeded"
                    raise Unsound(f"in {seconds:.0f} s without permission {many}, with a TTL of {TTL} s")
            began, codes = time.monotonic(), []
            while time.monotonic() < began + LONGER:
                codes += service.wave(BUSY_DEADLINE, PACE)
        if succeeded := codes.count(""):
            seen = f"it stopped, and then {succeeded:,} of {len(codes):,} requests succeeded"
            raise Unsound(seen, "A denial holds until a read succeeds: drop the token and its client.")


def outage(bench: Bench) -> None:
    """while Secrets Manager hangs, and fails, requests succeed within 5 s with the token it has

    Give boto3 short timeouts, don't read once for each caller, keep the token until a read succeeds or is denied.
    """
    with bench.service(TTL) as service:
        deadline = min(BUSY_DEADLINE, DEADLINE + 2 * service.warm_up())
        time.sleep(TTL + 0.2)
        for name, how in (("hangs", {"delay": BUSY_DEADLINE + 2}), ("fails", {"error": "InternalServiceError"})):
            end = time.monotonic() + LONGER
            with fault(bench.cloud, **how):
                while time.monotonic() < end:
                    codes = service.wave(deadline, PACE)
                    service.must_succeed(codes, f"while Secrets Manager {name}, ")
        service.must_count_right()


TRIALS = [start, output, rotation, denial, outage]  # the outage last: calls that hang keep the sandbox busy for a while


def texts(trial: Callable[[Bench], None]) -> list[str]:
    """Return what a sound service does, and a hint: the docstring of the trial."""
    return [" ".join(part.split()) for part in (trial.__doc__ or "").split("\n\n")]


def run_trials(cloud: Cloud, command: Sequence[str], step: Callable[[str], None] = lambda text: None) -> list[Finding]:
    """Run all trials on the program that this command starts; `step` is called with what the next one looks for."""
    found: list[Finding] = []
    cloud.ensure_secret(SECRET_NAME)
    for trial in TRIALS:
        (wanted, hint), seen, began = texts(trial), "", time.monotonic()
        step(wanted)
        try:
            trial(Bench(cloud, command))
        except NotListening as error:
            seen, hint = KEY.sub("<hidden>", str(error)), "Let it listen on 127.0.0.1, on the port that PORT names."
            if not found:  # no further trial starts it
                return [Finding(texts(each)[0], seen, hint, 0.0) for each in TRIALS]
        except Unsound as unsound:
            seen, hint = (*unsound.args, hint)[:2]
        found.append(Finding(wanted, seen, hint, time.monotonic() - began))
    return found


def passed(found: Sequence[Finding]) -> str:
    return f"{sum(not one.seen for one in found)} of {len(found)} trials passed"


def trials_table(found: Sequence[Finding]) -> Table:
    rows = [(one.wanted, f"✗ {one.seen}" if one.seen else "✓") for one in found]
    return Table(("A sound service", "This one"), rows, passed(found))
