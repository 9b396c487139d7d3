"""In a notebook, a call on a closed Momento client gets a sentence, and so does a loop over a subscription that has ended.

Of itself the one gets an error that names no cause, and on a `TopicClient` (momento 1.29.1, grpcio 1.76) the process ends
by signal 11, and the learner's kernel with it. The other spins for ever: the SDK takes the end of the stream for an error,
and tries again. Plain files run without this: they behave as they do in production.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from typing import Any, NoReturn

from momento import CacheClient, CacheClientAsync, TopicClient, TopicClientAsync
from momento.responses import TopicSubscribe

from .display import PlainError

KINDS: tuple[type, ...] = (CacheClient, CacheClientAsync, TopicClient, TopicClientAsync)
CLOSING = ("close", "__exit__", "__aexit__")


class ClosedClient(PlainError):
    """A call on a client that was closed."""


def refuse_closed_clients() -> None:
    """From now on each client that is closed refuses all further calls. A second time this changes nothing."""
    for kind in KINDS:
        for name in CLOSING:
            method = getattr(kind, name, None)
            if method and not hasattr(method, "__wrapped__"):
                setattr(kind, name, _closing(method, kind, is_async=kind.__name__.endswith("Async")))
    if not hasattr(TopicSubscribe.Subscription.__next__, "__wrapped__"):
        TopicSubscribe.Subscription.__next__ = _next_or_ended(TopicSubscribe.Subscription.__next__)  # type: ignore[method-assign]


def _next_or_ended(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def next_item(subscription: Any) -> Any:
        while True:
            try:
                item = subscription._process_result(subscription._client_stream.next())
            except Exception as error:
                if subscription._client_stream.is_active():
                    continue  # as the SDK does
                raise ClosedClient(
                    "This subscription has ended: by unsubscribe(), by close() of its client, at the end of a `with` block, "
                    "or as the client's timeout is over. Subscribe again, and keep the client open as long as you listen."
                ) from error
            if item is not None:
                return item

    return next_item


def _closing(method: Callable[..., Any], kind: type, is_async: bool) -> Callable[..., Any]:
    @wraps(method)
    def close(client: Any, *exception: object) -> None:
        method(client, *exception)
        client.__class__ = _closed(kind)

    @wraps(method)
    async def aclose(client: Any, *exception: object) -> None:
        await method(client, *exception)
        client.__class__ = _closed(kind)

    return aclose if is_async else close


@cache
def _closed(kind: type) -> type:
    """The same kind of client, whose every call refuses; closing it once more does nothing."""

    def refuse(self: object, *_: object, **__: object) -> NoReturn:
        raise ClosedClient(
            f"This {kind.__name__} was closed, by close() or at the end of its `with` block: make a new one, "
            "or keep it open as long as it is used."
        )

    def nothing(self: object, *_: object) -> None: ...

    async def later_nothing(self: object, *_: object) -> None: ...

    is_async = kind.__name__.endswith("Async")
    calls = {name: refuse for name in dir(kind) if callable(getattr(kind, name)) and name[0] != "_"}
    closing = {name: later_nothing if is_async else nothing for name in CLOSING if hasattr(kind, name)}
    entering = {name: refuse for name in ("__enter__", "__aenter__") if hasattr(kind, name)}
    return type(kind.__name__, (kind,), {**calls, **entering, **closing})
