"""A guard for the kernel: with momento 1.29.1, a call on a closed `TopicClient` ends the process by signal 11.

Plain files run without it, as they do in production. Other closed clients return the SDK's own error.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, NoReturn

from momento import TopicClient

from .display import PlainError


def refuse_closed_clients() -> None:
    """Let calls on a closed `TopicClient` raise a `PlainError` from now on."""
    if not hasattr(TopicClient.close, "__wrapped__"):
        for name in ("close", "__exit__"):
            setattr(TopicClient, name, _and_refuse(getattr(TopicClient, name)))


def _and_refuse(close: Callable[..., None]) -> Callable[..., None]:
    @wraps(close)
    def close_and_refuse(client: Any, *exception: object) -> None:
        close(client, *exception)
        client.publish = client.subscribe = _refuse

    return close_and_refuse


def _refuse(*_: object, **__: object) -> NoReturn:
    raise PlainError("This TopicClient was closed, by close() or at the end of its `with` block: make a new one.")
