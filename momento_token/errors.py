"""What can go wrong between a service and its token, each in one sentence for a person: the cause and the fix."""

from __future__ import annotations


class PlainError(Exception):
    """An error whose message is one sentence with cause and fix. A notebook shows that sentence and no traceback."""

    def _render_traceback_(self) -> list[str]:  # IPython calls it
        return [f"✗ {self}"]


class TokenError(PlainError, ValueError):
    """The text can't be used as an API key. The message names the cause and the fix, and never repeats the text."""


class TokenUnavailable(PlainError):
    """There is no token that may be served.

    `denied` is True if Secrets Manager denied the read, and False if that error will pass, or if the secret holds no
    usable token. `code` is the name of the error, for a metric or an alarm.
    """

    def __init__(self, message: str, denied: bool = False, code: str = "") -> None:
        super().__init__(message, denied, code)  # all three, so that it can be pickled
        self.denied, self.code = denied, code

    def __str__(self) -> str:
        return str(self.args[0])


class SubscriptionError(PlainError):
    """Momento refuses a subscription, and another attempt would not help. `code` is the name of Momento's error."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])
