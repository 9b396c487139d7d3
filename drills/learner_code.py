"""Runs what a learner wrote so that it can neither hang a check nor end the kernel, and puts back what it changed.

It runs in a thread of the kernel. A process of its own would be safer, and is not possible: the code uses the clients that
the notebook's cells have made, and those don't survive a fork. So a thread is waited for only so long; whatever it raises is
an observation, SystemExit and KeyboardInterrupt included; and a process's ways to end itself are closed to it.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from io import StringIO
from typing import Any

SECONDS = 10.0  # what a call may take; every fault that a check sets is over much sooner
# As Momento's keys are: a JSON web token, or a long text in base64.
KEY = re.compile(r"eyJ[\w-]{20,}(?:\.[\w-]*)*|[A-Za-z0-9+/]{80,}={0,2}")


class Stopped(BaseException):
    """Ends a learner's code that would end the process, or does not end itself."""


@dataclass
class Run:
    """What came of a call: what it returned or raised, whether it came back in time, and what it did that nothing should."""

    returned: Any = None
    error: BaseException | None = None
    hung: float = 0.0  # seconds that were waited in vain
    ended: bool = False  # it tried to end the process
    printed: str = ""  # keys in it are hidden

    @property
    def raised(self) -> str:
        """The name of the exception, or an empty text."""
        return type(self.error).__name__ if self.error else ""

    @property
    def what_was_raised(self) -> str:
        """The same, with the message where Python itself wrote it: a name that is not defined, for example."""
        if not isinstance(self.error, (NameError, AttributeError, TypeError, LookupError, ImportError)):
            return self.raised
        return f"{self.raised}: {KEY.sub('<hidden>', str(self.error))[:120]}"

    @property
    def failed(self) -> bool:
        return bool(self.error or self.hung or self.ended)

    @property
    def shows_a_key(self) -> bool:
        return "<hidden" in self.printed


def run(call: Callable[..., Any], *arguments: object, seconds: float | None = None) -> Run:
    """Call what a learner wrote, in a thread, for so many seconds at most."""
    (one,) = at_once(lambda: call(*arguments), 1, seconds)
    return one


def at_once(
    call: Callable[[], Any],
    threads: int,
    seconds: float | None = None,
    progress: Callable[[], int] = lambda: 0,
) -> list[Run]:
    """Call it from this many threads, all released at the same moment; what came of each.

    They are given up when for so many seconds none has come back, and `progress` hasn't changed.
    """
    limit = SECONDS if seconds is None else seconds
    barrier = threading.Barrier(threads)
    jobs = [_Job(call, barrier) for _ in range(threads)]
    said = _Said()
    with _closed_doors(), redirect_stdout(said), redirect_stderr(said):
        for job in jobs:
            job.start()
        waited, before = time.monotonic(), -1
        while not all(job.done for job in jobs) and time.monotonic() < waited + limit:
            # The last one may have ended since the line above.
            next((job for job in jobs if not job.done), jobs[0]).thread.join(0.05)
            now = progress() + sum(job.done for job in jobs)
            if now != before:
                waited, before = time.monotonic(), now
    for job in jobs:
        if not job.done:
            job.run_.hung = limit
            job.stop()
    text = said.getvalue()
    if text:
        print(text, end="")
    jobs[0].run_.printed = text
    return [job.run_ for job in jobs]


class _Said(StringIO):
    """What is printed meanwhile; it is passed on afterwards, without keys."""

    def getvalue(self) -> str:
        return KEY.sub("<hidden>", super().getvalue())


@dataclass(eq=False)
class _Job:
    call: Callable[[], Any]
    barrier: threading.Barrier
    run_: Run = field(default_factory=Run)
    done: bool = False

    def start(self) -> None:
        self.thread = threading.Thread(target=self._until_stopped, daemon=True)
        self.thread.start()

    def _until_stopped(self) -> None:
        with suppress(Stopped):
            self._work()

    def _work(self) -> None:
        pid = os.getpid()
        run_ = self.run_
        try:
            _LOCAL.run = run_
            self.barrier.wait()
            returned = self.call()
            if run_.hung == 0:
                run_.returned = returned
        except BaseException as error:
            if run_.hung == 0:
                run_.error = error
        finally:
            self.done = True
            _LOCAL.run = None
            if os.getpid() != pid:  # it forked, and this is the child
                _REAL["_exit"](0)

    def stop(self) -> None:
        """Raise an exception in a thread that is left behind, so that a loop in it doesn't spin for ever."""

        def insist() -> None:
            for _ in range(50):  # it may catch a few
                if self.done or self.thread.ident is None:
                    return
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self.thread.ident), ctypes.py_object(Stopped))
                self.thread.join(0.1)

        threading.Thread(target=insist, daemon=True).start()


# The ways for a process to end itself. They are closed to a learner's threads, and while one is waited for to all that
# began meanwhile: it may have started them.
_RUNNING: list[frozenset[int]] = []  # for each call that is waited for, the threads that were there before
_LOCAL = threading.local()
_REAL: dict[str, Any] = {}
_PID = os.getpid()
_MACHINERY = ("ipykernel", "execnet", "pytest_timeout", "xdist")
_KILLS = ("kill", "killpg")


@contextmanager
def _closed_doors() -> Iterator[None]:
    global _PID
    _PID = os.getpid()
    if not _REAL:
        for module, names in (
            (os, ("_exit", "abort", "execv", "execve", *_KILLS)),
            (signal, ("raise_signal", "pthread_kill")),
            (_thread, ("interrupt_main",)),
        ):
            for name in names:
                if hasattr(module, name):  # Windows lacks some
                    _close(module, name)
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    if shell is not None and getattr(shell.ask_exit, "__name__", "") != "closed":
        _close(shell, "ask_exit")  # what `exit()` calls in a notebook
    before = frozenset(thread.ident or 0 for thread in threading.enumerate())
    _RUNNING.append(before)
    try:
        yield
    finally:
        _RUNNING.remove(before)


def _close(owner: Any, name: str) -> None:
    real = _REAL[name] = getattr(owner, name)

    def closed(*arguments: Any, **options: Any) -> Any:
        active = getattr(_LOCAL, "run", None)
        theirs = active or any(threading.get_ident() not in before for before in _RUNNING)
        caller = str(sys._getframe(1).f_globals.get("__name__", "")).partition(".")[0]
        other = name in _KILLS and arguments and _is_a_child(arguments[0])
        if os.getpid() != _PID or not theirs or caller in _MACHINERY or other:
            return real(*arguments, **options)
        if active:
            active.ended = True
        raise Stopped(f"{name} would end the kernel")

    setattr(owner, name, closed)


def _is_a_child(pid: object) -> bool:
    import psutil

    return pid in {child.pid for child in psutil.Process().children(recursive=True)}


# What a learner's code finds, and what a check leaves behind.


@dataclass(frozen=True)
class Secret:
    """A secret as it is: its versions by label, its tags."""

    description: str
    tags: tuple[tuple[str, str], ...]
    labels: tuple[tuple[str, str], ...]  # label, version
    values: tuple[tuple[str, str | bytes], ...]  # version, what it holds
    versions: frozenset[str] = field(compare=False)  # also without a label: those can't be removed
    deleted: bool
    policy: str


def secrets_manager() -> Any:
    """A client of the checks' own; one for each connection, as making one takes longer than a call."""
    return _client_of(*(os.environ.get(name) for name in ("AWS_ENDPOINT_URL_SECRETS_MANAGER", "AWS_ACCESS_KEY_ID")))  # fmt: skip


@lru_cache(maxsize=1)
def _client_of(*_: str | None) -> Any:
    import boto3

    return boto3.client("secretsmanager")


def secrets_now() -> dict[str, Secret]:
    """All secrets, as they are at AWS, by name."""
    client = secrets_manager()
    pages = client.get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    names = [one["Name"] for page in pages for one in page["SecretList"]]
    found = {name: _secret(client, name) for name in names}
    return {name: secret for name, secret in found.items() if secret is not None}


def secrets_listed() -> dict[str, Secret]:
    """The same, but only what a list says of them: names, tags and labels, at a call for each hundred."""
    pages = secrets_manager().get_paginator("list_secrets").paginate(IncludePlannedDeletion=True)
    found = {}
    for one in (one for page in pages for one in page["SecretList"]):
        stages = one.get("SecretVersionsToStages") or {}
        labels = sorted((label, version) for version, its in stages.items() for label in its)
        tags = sorted((tag["Key"], tag["Value"]) for tag in one.get("Tags", []))
        found[one["Name"]] = Secret(
            one.get("Description", ""), tuple(tags), tuple(labels), (), frozenset(stages), "DeletedDate" in one, ""
        )  # fmt: skip
    return found


def _secret(client: Any, name: str) -> Secret | None:
    try:
        about = client.describe_secret(SecretId=name)
    except client.exceptions.ResourceNotFoundException:
        return None
    stages = about.get("VersionIdsToStages") or {}
    labels = tuple(sorted((label, version) for version, its in stages.items() for label in its))
    deleted = "DeletedDate" in about
    values = {}
    if not deleted:
        for label, version in labels:
            with suppress(client.exceptions.ClientError):  # AWSPENDING may have no value yet
                answer = client.get_secret_value(SecretId=name, VersionStage=label)
                values[version] = answer.get("SecretString", answer.get("SecretBinary"))
    policy = "" if deleted else client.get_resource_policy(SecretId=name).get("ResourcePolicy", "")
    return Secret(
        about.get("Description", ""),
        tuple(sorted((tag["Key"], tag["Value"]) for tag in about.get("Tags", []))),
        labels,
        tuple(sorted(values.items())),
        frozenset(stages),
        deleted,
        policy or "",
    )


def changed(before: dict[str, Secret], after: dict[str, Secret]) -> str:
    """What was done to a secret meanwhile, in a few words; an empty text if nothing was."""
    for name, secret in before.items():
        if name not in after or (after[name].deleted and not secret.deleted):
            return f"deleted the secret {name}"
        if after[name] != secret:
            return f"changed the secret {name}"
    for name in after.keys() - before.keys():
        return f"created the secret {name}"
    return ""


@contextmanager
def as_before(cloud: Any) -> Iterator[None]:
    """Whatever happens in the `with` block, in the end the sandbox's secrets and tokens are as before, and no fault is set.

    Live nothing is touched: what is there is the learner's own.
    """
    if cloud.mode != "sandbox":
        yield
        return
    cloud.clear_faults()
    with cloud.kept():
        yield
