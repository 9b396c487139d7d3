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
from typing import Any, Protocol
from uuid import uuid4

from momento import CacheClient, Configurations
from momento.responses import CacheGet

from helpers.cloud import Cloud
from helpers.display import Table
from helpers.ledger import error_code, is_error
from helpers.timing import OVERLAP, THREADS

from .rotation_drill import current_token, rotate

# Seconds. The TTL is an integer, as some libraries take no other, and a hang is longer than any request should take.
TTL, HANG, DEADLINE, PATIENCE, STALLED = 1, 8.0, 4.0, 3.0, 20.0
# Rotations in the drill, the seconds between two, and between two requests of a thread. Code that repeats a refused call
# once is right, and some limits itself to one read a second, so the next rotation waits for both.
ROTATIONS, APART, PACE = 2, 1.2, 0.05
SEE_WHY = 'Run Service(ttl=300).serve("a user") in a cell of its own. It returns what Momento returned.'


class Service(Protocol):
    """What is reviewed: `serve` increments the counter under the user's name and returns Momento's response.

    It may be async, in a class.
    """

    def serve(self, user: str) -> object: ...


@dataclass(frozen=True)
class Finding:
    """What a sound service does; what this one did instead, or None; and a hint."""

    wanted: str
    seen: str | None
    hint: str


class Unsound(Exception):
    """What a drill saw, with the hint for it if the drill's own doesn't fit."""

    def __init__(self, seen: str, hint: str = "") -> None:
        super().__init__(seen)
        self.seen, self.hint = seen, hint


def findings(
    cloud: Cloud, secret_name: str, make_service: Callable[..., Service], cache_name: str = "tutorial"
) -> Iterator[Finding]:
    """Run the five drills on services made by `make_service(ttl=seconds)`, a class or a function.

    The service reads the secret of this name, which holds another token in the end.
    """
    for drill, wanted, hint in DRILLS:
        seen = None
        with Bench(cloud, secret_name, make_service, cache_name) as bench:
            try:
                drill(bench)
            except Unsound as found:
                seen, hint = found.seen, found.hint or hint
        yield Finding(wanted, seen, hint)


def findings_table(found: Sequence[Finding]) -> Table:
    passed = sum(one.seen is None for one in found)
    rows = [(one.wanted, f"✗ {one.seen}" if one.seen else "✓ it does") for one in found]
    return Table(("A sound service", "This one"), rows, f"{passed} of {len(found)} drills passed")


class Bench:
    """What a drill needs: services to review, faults, and a Momento client with a key that no rotation touches."""

    def __init__(self, cloud: Cloud, secret_name: str, make: Callable[..., Any], cache_name: str) -> None:
        self.cloud, self.secret_name, self._make, self.cache_name = cloud, secret_name, make, cache_name
        self._stack = ExitStack()

    def __enter__(self) -> Bench:
        key = self.cloud.credentials_from(self.cloud.issue_api_key())
        client = CacheClient(Configurations.Laptop.v1(), key, timedelta(minutes=10))
        self.momento = self._stack.enter_context(client)
        for redirect in (redirect_stdout, redirect_stderr):  # keeps what the service prints out of the notebook
            self._stack.enter_context(redirect(StringIO()))
        self._stack.callback(self.cloud.clear_faults)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def service(self, ttl: int) -> Running:
        try:
            service = Running(self._make, ttl)
        except Exception as error:
            raise Unsound(f"it raised {type(error).__name__}", "Run Service(ttl=300) in a cell of its own.") from error
        self._stack.callback(service.stop)
        return service

    @contextmanager
    def fault(self, *, delay: float = 0.0, error: str = "") -> Iterator[None]:
        """Set this fault for all calls to Secrets Manager while the block runs."""
        self.cloud.add_fault("aws", delay=delay, error=error)
        try:
            yield
        finally:
            self.cloud.clear_faults()

    def reads(self) -> int:
        return self.cloud.calls_seen()["aws.GetSecretValue"]

    def check(self, service: Running) -> None:
        """Raise `Unsound` if a request failed, or Momento's counter differs from the requests."""
        if service.failures:
            codes = ", ".join(f"{code} {times}" for code, times in service.failures.most_common())
            failed, requests = service.failures.total(), service.requests
            raise Unsound(f"{failed} of {requests} requests failed: {codes}", SEE_WHY if failed == requests else "")
        response = self.momento.get(self.cache_name, service.user)
        counted = int(response.value_string) if isinstance(response, CacheGet.Hit) else 0
        if counted != service.requests:
            raise Unsound(
                f"Momento counted {counted:,} of {service.requests:,} visits",
                "Increment the user's counter once in each request, and return Momento's response, an error too.",
            )


class Running:
    """A service, called from any thread with one user of its own; `failures` are its failed requests by their code."""

    def __init__(self, make: Callable[..., Any], ttl: int) -> None:
        self.user, self.requests, self.failures = f"user-{uuid4()}", 0, Counter[str]()
        self._lock, self._loop = threading.Lock(), asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        if inspect.iscoroutinefunction(getattr(make, "serve", None)):  # its clients may need a loop when they are made
            self.service = self._in_loop(_awaitable(make, ttl))
        else:
            self.service = make(ttl=ttl)
        self._serve = self.service.serve

    def request(self) -> str:
        """Serve one request. Return the code of its failure, or an empty text."""
        code = self._failure()
        with self._lock:
            self.requests += 1
            if code:
                self.failures[code] += 1
        return code

    def requests_at_once(self, threads: int = THREADS) -> None:
        """Serve a request in each of these threads. Raises `Unsound` if one takes too long."""
        in_time(self.request, threads)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _failure(self) -> str:
        try:
            response = self._serve(self.user)
            if inspect.iscoroutine(response):
                response = self._in_loop(response)
        except Exception as error:
            return error_code(error.__cause__ or error)
        if response is None:
            return "nothing returned"
        return str(response.error_code.name) if is_error(response) else ""

    def _in_loop(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result()


async def _awaitable(make: Callable[..., Any], ttl: int) -> Any:
    return make(ttl=ttl)


def in_time(call: Callable[[], Any], threads: int) -> list[Any]:
    """Call from these threads at the same moment; return what the calls returned or raised, if all end in time."""
    barrier, results = threading.Barrier(threads), list[Any]()

    def work() -> None:
        barrier.wait()
        try:
            results.append(call())
        except BaseException as error:
            results.append(error)

    workers = [threading.Thread(target=work, daemon=True) for _ in range(threads)]
    for worker in workers:
        worker.start()
    end = time.monotonic() + DEADLINE
    for worker in workers:
        worker.join(max(0.0, end - time.monotonic()))
    if late := threads - len(results):
        raise Unsound(
            f"after {DEADLINE:g} s {late} of {threads} requests were still waiting",
            "boto3's own timeouts are 60 s: give it a Config. And no request should wait only to repeat a failed read.",
        )
    return results


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


# The drills: each raises `Unsound` with what it saw.


def start(bench: Bench) -> None:
    before = bench.reads()
    service = bench.service(ttl=300)
    with bench.fault(delay=OVERLAP):
        service.requests_at_once()
    reads = bench.reads() - before
    bench.check(service)
    if reads == 0:
        raise Unsound("the sandbox counted 0 reads", "Each drill makes a new service: make what reads in `__init__`.")
    if reads > 1:
        raise Unsound(f"the sandbox counted {reads} reads")


def log(bench: Bench) -> None:
    tokens = [current_token(bench.secret_name)]
    with captured_output() as (printed, logged):
        service = bench.service(ttl=300)
        service.request()
        tokens.append(rotate(bench.cloud, bench.secret_name))
        service.request()
        shown = repr(service.service)
    for text, seen, hint in (
        (printed.getvalue(), "it prints the token", "Print that it was read, never the value."),
        (logged.getvalue(), "the token is in its log", ""),
        (shown, "its repr shows the token", "A dataclass shows every field: keep the token out of its repr."),
    ):
        if any(token in text for token in tokens):
            raise Unsound(seen, hint)


def outage(bench: Bench) -> None:
    """Let Secrets Manager hang, then fail: for a service that has no token yet, and for two whose tokens are stale."""
    in_a_hang, in_an_error = bench.service(ttl=TTL), bench.service(ttl=TTL)
    for service in (in_a_hang, in_an_error):
        service.request()
        bench.check(service)
    stale = time.monotonic() + TTL + 0.1
    with bench.fault(delay=HANG):
        (new,) = in_time(lambda: bench.service(ttl=TTL), 1)  # it may read when it is made, and fail
        if isinstance(new, Running):
            new.requests_at_once()
        time.sleep(max(0.0, stale - time.monotonic()))
        in_a_hang.requests_at_once()
    with bench.fault(error="InternalServiceError"):
        in_an_error.requests_at_once()
    for service in (in_a_hang, in_an_error):
        if service.failures:
            codes = ", ".join(service.failures)
            raise Unsound(f"with a stale token {service.failures.total()} of {THREADS} requests failed: {codes}")
        bench.check(service)


def rotation(bench: Bench) -> None:
    before, clients = bench.reads(), bench.cloud.clients_seen()
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
    if bench.reads() - before - rotations > service.requests / 2:
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


def denial(bench: Bench) -> None:
    service = bench.service(ttl=TTL)
    service.request()
    bench.check(service)
    with bench.fault(error="AccessDeniedException"):
        end = time.monotonic() + PATIENCE
        while not service.request():
            if time.monotonic() > end:
                raise Unsound(f"it went on for {PATIENCE:g} s, with a token that is stale after {TTL} s")
            time.sleep(0.1)
        for _ in range(3):
            if not service.request():
                raise Unsound("it stopped, and then went on", "A denial holds until a read succeeds: drop the token.")


DRILLS: list[tuple[Callable[[Bench], None], str, str]] = [
    (
        start,
        f"{THREADS} first requests at once read the secret once",
        "Requests that come together should wait for the one that reads.",
    ),
    (log, "nothing it prints or logs holds the token", "Log that it was read, never the value."),
    (
        outage,
        f"while Secrets Manager hangs or fails, {THREADS} requests end within {DEADLINE:g} s, with the old token if any",
        "Secrets Manager has denied nothing: keep the old token, and use it until a read succeeds or is denied.",
    ),
    (
        rotation,
        f"while the token is replaced {ROTATIONS} times, no request fails",
        "A client keeps the token it was made with: when Momento refuses it, make a new one and repeat the call.",
    ),
    (
        denial,
        "when it may not read the secret any more, it stops",
        "An old token is right while Secrets Manager can't be reached, and wrong once it denies the read.",
    ),
]
