"""The trials of the last notebook: what a service does at its start, in its log, on silence, on rotation, on a no.

A trial believes nothing that a service says: what counts is what Momento holds, and what the sandbox counted.
"""

from __future__ import annotations

import asyncio
import gc
import importlib.util
import inspect
import itertools
import logging
import os
import signal
import sys
import sysconfig
import tempfile
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import StringIO
from random import randint
from types import CodeType, FrameType, FunctionType, ModuleType
from typing import Any, Protocol
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations, TopicClient, TopicConfigurations
from momento.responses import CacheGet

from helpers.cloud import Cloud
from helpers.display import Table
from helpers.ledger import is_error
from helpers.timing import OVERLAP, THREADS
from momento_token import TokenError

from .learner_code import Run, as_before, at_once, run, secrets_now
from .rotation_drill import OPERATIONS, ROTATIONS

# Seconds that no answer comes, and by when a service should have given up.
SILENCE, DEADLINE = 4.0, 3.0
TTL = 0.2  # seconds, where a trial must see a copy expire
PATIENCE = 2.0  # seconds in which a service must notice that it may not read any more
RECOVERY = 6.0  # seconds in which it must notice that Secrets Manager answers again
STALLED = 10.0  # seconds without any progress under traffic
OUTAGE, STEP = (
    3_540,
    590,
)  # seconds of an outage, just under an hour, and between two requests in it
USERS = 100
MESSAGES = 30


class Service(Protocol):
    """What is on trial: serves one request of a user, and returns what Momento answered. `serve` may be async.

    It counts a visit: it increments the counter under the user's name. One that also has `messages(topic)`, an iterator
    of what is published there, is tried on that too.
    """

    def serve(self, user: str) -> object: ...


@dataclass(frozen=True)
class Finding:
    """The outcome of one trial: what a sound service does, what this one did instead (None: just that), and a hint."""

    wanted: str
    seen: str | None
    hint: str


class Fault(Exception):
    """What a trial found, and the hint for it, if it isn't the trial's own."""

    def __init__(self, seen: str, hint: str = "") -> None:
        super().__init__(seen)
        self.seen, self.hint = seen, hint


def findings(
    cloud: Cloud,
    secret_name: str,
    make_service: Callable[..., Service],
    cache_name: str = "tutorial",
) -> Iterator[Finding]:
    """Try out services made by `make_service(ttl=seconds)`, five times. An exception of theirs is a finding too.

    `make_service` is a class, a function, or a module with `start(ttl=seconds)` and `serve(user)`.
    """
    for trial, wanted, hint in _TRIALS:
        seen = None
        with as_before(cloud), Bench(cloud, secret_name, cache_name, make_service) as bench:
            try:
                with _everything_said():
                    trial(bench)
                cloud.clear_faults()  # the trial's own would answer the question after it
                left = secrets_now().get(secret_name)
                if left is None or left.deleted:
                    raise Fault("it changed or deleted the secret", "A service only reads it.")
            except Fault as fault:
                seen, hint = fault.seen, fault.hint or hint
            except (ClientError, TokenError):  # the trial's own: what it needs is gone
                seen, hint = "it changed or deleted the secret", "A service only reads it."
        yield Finding(wanted, seen, hint)


def trial_table(found: Sequence[Finding]) -> Table:
    """What a sound service does, and what this one did."""
    passed = sum(one.seen is None for one in found)
    rows = [(one.wanted, f"✗ {one.seen}" if one.seen else "✓ it does") for one in found]
    return Table(("A sound service", "This one"), rows, f"{passed} of {len(found)} trials passed")


class Bench:
    """What a trial works with: the services under trial, and what Momento holds of their visits."""

    def __init__(self, cloud: Cloud, secret_name: str, cache_name: str, make: Any) -> None:
        self.cloud, self.secret_name, self.cache_name, self.make = (
            cloud,
            secret_name,
            cache_name,
            make,
        )
        self.loops: list[asyncio.AbstractEventLoop] = []
        self.prints_a_key = False
        # Its own key, which no rotation touches.
        self.credentials = cloud.credentials_from(cloud.issue_api_key())
        self.momento = CacheClient(Configurations.Laptop.v1(), self.credentials, timedelta(minutes=10))  # fmt: skip

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        self.cloud.clear_faults()
        self.momento.__exit__(None, None, None)
        for loop in self.loops:
            loop.call_soon_threadsafe(loop.stop)

    # The service

    def service(self, ttl: float) -> Running:
        """A new one. Raises `Fault` if it can't be made."""
        done = run(lambda: Running(self, ttl))
        self.prints_a_key |= done.shows_a_key
        if done.failed:
            raise _misbehaved(done, "making it")
        return done.returned

    def loop(self) -> asyncio.AbstractEventLoop:
        loop = asyncio.new_event_loop()
        threading.Thread(target=loop.run_forever, daemon=True).start()
        self.loops.append(loop)
        return loop

    # Visits

    def users(self, how_many: int = 1) -> dict[str, int]:
        """New users, with the visits that Momento counts already: a number that nobody else knows."""
        users = {f"user-{uuid4()}": randint(1_000, 9_999) for _ in range(how_many)}
        for user, visits in users.items():
            self.momento.increment(self.cache_name, user, visits)
        return users

    def visits(self, user: str) -> int:
        """What Momento counts now."""
        answer = self.momento.get(self.cache_name, user)
        return int(answer.value_string) if isinstance(answer, CacheGet.Hit) else 0

    def serves(self, service: Running, seconds: float | None = None) -> Run:
        """One request of a new user, with the effect that it should have. Raises `Fault` if it is faked."""
        ((user, before),) = self.users().items()
        done = run(service.serve, user, seconds=seconds)
        self.prints_a_key |= done.shows_a_key
        counted = self.visits(user) - before
        if _is_failure(done) and counted:
            raise Fault("a request failed, and Momento counted it all the same")
        if not _is_failure(done):
            self.judge([done.returned], {user: before}, {user: 1})
        return done

    def judge(self, answers: list[object], before: dict[str, int], asked: dict[str, int]) -> None:
        """Raises `Fault` unless Momento counted all visits that were answered, each once, and the answers are Momento's."""
        _have_run(answers)
        counted = {user: self.visits(user) - visits for user, visits in before.items()}
        total, wanted = sum(counted.values()), sum(asked.values())
        if counted != asked:
            raise Fault(
                f"Momento counted {total:,} of {wanted:,} visits",
                "A visit counts when Momento has counted it: increment the user's counter, once for each request.",
            )
        possible = Counter(before[user] + nth for user, times in asked.items() for nth in range(1, times + 1))  # fmt: skip
        numbers = Counter(_number(answer) for answer in answers)
        if numbers != possible:
            raise Fault("its answers aren't those of Momento", "Return what Momento answered.")


class Running:
    """A service of whatever shape, behind a `serve` that waits for the answer."""

    def __init__(self, bench: Bench, ttl: float) -> None:
        make = bench.make
        self._loop: asyncio.AbstractEventLoop | None = None
        if isinstance(make, ModuleType):
            self.object: Any = _fresh_copy(make)
            if (start := getattr(self.object, "start", None)) is not None:
                self.object = _Module(self.object, self._finished(start(ttl=ttl), bench))
        elif inspect.iscoroutinefunction(getattr(make, "serve", None)):
            self.object = self._in_loop(bench, lambda: make(ttl=ttl))
        else:
            self.object = self._finished(make(ttl=ttl), bench)
        if inspect.iscoroutinefunction(getattr(self.object, "serve", None)) and not self._loop:
            self.object = self._in_loop(bench, lambda: make(ttl=ttl))  # its clients belong to the loop
        if not callable(getattr(self.object, "serve", None)):
            if not callable(self.object):
                raise Fault("it has no `serve`", "Give it a method `serve(self, user)`.")
            self._serve = self.object
        else:
            self._serve = self.object.serve

    @property
    def is_async(self) -> bool:
        return self._loop is not None

    def serve(self, user: str) -> object:
        answer = self._serve(user)
        if inspect.iscoroutine(answer) and self._loop is not None:
            return asyncio.run_coroutine_threadsafe(answer, self._loop).result()
        return answer

    def messages(self, topic: str) -> Iterator[Any]:
        found = self.object.messages(topic)
        if not hasattr(found, "__anext__"):
            yield from found
            return
        assert self._loop is not None
        while True:
            try:
                yield asyncio.run_coroutine_threadsafe(found.__anext__(), self._loop).result()
            except StopAsyncIteration:
                return

    def _finished(self, made: Any, bench: Bench) -> Any:
        if not inspect.iscoroutine(made):
            return made
        self._loop = self._loop or bench.loop()
        return asyncio.run_coroutine_threadsafe(made, self._loop).result()

    def _in_loop(self, bench: Bench, make: Callable[[], Any]) -> Any:
        async def made() -> Any:
            thing = make()
            return await thing if inspect.isawaitable(thing) else thing

        return self._finished(made(), bench)


class _Module:
    """A module that has been started: `serve` is its own, or what `start` returned."""

    def __init__(self, module: ModuleType, started: Any) -> None:
        self.serve = getattr(started, "serve", None) or module.serve
        if hasattr(module, "messages"):
            self.messages = module.messages

    def __repr__(self) -> str:
        return "<a module>"


def _fresh_copy(module: ModuleType) -> ModuleType:
    """The module once more, with state of its own."""
    spec = importlib.util.spec_from_file_location(module.__name__, module.__file__ or "")
    assert spec and spec.loader
    copy = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(copy)
    return copy


def rotate(cloud: Cloud, secret_name: str) -> None:
    """A new version of the secret with a new key; the old key is revoked at once."""
    client = boto3.client("secretsmanager")
    old = client.get_secret_value(SecretId=secret_name, VersionStage="AWSCURRENT")["SecretString"]
    client.put_secret_value(SecretId=secret_name, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(old)


# The trials: each raises `Fault` with what it found.


def _start(bench: Bench) -> None:
    cloud = bench.cloud
    service, users = bench.service(ttl=300), bench.users(THREADS)
    waiting = list(users)
    cloud.add_fault("aws", delay=OVERLAP)
    seen = cloud.calls_seen()
    runs = at_once(lambda: service.serve(waiting.pop()), THREADS)
    reads = cloud.calls_seen().get("aws.GetSecretValue", 0) - seen.get("aws.GetSecretValue", 0)
    cloud.clear_faults()
    _none_failed(runs, THREADS)
    _have_run([one.returned for one in runs])
    if reads != 1:
        raise Fault(f"the sandbox counted {reads} reads")
    bench.judge([one.returned for one in runs], users, dict.fromkeys(users, 1))
    if hasattr(os, "fork") and sys.platform == "linux" and not service.is_async:
        _fork(bench, service)


def _fork(bench: Bench, service: Running) -> None:
    """A worker that is forked from a process which has served already, as pre-forking servers do."""
    # Once more, as a fork at an unlucky moment of gRPC's own threads is not the service's fault.
    for forks_left in (1, 0):
        ((user, before),) = bench.users().items()
        if _in_a_child(partial(_serves_in_a_child, service, user)):
            bench.judge([before + 1], {user: before}, {user: 1})
            break
        if not forks_left:
            raise Fault(
                "a worker that was forked from it doesn't serve",
                "Threads, locks and a Momento client stay behind in a fork: the child has to make its own (os.register_at_fork, or by process id).",
            )
    if _is_failure(done := bench.serves(service)):
        raise _misbehaved(done, "after a fork, the parent")


def _serves_in_a_child(service: Running, user: str) -> bool:
    return not _is_failed_answer(service.serve(user))


def _in_a_child(work: Callable[[], bool]) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # this process has threads, and is forked on purpose
        child = os.fork()
    if not child:
        good = False
        try:
            good = work()
        finally:
            os._exit(0 if good else 1)
    end = time.monotonic() + DEADLINE
    while time.monotonic() < end:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


def _log(bench: Bench) -> None:
    cloud = bench.cloud
    with all_that_leaves_it() as said:
        service = bench.service(ttl=300)
        shown = [str(run(show, service.object).returned) for show in (repr, str)]
        with _fault(cloud, "aws", delay=OVERLAP):
            shown += _while_it_runs(lambda: bench.serves(service))
        with _fault(cloud, "momento", delay=OVERLAP):
            shown += _while_it_runs(lambda: bench.serves(service))
        _none_failed([bench.serves(service)], 1)
        shown += _errors_of(bench)
    ours = boto3.client("secretsmanager").get_secret_value(SecretId=bench.secret_name, VersionStage="AWSCURRENT")[
        "SecretString"
    ]
    printed, logged, libraries = said
    if bench.prints_a_key or ours in printed:
        raise Fault("it prints the token", "Print that it was read, never what.")
    if ours in logged:
        raise Fault("the token is in its log")
    if ours in libraries:
        raise Fault(
            "with DEBUG on, botocore's log shows the token",
            'logging.getLogger("botocore").setLevel(logging.INFO) keeps that out, whatever the root logger has.',
        )
    if ours in "".join(shown[:2]):
        raise Fault("shown as an object, it shows the token", "Keep it out of its repr: a dataclass shows every field.")  # fmt: skip
    if any(ours in text for text in shown):
        raise Fault(
            "a traceback that shows variables shows the token",
            "Error trackers collect variables: hold it in momento_token's Token, whose repr hides it.",
        )


def _silence(bench: Bench) -> None:
    cloud = bench.cloud
    ((user, before),) = bench.users().items()
    cloud.add_fault("aws", delay=SILENCE)
    made: list[Running] = []

    def first_request() -> object:
        made.append(Running(bench, 300))
        return made[0].serve(user)

    done = run(first_request, seconds=DEADLINE)
    counted = bench.visits(user) - before
    cloud.clear_faults()
    if done.hung:
        raise Fault(f"it was still waiting after {DEADLINE:g} s")
    if done.ended or (done.error and not isinstance(done.error, Exception)):
        raise _misbehaved(done, "the first request")
    if not _is_failure(done) or counted:
        raise Fault(
            "it answered, though nobody could have given it the token",
            "Read the token from Secrets Manager, and say that you can't where you can't.",
        )
    service = made[0] if made else bench.service(ttl=300)
    _recovers(bench, service)
    _outage(bench)


def _recovers(bench: Bench, service: Running) -> None:
    end = time.monotonic() + RECOVERY
    while _is_failure(bench.serves(service)):
        if time.monotonic() > end:
            raise Fault(
                f"{RECOVERY:g} s after Secrets Manager answers again, it still fails",
                "Don't keep a failure for longer than a pause between two attempts.",
            )
        time.sleep(0.05)


def _outage(bench: Bench) -> None:
    """Nearly an hour without Secrets Manager, on a clock that is moved; the copy is good all the time."""
    with moved_clock() as clock:
        service = bench.service(ttl=300)
        _none_failed([bench.serves(service)], 1)
        bench.cloud.add_fault("aws", error="InternalServiceError")
        for passed in range(STEP, OUTAGE + 1, STEP):
            clock.move(STEP)
            if _is_failure(bench.serves(service)):
                raise Fault(
                    f"{passed // 60} minutes into an outage of Secrets Manager it failed",
                    "The token is as good as before: serve the old copy while nobody answers, for an hour at least.",
                )


def _rotation(bench: Bench) -> None:
    cloud, service = bench.cloud, bench.service(ttl=300)
    users = bench.users(USERS)
    names, numbers = list(users), itertools.count()
    answers: list[object] = []
    failures: list[Run] = []

    def work() -> None:
        while (number := next(numbers)) < OPERATIONS:
            try:
                answer = service.serve(names[number % USERS])
            except Exception as error:
                failures.append(Run(error=error))
            else:
                (failures if _is_failed_answer(answer) else answers).append(answer)  # type: ignore[arg-type]

    def done() -> int:
        return len(answers) + len(failures)

    over = threading.Event()

    def rotations() -> None:
        for rotation in range(1, ROTATIONS + 1):
            while done() < rotation / (ROTATIONS + 1) * OPERATIONS:
                if over.wait(0.002):
                    return
            with suppress(ClientError):  # the secret is gone: that is found afterwards
                rotate(cloud, bench.secret_name)

    seen, clients = cloud.calls_seen(), cloud.clients_seen()
    rotator = threading.Thread(target=rotations, daemon=True)
    rotator.start()
    runs = at_once(work, THREADS, STALLED, progress=done)
    over.set()
    rotator.join()
    reads = cloud.calls_seen()["aws.GetSecretValue"] - seen.get("aws.GetSecretValue", 0)
    for one in runs:
        if one.failed:
            raise _misbehaved(one, "under traffic it")
    if failures:
        raise Fault("operations failed")
    asked = Counter(names[number % USERS] for number in range(OPERATIONS))
    bench.judge(answers, users, dict(asked))
    if reads - ROTATIONS > OPERATIONS / 10:
        raise Fault("it reads the secret again and again", "Keep the token until it expires, or Momento refuses it.")  # fmt: skip
    if cloud.clients_seen() - clients > OPERATIONS / 2:
        raise Fault("it makes a client for each request", "Share one client, and replace it when the token is new.")  # fmt: skip
    if callable(getattr(service.object, "messages", None)):
        _subscription(bench, service)


def _subscription(bench: Bench, service: Running) -> None:
    """A topic, over three rotations."""
    topic, received = f"topic-{uuid4()}", list[str]()
    sent = [f"message {number}" for number in range(MESSAGES)]

    def listen() -> None:
        for message in service.messages(topic):
            value = getattr(message, "value", message)
            if value == "the end":
                return
            received.append(value)

    long = TopicConfigurations.Default.v1().with_client_timeout(timedelta(hours=1))
    with TopicClient(long, bench.credentials) as topics:

        def publish() -> None:
            topics.publish(bench.cache_name, topic, "the start")
            while not received and not over.wait(0.01):
                pass
            for number, text in enumerate(sent):
                if number % (MESSAGES // 3) == 1:
                    rotate(bench.cloud, bench.secret_name)
                topics.publish(bench.cache_name, topic, text)
            topics.publish(bench.cache_name, topic, "the end")

        over = threading.Event()
        publisher = threading.Thread(target=publish, daemon=True)
        publisher.start()
        (done,) = at_once(listen, 1, progress=lambda: len(received))
        over.set()
        publisher.join()
    if done.failed or received != ["the start", *sent]:
        raise Fault(
            f"over {3} rotations it received {len(set(received) & set(sent))} of {MESSAGES} messages, or not in order",
            "A new stream begins after the last message: SharedTopicClient.messages does that.",
        )


def _refusal(bench: Bench) -> None:
    cloud, service = bench.cloud, bench.service(ttl=TTL)
    if _is_failure(bench.serves(service)):
        raise Fault("it failed before")
    cloud.add_fault("aws", error="AccessDeniedException")
    end = time.monotonic() + PATIENCE
    while not _is_failure(bench.serves(service)):
        if time.monotonic() > end:
            raise Fault(f"it went on for {PATIENCE:g} s, with a copy that lives for {TTL:g} s")
        time.sleep(TTL)
    for _ in range(3):
        time.sleep(TTL / 2)
        if not _is_failure(bench.serves(service)):
            raise Fault("it stopped, and then went on", "A no holds until Secrets Manager says yes.")  # fmt: skip


_TRIALS: list[tuple[Callable[[Bench], None], str, str]] = [
    (
        _start,
        f"{THREADS} first requests at once read the secret once",
        "Requests that come together should wait for the one that reads.",
    ),
    (_log, "nothing it says or prints holds the token", "Log that it was read, never what."),
    (
        _silence,
        f"when Secrets Manager doesn't answer, the first request ends within {DEADLINE:g} s",
        "boto3's own timeouts are 60 s: give the client a Config.",
    ),
    (
        _rotation,
        f"while the token is replaced {ROTATIONS} times, no operation fails",
        "A client keeps the token it was made with: when Momento refuses it, somebody has to make a new one.",
    ),
    (
        _refusal,
        "when it may not read the secret any more, it stops",
        "An old copy is right when nobody answers, and wrong when the answer is no.",
    ),
]


# Failures


def _is_failed_answer(answer: object) -> bool:
    return answer is None or is_error(answer)


def _is_failure(done: Run) -> bool:
    return done.failed or _is_failed_answer(done.returned)


def _none_failed(runs: Sequence[Run], of: int) -> None:
    for one in runs:
        if one.failed:
            raise _misbehaved(one, "it")
    if failed := sum(map(_is_failure, runs)):
        what = "it returned nothing" if all(one.returned is None for one in runs) else f"{failed} of {of} requests failed"  # fmt: skip
        raise Fault(what, "Return what Momento answered." if "nothing" in what else "")


def _misbehaved(done: Run, who: str) -> Fault:
    """What went wrong where nothing should have."""
    if isinstance(done.error, Fault):
        return done.error
    if done.ended:
        return Fault(f"{who} tried to end the process", "A service that can't serve raises an exception.")  # fmt: skip
    if done.hung:
        return Fault(f"{who} has not come back within {done.hung:g} s", "See what it waits for: a lock, a loop, a timeout.")  # fmt: skip
    if not isinstance(done.error, Exception):
        return Fault(f"{who} raised {done.raised}", "That ends a whole program: raise an Exception.")  # fmt: skip
    return Fault(
        f"it raised {done.raised}", 'Run Service(ttl=300).serve("a user") in a cell of its own to see why.'
    )  # fmt: skip


def _have_run(answers: Sequence[object]) -> None:
    for answer in answers:
        if inspect.iscoroutine(answer):
            answer.close()  # else Python warns that nobody awaited it
        if inspect.isawaitable(answer) or inspect.isgenerator(answer):
            raise Fault(
                f"it returned a {type(answer).__name__}, of which nothing has run",
                "Return what Momento answered; `async def serve` is awaited.",
            )


def _number(answer: object) -> object:
    value = getattr(answer, "value", answer)
    return value if type(value) is int else None


# What it says


@contextmanager
def _everything_said() -> Iterator[StringIO]:
    """Keeps what is printed, and logged from INFO up, out of the notebook."""
    said, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(said), root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        with redirect_stdout(said), redirect_stderr(said):
            yield said
    finally:
        root.removeHandler(handler)
        root.setLevel(level)


LIBRARIES = ("botocore", "boto3", "urllib3")


@contextmanager
def all_that_leaves_it() -> Iterator[list[str]]:
    """Fills the list: what is printed, also past Python's own stdout and stderr; what is logged, from DEBUG up; and what the
    AWS libraries log."""
    said: list[str] = []
    root = logging.getLogger()
    printed, ours, theirs = StringIO(), StringIO(), StringIO()
    handlers = [logging.StreamHandler(ours), logging.StreamHandler(theirs)]
    handlers[0].addFilter(lambda record: not record.name.startswith(LIBRARIES))
    handlers[1].addFilter(lambda record: record.name.startswith(LIBRARIES))
    level = root.level
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        with _file_descriptors() as file, redirect_stdout(printed), redirect_stderr(printed):
            yield said
    finally:
        root.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
        said += [printed.getvalue() + file.read().decode(errors="replace"), ours.getvalue(), theirs.getvalue()]  # fmt: skip


@contextmanager
def _file_descriptors() -> Iterator[Any]:
    """A file that gets what is written to the descriptors of stdout and stderr, as child processes do."""
    with tempfile.TemporaryFile() as file:
        kept = [os.dup(1), os.dup(2)]
        try:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
            yield _Rest(file)
        finally:
            for number, before in zip((1, 2), kept, strict=True):
                os.dup2(before, number)
                os.close(before)


class _Rest:
    """What a file holds, to be read before it is closed and asked for after."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._copy = os.dup(file.fileno())

    def read(self) -> bytes:
        with os.fdopen(self._copy, "rb") as copy:
            copy.seek(0)
            return copy.read()


# What its variables show


def _while_it_runs(call: Callable[[], object]) -> list[str]:
    """What a traceback that shows variables would show, at moments while this runs in a thread of its own."""
    found: list[str] = []
    before = set(sys._current_frames())
    over = threading.Event()

    def look() -> None:
        while not over.wait(0.02):
            for thread, frame in list(sys._current_frames().items()):
                if thread not in before and thread != threading.get_ident():
                    found.append(_variables(frame))

    looker = threading.Thread(target=look, daemon=True)
    looker.start()
    try:
        call()
    finally:
        over.set()
        looker.join(DEADLINE)  # a `repr` of the service's may hang
    return found


def _errors_of(bench: Bench) -> list[str]:
    """The variables in the traceback of an exception that a service raises, where it may not read the secret."""
    service = bench.service(ttl=TTL)
    bench.serves(service)
    found = []
    with _fault(bench.cloud, "aws", error="AccessDeniedException"):
        for _ in range(3):
            time.sleep(TTL)
            error = bench.serves(service).error
            found.append(str(run(_traceback_of, error).returned))
    return found


def _traceback_of(error: BaseException | None) -> str:
    """What a tracker sends of an error: its messages and the variables of its frames, those of its causes too."""
    found = []
    while error is not None:
        found.append(str(error))
        trace = error.__traceback__
        while trace is not None:
            found.append(_locals(trace.tb_frame))
            trace = trace.tb_next
        error = error.__cause__ or error.__context__
    return "".join(found)


def _variables(frame: FrameType | None) -> str:
    shown = []
    while frame is not None:
        shown.append(_locals(frame))
        frame = frame.f_back
    return "".join(shown)


_STDLIB = sysconfig.get_path("stdlib")
_OURS = os.path.dirname(os.path.dirname(__file__))


def _locals(frame: FrameType) -> str:
    """The variables of a frame of the service's own, or of the pattern; the SDKs' frames are theirs to answer for."""
    if _is_foreign(frame.f_code):
        return ""
    return "".join(map(_shown, list(frame.f_locals.values())))


def _shown(value: object) -> str:
    """As a tracker shows a variable: what its `repr` can't do is left out."""
    try:
        return repr(value)
    except BaseException:
        return ""


def _is_foreign(code: CodeType) -> bool:
    file = code.co_filename
    return "site-packages" in file or file.startswith((_OURS, _STDLIB, "<frozen"))


# Faults and clocks


@contextmanager
def _fault(cloud: Cloud, service: str, *, delay: float = 0.0, error: str = "") -> Iterator[None]:
    cloud.add_fault(service, delay=delay, error=error)
    try:
        yield
    finally:
        cloud.clear_faults()


class Clock:
    """Adds to what the process' clocks say."""

    passed = 0.0

    def move(self, seconds: float) -> None:
        self.passed += seconds


@contextmanager
def moved_clock() -> Iterator[Clock]:
    """While the block runs, `time.time` and `time.monotonic` are ahead by what the clock was moved.

    Also where they were taken as the default of an argument, or imported by name: in all but the standard library's own
    modules, whose waiting goes by the true clock.
    """
    clock = Clock()
    real_monotonic, real_time = time.monotonic, time.time

    def monotonic() -> float:
        return real_monotonic() + clock.passed

    def now() -> float:
        return real_time() + clock.passed

    instead: dict[Any, Any] = {real_monotonic: monotonic, real_time: now}
    undo: list[Callable[[], None]] = []

    def put(owner: Any, name: str, value: Any) -> None:
        before = getattr(owner, name)
        undo.append(lambda: setattr(owner, name, before))
        setattr(owner, name, value)

    try:
        for module in list(sys.modules.values()):
            file = str(getattr(module, "__file__", None) or "")
            if module is time or (file and not (file.startswith(_STDLIB) and "site-packages" not in file)) or module.__name__ == "__main__":  # fmt: skip
                for name, value in list(vars(module).items()):
                    if isinstance(value, type(real_time)) and value in instead and module is not sys.modules[__name__]:  # fmt: skip
                        put(module, name, instead[value])
        for one in gc.get_objects():
            if type(one) is FunctionType:  # asked of a dead weak proxy, isinstance raises
                _move_defaults(one, instead, put)
        yield clock
    finally:
        for back in reversed(undo):
            back()


def _move_defaults(function: FunctionType, instead: dict[Any, Any], put: Callable[..., None]) -> None:
    real = tuple(instead)
    if function.__defaults__ and any(one in real for one in function.__defaults__ if callable(one)):
        put(function, "__defaults__", tuple(_instead(one, instead) for one in function.__defaults__))  # fmt: skip
    if function.__kwdefaults__ and any(one in real for one in function.__kwdefaults__.values() if callable(one)):  # fmt: skip
        put(function, "__kwdefaults__", {name: _instead(one, instead) for name, one in function.__kwdefaults__.items()})  # fmt: skip


def _instead(value: Any, instead: dict[Any, Any]) -> Any:
    return next((new for real, new in instead.items() if value is real), value)
