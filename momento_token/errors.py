"""What can go wrong between a service and its token: one sentence for a person, with the cause and the fix."""

from __future__ import annotations


class PlainError(Exception):
    """An error whose message is one sentence for a person, with cause and fix; a notebook shows only that."""

    # IPython calls this instead of printing its own traceback.
    def _render_traceback_(self) -> list[str]:
        return [f"✗ {self}"]


class TokenError(PlainError, ValueError):
    """The text is no usable API key. The message names the cause and the fix, and never repeats the text."""


class TokenUnavailable(PlainError):
    """There is no token that may be served.

    `denied` is true if Secrets Manager answered and said no, so that no copy may be served either; false if it could
    not be asked, or if what it holds is no usable token. `code` is the error's name, for a metric or an alarm.
    """

    def __init__(self, message: str, denied: bool = False, code: str = "") -> None:
        super().__init__(
            message, denied, code
        )  # all of it, so that it can cross a process boundary
        self.denied, self.code = denied, code

    def __str__(self) -> str:
        return str(self.args[0])


class SubscriptionError(PlainError):
    """Momento doesn't let us subscribe, and asking again would not help. `code` is the name of its error."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])
