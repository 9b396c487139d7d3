"""Review a service that uses a secret: five drills, each on a new service under real faults and the real clock.

A drill doesn't trust the service: the sandbox counts the reads, and a visit counts only if Momento has counted it.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO
from typing import Any
from uuid import uuid4

from momento import CacheClient, Configurations
from momento.responses import CacheGet

from helpers.cloud import Cloud
from helpers.display import Table
from helpers.ledger import error_code, is_error
from helpers.timing import OVERLAP, THREADS

from . import fault, reads_seen
from .learner_code import at_once
from .rotation_drill import current_token, rotate

# Seconds. The TTL is an integer, as some libraries take no other, and a hang is longer than any request should take.
TTL, HANG, DEADLINE, PATIENCE, STALLED = 1, 8.0, 4.0, 3.0, 20.0
# Rotations, the seconds between two, and those between two requests of a thread. Code that repeats a refused call once is
# right, and some code limits itself to one read a second, so the next rotation waits for both.
ROTATIONS, APART, PACE = 2, 1.2, 0.05


@dataclass(frozen=True)
class Finding:
    """What a sound service does; what this one did instead, or None; and a hint."""

    wanted: str
    seen: str | None
    hint: str


class Unsound(Exception):
    """What a drill saw, and the hint for it if the drill's own doesn't fit."""


def findings(
    cloud: Cloud, secret_name: str, make_service: Callable[..., Any], cache_name: str = "tutorial"
) -> Iterator[Finding]:
    """Run the five drills on services made by `make_service(ttl=seconds)`, a class or a function.

    Their `serve(user)`, which may be async in a class, increments the counter under the user's name with the token of this
    secret, and returns Momento's response. In the end the secret holds another token.
    """
    for drill, wanted, hint in DRILLS:
        seen = ""
        with ExitStack() as stack, redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            try:
                drill(Bench(cloud, secret_name, make_service, cache_name, stack))
            except Unsound as found:
                seen, hint = (*found.args, hint)[:2]
        yield Finding(wanted, seen or None, hint)


def findings_table(found: Sequence[Finding]) -> Table:
    passed = sum(one.seen is None for one in found)
    rows = [(one.wanted, f"✗ {one.seen}" if one.seen else "✓ it does") for one in found]
    return Table(("A sound service", "This one"), rows, f"{passed} of {len(found)} drills passed")


@dataclass
class Bench:
    """What a drill works with. The services that it makes are stopped when the stack is closed."""

    cloud: Cloud
    secret_name: str
    make: Callable[..., Any]
    cache_name: str
    stack: ExitStack

    def service(self, ttl: int) -> Running:
        try:
            service = Running(self.make, ttl)
        except Exception as error:
            raise Unsound(f"it raised {type(error).__name__}", "Run Service(ttl=300) in a cell of its own.") from error
        self.stack.callback(service.stop)
        return service

    def check(self, service: Running) -> None:
        """Raise `Unsound` if a request failed, or Momento's counter differs from the requests."""
        if service.failures:
            codes = ", ".join(f"{code} {times}" for code, times in service.failures.most_common())
            seen = f"{service.failures.total()} of {service.requests} requests failed: {codes}"
            if service.failures.total() < service.requests:
                raise Unsound(seen)
            raise Unsound(
                seen, 'Run Service(ttl=300).serve("a user") in a cell of its own: it returns Momento\'s response.'
            )
        credentials = self.cloud.credentials_from(self.cloud.issue_api_key())  # which no rotation revokes
        with CacheClient(Configurations.Laptop.v1(), credentials, timedelta(minutes=10)) as client:
            response = client.get(self.cache_name, service.user)
        counted = int(response.value_string) if isinstance(response, CacheGet.Hit) else 0
        if counted != service.requests:
            raise Unsound(
                f"Momento counted {counted:,} of {service.requests:,} visits",
                "Increment the user's counter once in each request, and return Momento's response, an error too.",
            )


class Running:
    """A service, called from any thread for its own user; `failures` counts its failed requests by their code."""

    def __init__(self, make: Any, ttl: int) -> None:
        self.user, self.requests, self.failures = f"user-{uuid4()}", 0, Counter[str]()
        self._lock, self._loop = threading.Lock(), asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()

        async def made() -> Any:
            return make(ttl=ttl)

        is_async = inspect.iscoroutinefunction(
            getattr(make, "serve", None)
        )  # its clients may need a loop from the start
        self.service = self._in_loop(made()) if is_async else make(ttl=ttl)

    def request(self) -> str:
        """Serve one request. Return the code of its failure, or an empty text."""
        try:
            response = self.service.serve(self.user)
            response = self._in_loop(response) if inspect.iscoroutine(response) else response
            code = response.error_code.name if is_error(response) else "nothing returned" if response is None else ""
        except Exception as error:
            code = error_code(error.__cause__ or error)
        with self._lock:
            self.requests += 1
            if code:
                self.failures[code] += 1
        return code

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _in_loop(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result()


def in_time(call: Callable[[], Any], threads: int = THREADS) -> list[Any]:
    """Call from these threads at the same moment; return what the calls returned or raised, if all end in time."""
    runs = at_once(call, threads, DEADLINE)
    if late := sum(run.hung > 0 for run in runs):
        raise Unsound(
            f"after {DEADLINE:g} s {late} of {threads} requests were still waiting",
            "boto3's own timeouts are 60 s: give it a Config. And no request should wait only to repeat a failed read.",
        )
    return [run.returned if run.error is None else run.error for run in runs]


@contextmanager
def captured_output() -> Iterator[tuple[StringIO, StringIO]]:
    """Capture what is printed, and what is logged at any level; what the AWS libraries log is left out."""
    printed, logged, root = StringIO(), StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(logged), root.level
    handler.addFilter(lambda record: not record.name.startswith(("botocore", "boto3", "urllib3")))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            yield printed, logged
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


Drill = Callable[[Bench], None]
DRILLS: list[tuple[Drill, str, str]] = []


def drill(wanted: str, hint: str) -> Callable[[Drill], Drill]:
    """Add a drill, which raises `Unsound` with what it saw."""

    def add(function: Drill) -> Drill:
        DRILLS.append((function, wanted, hint))
        return function

    return add


@drill(
    f"{THREADS} first requests at once read the secret once",
    "Requests that come together should wait for the one that reads.",
)
def start(bench: Bench) -> None:
    before = reads_seen(bench.cloud)
    service = bench.service(ttl=300)
    with fault(bench.cloud, delay=OVERLAP):
        in_time(service.request)
    reads = reads_seen(bench.cloud) - before
    bench.check(service)
    if reads == 0:
        raise Unsound("the sandbox counted no read", "Each drill makes a new service: read in `serve` or `__init__`.")
    if reads > 1:
        raise Unsound(f"the sandbox counted {reads} reads")


@drill("nothing it prints or logs holds the token", "Print and log that it was read, never the value.")
def log(bench: Bench) -> None:
    tokens = [current_token(bench.secret_name)]
    with captured_output() as (printed, logged):
        service = bench.service(ttl=300)
        service.request()
        tokens.append(rotate(bench.cloud, bench.secret_name))
        service.request()
        shown = repr(service.service)
    for seen, text in (("it prints", printed.getvalue()), ("it logs", logged.getvalue()), ("its repr shows", shown)):
        if any(token in text for token in tokens):
            raise Unsound(f"{seen} the token")


@drill(
    f"while Secrets Manager hangs or fails, {THREADS} requests end within {DEADLINE:g} s, with the old token if any",
    "Secrets Manager has denied nothing: keep the old token, and use it until a read succeeds or is denied.",
)
def outage(bench: Bench) -> None:
    """Let Secrets Manager hang, then fail: for a service that has no token yet, and for two whose tokens are stale."""
    in_a_hang, in_an_error = bench.service(ttl=TTL), bench.service(ttl=TTL)
    for service in (in_a_hang, in_an_error):
        service.request()
        bench.check(service)
    stale = time.monotonic() + TTL + 0.1
    with fault(bench.cloud, delay=HANG):
        (new,) = in_time(lambda: bench.service(ttl=TTL), 1)  # it may read when it is made, and fail
        if isinstance(new, Running):
            in_time(new.request)
        time.sleep(max(0.0, stale - time.monotonic()))
        in_time(in_a_hang.request)
    with fault(bench.cloud, error="InternalServiceError"):
        in_time(in_an_error.request)
    for service in (in_a_hang, in_an_error):
        if service.failures:
            failed, codes = service.failures.total(), ", ".join(service.failures)
            raise Unsound(f"with a stale token {failed} of {THREADS} requests failed: {codes}")
        bench.check(service)


@drill(
    f"while the token is replaced {ROTATIONS} times, no request fails",
    "A client keeps the token it was made with: when Momento refuses it, make a new one and repeat the call.",
)
def rotation(bench: Bench) -> None:
    before, clients = reads_seen(bench.cloud), bench.cloud.clients_seen()
    service, rotations, over = bench.service(ttl=300), 0, threading.Event()
    succeeded = [-1] * THREADS  # for each thread, the rotations before its last request that succeeded

    def work(thread: int) -> None:
        while not over.wait(PACE):
            began_after = rotations
            if not service.request():
                succeeded[thread] = began_after

    workers = [threading.Thread(target=work, args=(one,), daemon=True) for one in range(THREADS)]
    for worker in workers:
        worker.start()
    try:
        while True:
            _wait_for_all(service, succeeded, rotations)
            if service.failures or rotations == ROTATIONS:
                break
            time.sleep(APART if rotations else 0.0)
            rotate(bench.cloud, bench.secret_name)
            rotations += 1
    finally:
        over.set()
    for worker in workers:
        worker.join(STALLED)
    bench.check(service)
    if reads_seen(bench.cloud) - before - rotations > service.requests / 2:
        raise Unsound("it reads the secret for each request", "Keep the token until it expires, or Momento refuses it.")
    if bench.cloud.clients_seen() - clients > service.requests / 2:
        raise Unsound("it makes a client for each request", "Share one client, and replace it when the token is new.")


def _wait_for_all(service: Running, succeeded: list[int], rotations: int) -> None:
    """Wait until each thread has had a request after this rotation that succeeded, or requests fail."""
    end = time.monotonic() + STALLED
    while min(succeeded) < rotations:
        if time.monotonic() > end:
            raise Unsound(f"under traffic a request has not ended within {STALLED:g} s", "A lock, a loop, a timeout?")
        if service.failures:
            time.sleep(0.5)  # so that the finding shows whether most of them fail
            return
        time.sleep(0.01)


@drill(
    "when it may not read the secret any more, it stops",
    "An old token is right while Secrets Manager can't be reached, and wrong once it denies the read.",
)
def denial(bench: Bench) -> None:
    service = bench.service(ttl=TTL)
    service.request()
    bench.check(service)
    with fault(bench.cloud, error="AccessDeniedException"):
        end = time.monotonic() + PATIENCE
        while not service.request():
            if time.monotonic() > end:
                raise Unsound(f"it went on for {PATIENCE:g} s, with a token that is stale after {TTL} s")
            time.sleep(0.1)
        if not all(service.request() for _ in range(3)):
            raise Unsound("it stopped, and then went on", "A denial holds until a read succeeds: drop the token.")
