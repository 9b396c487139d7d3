"""Run what a learner wrote: in threads, given up when they don't come back. Whatever it raises is an observation."""

from __future__ import annotations

import re
import sys
import threading
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from io import StringIO
from typing import Any

from sandbox import PlainError

SECONDS = 10.0  # more than any fault that a check or a trial sets
# Momento's keys: a JSON web token, or a long text in base64.
KEY = re.compile(r"eyJ[\w-]{20,}(?:\.[\w-]*)*|[A-Za-z0-9+/]{80,}={0,2}")


@dataclass
class Run:
    """The outcome of one call: what it returned or raised, and what was printed while it ran."""

    returned: Any = None
    error: BaseException | None = None  # also SystemExit: `exit()` in a function is a mistake like any other
    hung: float = 0.0  # the seconds after which it was given up
    printed: str = field(default="", repr=False)
    done: bool = False

    @property
    def raised(self) -> str:
        """Name the exception, with Python's own message where that says what to change; an empty text if there is none."""
        if self.error is None:
            return ""
        name = type(self.error).__name__
        if not isinstance(self.error, (NameError, AttributeError, TypeError, LookupError, ImportError, PlainError)):
            return name
        return f"{name}: {KEY.sub('<hidden>', str(self.error))[:160].rstrip('.')}"

    @property
    def failed(self) -> bool:
        return self.error is not None or self.hung > 0


def run(call: Callable[..., Any], *arguments: object, seconds: float | None = None) -> Run:
    """Call what a learner wrote, and wait for it for at most so many seconds."""
    return at_once(lambda: call(*arguments), 1, seconds)[0]


def at_once(call: Callable[[], Any], threads: int, seconds: float | None = None) -> list[Run]:
    """Call it from this many threads, all released at the same moment. What they print is passed on without keys."""
    limit = SECONDS if seconds is None else seconds
    barrier, runs, printed = threading.Barrier(threads), [Run() for _ in range(threads)], StringIO()

    def work(mine: Run) -> None:
        try:
            mine.returned = call()
        except BaseException as error:
            mine.error = error
        mine.done = True

    def work_together(mine: Run) -> None:
        barrier.wait()
        work(mine)

    with redirect_stdout(printed), redirect_stderr(printed):
        if sys.platform == "emscripten":  # a browser tab has no threads
            for mine in runs:
                work(mine)
        else:
            jobs = [threading.Thread(target=work_together, args=(mine,), daemon=True) for mine in runs]
            for job in jobs:
                job.start()
            end = time.monotonic() + limit
            for job in jobs:
                job.join(max(0.0, end - time.monotonic()))
    for mine in runs:
        mine.printed = printed.getvalue()
        mine.hung = 0.0 if mine.done else limit
    print(KEY.sub("<hidden>", printed.getvalue()), end="")
    return runs
