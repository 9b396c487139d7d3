"""What the tests of this folder share. They need boto3, momento, pytest and hypothesis, and nothing else of ours."""

from __future__ import annotations

import base64
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from momento.errors import MomentoErrorCode

from momento_token import Event, TokenSource
from momento_token.testing import FakeSecretsManager, fake_key

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def new_v1_key() -> str:
    inside = {"endpoint": "cell.example.com", "api_key": fake_key()}
    return base64.b64encode(json.dumps(inside).encode()).decode()


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def at_once(work: Callable[[], None]) -> None:
    """In place of a thread: the read is over before the caller looks at it."""
    work()


class Steps(list[Callable[[], None]]):
    """In place of threads: reads that end when a test says so."""

    def __call__(self, work: Callable[[], None]) -> None:
        self.append(work)

    def land(self) -> None:
        self.pop(0)()


def source_of(service: Any, start: Any = at_once, **settings: Any) -> TokenSource:
    """A source whose reads are over at once, unless `start` says otherwise; None starts threads."""
    source = TokenSource("s", lambda: service, **settings)
    if start is not None:
        source._start = start
    return source


class Notes(list[Event]):
    """A `report` that keeps the events."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self]


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Wait for something that happens in another thread. Fails after a time that only a hang takes."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it didn't happen"
        time.sleep(0.005)


def in_threads(work: Callable[[], Any], count: int = 32) -> list[Any]:
    """What `work` returns or raises in as many threads at once."""
    results, ready = [], threading.Barrier(count)

    def run() -> None:
        ready.wait()
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    threads = [threading.Thread(target=run, daemon=True) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == count, f"only {len(results)} of {count} came back"
    return results


def in_a_child(work: Callable[[], object]) -> str:
    """What `work()` returns or raises in a forked child. A child that hangs is ended, and says so."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        logging.disable()  # a thread of an earlier test may have held the lock of a log file when we forked
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest-timeout has a handler, which would have to run here
        signal.alarm(15)
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    return said if status == 0 else f"ended by signal {status}"


class Response:
    def __init__(self, code: MomentoErrorCode | None = None) -> None:
        if code:
            self.error_code = code


REFUSED = Response(MomentoErrorCode.AUTHENTICATION_ERROR)


class FakeClient:
    """What the shared clients know of a client."""

    def __init__(self, token: str) -> None:
        self.token, self.closed = token, False

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        assert not self.closed
        self.closed = True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        self.__exit__()


class Bench:
    """A source and a shared client of this kind, with a clock and a Secrets Manager of their own."""

    def __init__(self, kind: Any, **settings: Any) -> None:
        self.service, self.clock, self.notes = FakeSecretsManager(), Clock(), Notes()
        self.made: list[FakeClient] = []
        self.source = source_of(self.service, ttl=10, clock=self.clock, report=self.notes, **settings)
        self.clients = kind(self.source, self.make)

    def make(self, token: str) -> FakeClient:
        self.made.append(FakeClient(token))
        return self.made[-1]

    def rotate(self) -> None:
        self.service.rotate()
        self.clock.now += 11
