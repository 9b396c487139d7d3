from __future__ import annotations

from typing import Any

from . import Call, Done


class _UnaryOutcome(Done):
    """A response that an interceptor returns, with what is known of its call."""

    def __init__(self, response: Any, call: Call) -> None:
        super().__init__(response)
        self._call = call

    def __getattribute__(self, name: str) -> Any:
        if name in ("code", "details", "initial_metadata", "trailing_metadata"):
            return getattr(self._call, name)
        return super().__getattribute__(name)
