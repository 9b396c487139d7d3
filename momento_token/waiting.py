"""One piece of logic for threads and tasks: a coroutine that is told how to wait, and one way to wait is to block.

A coroutine whose waits all block never suspends, so `run` needs no event loop. The idea is that of httpx's `auth_flow`.
"""

from __future__ import annotations

import asyncio
import os
import random
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, InvalidStateError, wait
from contextlib import suppress
from typing import Any, TypeVar

Result = TypeVar("Result")
Moment = tuple[float, float]  # by the monotonic clock, and by the wall clock

TIMEOUT = 10.0  # seconds that a caller waits if there is no token to serve: longer than a read with its retry takes

# Seconds between failed attempts, doubled each time: at most 14 reads of the secret in a minute, and one that succeeds
# within 15 s of the end of a denial.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 12.0
# SystemRandom: processes that are restored from one snapshot must not draw the same numbers.
_random = random.SystemRandom()


class Blocking:
    """How a thread waits for a future, at most some seconds, and for the result of work."""

    @staticmethod
    def loop() -> asyncio.AbstractEventLoop | None:
        return None

    @staticmethod
    async def until(over: Future[None], seconds: float) -> None:
        wait([over], max(0.0, seconds))  # not over.result: a signal's own TimeoutError must go through

    @staticmethod
    async def result_of(work: Callable[[], Any]) -> Any:
        result = work()
        if hasattr(result, "__await__"):
            raise TypeError("This operation has to be awaited: use AsyncSharedClient.")
        return result

    @staticmethod
    async def close(client: Any) -> None:
        client.__exit__(None, None, None)


class Suspending(Blocking):
    """How a task waits: in the meantime the event loop goes on."""

    @staticmethod
    def loop() -> asyncio.AbstractEventLoop | None:
        return asyncio.get_running_loop()

    @staticmethod
    async def until(over: Future[None], seconds: float) -> None:
        if seconds > 0 and not over.done():  # each that waits leaves a callback until it is over
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.wrap_future(over)

    @staticmethod
    async def result_of(work: Callable[[], Any]) -> Any:
        result = work()
        if not hasattr(result, "__await__"):
            raise TypeError("This operation can't be awaited: use an async client, or SharedClient.")
        return await result

    @staticmethod
    async def close(client: Any) -> None:
        await asyncio.shield(client.__aexit__(None, None, None))  # a cancelled task must not leave it half closed


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine that waits by blocking this thread."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: Result = end.value
        return result
    raise RuntimeError("A coroutine that was to block has suspended.")


def new_future() -> Future[None]:
    """Make a future that a cancelled task can't cancel for the others that wait for it."""
    future: Future[None] = Future()
    future.set_running_or_notify_cancel()
    return future


def end(future: Future[None]) -> None:
    """Let those who wait for this future go on; it may have been ended before."""
    with suppress(InvalidStateError):
        future.set_result(None)


def start_thread(work: Callable[[], None]) -> None:
    """Run `work` in a daemon thread, which never keeps the process from ending."""
    threading.Thread(target=work, name="momento_token", daemon=True).start()


class ProcessLock:
    """A lock for each process: in a forked child, no thread releases one that another thread held.

    It is reentrant, as a signal handler may need it too.
    """

    def __init__(self) -> None:
        self._locks: dict[int, threading.RLock] = {}

    def here(self) -> threading.RLock:
        """Return this process's lock, for a `with` statement: no signal comes between it and the lock."""
        pid = os.getpid()
        return self._locks.get(pid) or self._locks.setdefault(pid, threading.RLock())


class Clocks:
    """Ages, by the clock that shows more: one stands still in a suspended process, and the other can be set back."""

    def __init__(self, clock: Callable[[], float] | None) -> None:
        self.monotonic, self.wall = (clock, clock) if clock else (time.monotonic, time.time)

    def now(self) -> Moment:
        """Return this moment."""
        return self.monotonic(), self.wall()

    def since(self, moment: Moment) -> float:
        """Return the seconds since a moment; infinity if both clocks were set back, as on another machine."""
        seconds = max(self.monotonic() - moment[0], self.wall() - moment[1])
        return seconds if seconds >= 0 else float("inf")

    def is_over(self, moment: Moment) -> bool:
        """Return whether a moment has come, by either clock."""
        return self.monotonic() >= moment[0] or self.wall() >= moment[1]


def end_of(timeout: float | None) -> float:
    """Return when a wait of at most `timeout` and TIMEOUT seconds ends, by the monotonic clock."""
    return time.monotonic() + min(TIMEOUT, TIMEOUT if timeout is None else timeout)


def uniform(least: float, most: float) -> float:
    """Return a random number of this range."""
    return _random.uniform(least, most)


def backoff(failures: int) -> float:
    """Return the seconds to wait after this many failures in a row: doubled each time, and half of it at random."""
    longest = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 30)) if failures else 0.0
    return uniform(longest / 2, longest)
