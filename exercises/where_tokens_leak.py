"""Exercise of deeper/, where tokens leak: a reader that leaks nowhere."""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from secrets import token_hex
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from drills.learner_code import Run
from helpers.cloud import Cloud

from .common import Check, current_token, exercise, misbehaved, run_learner, secrets


@exercise("leaks")
def check_leaks_nowhere(cloud: Cloud, secret_name: str, reader: Callable[[str], Any]) -> Check:
    """Does `reader(secret_name).token` give the token while nothing else shows it, even if the secret holds none?"""
    token = current_token(secret_name)
    good, places = _try_out(reader, secret_name, token)
    yield from misbehaved(good, "Your reader", "Run `Reader(SECRET_NAME)` in a cell of its own.")
    seen = "`reader.token` is not the text that the secret holds."
    yield good.returned[0] != token, seen, "Keep the whole `SecretString` that `get_secret_value` returns."
    hint = (
        "Keep it as a `Token`, whose repr hides it; log and print the secret's name; pass the token on as an argument."
    )
    yield places, f"The token shows in {', '.join(places)}.", hint
    no_token, name = token_hex(30), f"exercise/{uuid4()}"
    with secrets({name: []}, json.dumps({"apiKey": no_token})):
        bad, places = _try_out(reader, name, no_token)
    seen = "Your reader accepted a secret that holds JSON instead of a token."
    yield bad.error is None, seen, "Call `check` on what you read: it raises an error that names the cause."
    hint = "Let `check` word the error, and read the secret in a function of its own that returns a `Token`."
    yield places, f"If the secret holds no token, what it holds shows in {', '.join(places)}.", hint
    return "Your reader gives the token to its caller and shows it nowhere else."


def _use(reader: Callable[[str], Any], secret_name: str) -> tuple[object, str]:
    made = reader(secret_name)
    return made.token, repr(made)


@contextmanager
def _logged() -> Iterator[StringIO]:
    """Capture what is logged at any level, except by the AWS libraries."""
    logged, root = StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(logged), root.level
    handler.addFilter(lambda record: not record.name.startswith(("botocore", "boto3", "urllib3")))
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield logged
    finally:
        root.setLevel(level)
        root.removeHandler(handler)


def _try_out(reader: Callable[[str], Any], secret_name: str, text: str) -> tuple[Run, list[str]]:
    """Call the reader on a secret that holds this text; also return where the text shows."""
    with patch.dict(os.environ):
        for name in [name for name, value in os.environ.items() if text in value]:
            del os.environ[name]  # from an attempt before
        with _logged() as logged:
            run = run_learner(_use, reader, secret_name)
        environment = str(dict(os.environ))
    shown = {"its log": logged.getvalue(), "what is printed": run.printed, "the environment": environment}
    if run.returned:
        shown |= {"`repr(reader)`": run.returned[1], "`repr(reader.token)`": repr(run.returned[0])}
    if run.error:
        report = traceback.TracebackException.from_exception(run.error, capture_locals=True)
        shown["the error's message"] = str(run.error)
        shown["a crash report with local variables"] = "".join(report.format())
    return run, [place for place, content in shown.items() if text in content]
