"""Exercise of 07, where tokens leak: a reader that leaks nowhere."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from secrets import token_hex
from typing import Any, NamedTuple
from uuid import uuid4

from drills.learner_code import Run
from drills.service_review import captured_output
from helpers.cloud import Cloud

from .common import (
    Check,
    Mistake,
    current_value,
    exercise,
    is_text,
    misbehaved,
    run_learner,
    secrets,
    unfinished,
)


@exercise("leaks")
def check_leaks_nowhere(cloud: Cloud, secret_name: str, reader: Callable[[str], Any]) -> Check:
    """Does `reader(secret_name).token` give the token, while nothing else shows it, even if the secret holds none?"""
    yield not callable(reader), "`Reader` can't be called.", "Define it with `class Reader:`."
    token = current_value(secret_name)
    good = _try_out(reader, secret_name, token)
    yield from misbehaved(good.run, "Your reader", "Run `Reader(SECRET_NAME)` in its own cell.")
    yield from unfinished(good.run.returned, "Your reader")
    given = run_learner(lambda: good.run.returned.token).returned
    yield (
        not is_text(given, token),
        "`reader.token` is not the text that the secret holds.",
        "Keep the whole of what `GetSecretValue` returns.",
    )
    yield (
        token in good.shown,
        "`repr(reader)` shows the token.",
        "Leave `__repr__` to Python, or show the secret's name in it.",
    )
    yield from _leaks(token, good)
    yield (
        token in repr(given),
        "`repr(reader.token)` shows the token, and so does a crash report of whoever uses it.",
        "Return a `Token`, which hides itself.",
    )
    not_a_token, name = token_hex(30), f"exercise/{uuid4()}"
    with secrets({name: []}, json.dumps({"apiKey": not_a_token})):
        bad = _try_out(reader, name, not_a_token)
    raised = isinstance(bad.run.error, Exception)
    yield from misbehaved(replace(bad.run, error=None) if raised else bad.run, "Your reader")
    yield (
        not raised,
        "Your reader accepted a secret that holds JSON instead of a token.",
        "Call `check` on what you read: it raises an error that names the cause.",
    )
    yield from _leaks(not_a_token, bad)
    yield (
        not_a_token in str(bad.run.error),
        "The error's message repeats what the secret holds.",
        "Say what is wrong without repeating the value, as `check` does.",
    )
    yield (
        not_a_token in _crash_report(bad.run),
        "A crash report that shows local variables shows what the secret holds.",
        "Read the secret in a function of its own, and let it return a `Token`, which hides itself.",
    )
    return "Your reader gives the token to its caller and shows it nowhere else."


class _Tried(NamedTuple):
    run: Run
    shown: str  # by repr and str
    printed: str
    logged: str
    inherited: str  # the environment that a child process gets


def _try_out(reader: Callable[[str], Any], secret_name: str, text: str) -> _Tried:
    """Call the reader, and collect everything that leaves it. What the AWS libraries log is not the reader's."""
    with _environment_without(text):
        with captured_output() as (printed, logged):
            run = run_learner(reader, secret_name)
            shown = run_learner(lambda: f"{run.returned!r} {run.returned}").returned
        show_environment = [sys.executable, "-S", "-c", "import os; print(dict(os.environ))"]
        child = subprocess.run(show_environment, capture_output=True, text=True)
    return _Tried(run, str(shown), printed.getvalue(), logged.getvalue(), child.stdout)


@contextmanager
def _environment_without(text: str) -> Iterator[None]:
    """An environment that doesn't hold this text, such as from an attempt before; put back in the end."""
    before = dict(os.environ)
    for name, value in before.items():
        if text in value:
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _leaks(text: str, tried: _Tried) -> Iterator[Mistake]:
    yield (
        text in tried.logged,
        "Your log contains what the secret holds.",
        "Log that the secret was read, and its name.",
    )
    yield (
        text in tried.printed,
        "What is printed contains what the secret holds.",
        "Outputs are saved and copied: print the secret's name, if anything.",
    )
    yield (
        text in tried.inherited,
        "The environment contains what the secret holds, and every child process inherits it.",
        "Pass the token on as an argument instead.",
    )


def _crash_report(run: Run) -> str:
    """The error with all local variables, as crash reporters send it."""
    if run.error is None:
        return ""
    report = traceback.TracebackException.from_exception(run.error, capture_locals=True)
    return "".join(report.format())
