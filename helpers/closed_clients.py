"""A guard for the kernel: with momento 1.29.1, most calls on a closed client end the process by signal 11.

Plain files run without it, as they do in production. A `CacheClient` returns the SDK's own error, but only for what it
has called before.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from momento import CacheClient, TopicClient

from .display import PlainError


def refuse_closed_clients() -> None:
    """Let calls on a closed client raise a `PlainError` from now on."""
    for kind, name in ((CacheClient, "__exit__"), (TopicClient, "__exit__"), (TopicClient, "close")):
        if not hasattr(end := getattr(kind, name), "__wrapped__"):
            setattr(kind, name, _and_refuse(end))


def _and_refuse(close: Callable[..., None]) -> Callable[..., None]:
    @wraps(close)
    def close_and_refuse(client: Any, *exception: object) -> None:
        close(client, *exception)
        for name in dir(type(client)):
            if not name.startswith("_") and name != "close":
                setattr(client, name, _refuse)

    return close_and_refuse


def _refuse(*_: object, **__: object) -> NoReturn:
    raise PlainError("This client was closed, by close() or at the end of its `with` block: make a new one.")
