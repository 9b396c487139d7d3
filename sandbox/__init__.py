"""The sandbox: local stand-ins for Secrets Manager and Momento, in one child process: `python -m sandbox`."""

from __future__ import annotations


class PlainError(Exception):
    """An error whose message is one sentence with cause and fix. A notebook shows that sentence and no traceback.

    As `momento_token.PlainError`, which would import the SDKs: a kernel imports those while its sandbox starts, and a
    cold start is measured in a process that has not.
    """

    def _render_traceback_(self) -> list[str]:  # IPython calls it
        return [f"✗ {self}"]
