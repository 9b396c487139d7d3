"""What the exercises share: how a check works, and what several of them observe.

A check is a generator. It observes, then yields its mistakes in order, and the first that applies is shown; it returns
what a right solution is told. What counts is what arrived at the other end: what Momento holds, what the sandbox
counted, which versions the secret has. Run whatever a learner wrote by `run_learner`.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from drills import fault as fault
from drills.learner_code import Run
from drills.learner_code import run as run_learner
from drills.rotation_drill import current_token, store_new_token
from helpers.cloud import Cloud
from helpers.display import Note, PlainError
from helpers.ledger import error_code
from momento_token import TokenError

from .learner_record import note as put_down

Mistake = tuple[object, *tuple[str, ...]]  # does it apply; what was seen; the hint, with a next step
Check = Generator[Mistake, None, str]


def exercise(name: str) -> Callable[[Callable[..., Check]], Callable[..., Note]]:
    """Let a check return a note, and put its outcome in the learner's record under this name."""

    def decorate(check: Callable[..., Check]) -> Callable[..., Note]:
        @wraps(check)
        def checked(*arguments: Any, **options: Any) -> Note:
            observations = check(*arguments, **options)
            try:
                note = _first_mistake(observations)
            except (ClientError, BotoCoreError, PlainError, TokenError) as error:  # of the check's own calls
                why = error_code(error) if isinstance(error, (ClientError, BotoCoreError)) else str(error).rstrip(".")
                hint = "Run this notebook's first cells again: they connect, and create the secret if it is gone."
                note = Note("Not yet.", f"The check could not go on: {why}.", hint)
            finally:
                observations.close()  # it puts back what it changed, also when it stopped half way
            put_down(exercise=name, solved=note.mood == "good")
            return note

        return checked

    return decorate


def _first_mistake(observations: Check) -> Note:
    try:
        while True:
            applies, *lines = next(observations)
            if applies:
                return Note("Not yet.", *lines)
    except StopIteration as end:
        return Note("Solved.", *end.value.splitlines(), mood="good")


def misbehaved(done: Run, who: str, if_raised: str = "Call it in a cell of its own to see why.") -> Iterator[Mistake]:
    """The mistakes that any function can make, whatever it is for."""
    interrupt = "Call it in a cell of its own and interrupt it: the traceback shows what it waits for."
    yield done.hung, f"{who} has not come back within {done.hung:g} s.", interrupt
    yield done.error is not None, f"{who} raised {done.raised}.", if_raised
    value = done.returned
    if inspect.iscoroutine(value):
        value.close()  # otherwise Python warns that nothing awaited it
    unfinished = inspect.isawaitable(value) or inspect.isgenerator(value)
    plain = "Write a plain function: `def` without `async`, and `return` instead of `yield`."
    yield unfinished, f"{who} returned a {type(value).__name__}: nothing of it has run.", plain


def function_of(make: Callable[[], Any], name: str) -> Generator[Mistake, None, Callable[..., Any]]:
    """Return what `make()` gives, a function: `serve = yield from function_of(…)`."""
    made = run_learner(make)
    yield from misbehaved(made, name)
    hint = "Define a function inside it, and end with `return` and that function's name."
    yield not callable(made.returned), f"{name} returns no function.", hint
    return made.returned


@contextmanager
def counting(cloud: Cloud) -> Iterator[Counter[str]]:
    """Count what arrives in the sandbox while the block runs, by `service.operation`; `clients` are new cache clients."""
    counted, before, clients = Counter[str](), cloud.calls_seen(), cloud.clients_seen()
    yield counted
    counted.update(cloud.calls_seen() - before)
    counted["clients"] = cloud.clients_seen() - clients


@contextmanager
def put_back(name: str) -> Iterator[None]:
    """After the block the secret holds what it held before."""
    before = current_token(name)
    try:
        yield
    finally:
        with suppress(ClientError):  # a learner may have deleted it
            if current_token(name) != before:
                boto3.client("secretsmanager").put_secret_value(SecretId=name, SecretString=before)


def new_key(cloud: Cloud, name: str, revoke: str = "") -> str:
    """Put a new API key into the secret and return it; then revoke this other one."""
    key = store_new_token(cloud, name)
    if revoke:
        cloud.revoke_api_key(revoke)
    return key


@contextmanager
def secrets(tags: Mapping[str, list[dict[str, str]]], value: str = "of no use") -> Iterator[None]:
    """Create secrets of these names, with these tags, for as long as the block runs."""
    client = boto3.client("secretsmanager")
    try:
        for name, its in tags.items():
            client.create_secret(Name=name, SecretString=value, Tags=its)
        yield
    finally:
        for name in tags:
            with suppress(ClientError):
                client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
