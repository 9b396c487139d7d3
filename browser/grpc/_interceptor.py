from __future__ import annotations

from typing import Any

from . import Call, Done


class _UnaryOutcome(Done):
    """A response that an interceptor returns, with what is known of its call."""

    def __init__(self, response: Any, call: Call) -> None:
        super().__init__(response)
        self.code, self.details = call.code, call.details
        self.initial_metadata, self.trailing_metadata = call.initial_metadata, call.trailing_metadata
