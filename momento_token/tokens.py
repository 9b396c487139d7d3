"""Tell whether a text is a usable Momento API key, and if not, why.

The Momento SDK answers most of these mistakes with one sentence that names no cause, and some with a bare `KeyError`.
The formats are those that `momento.auth.momento_endpoint_resolver` of momento 1.29.1 reads.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, NamedTuple

import jwt

from .errors import TokenError

__all__ = ["Kind", "Token", "TokenError", "check"]


class Token(str):
    """A token that hides itself from reprs, so from tracebacks that show variables, from logs of objects and from tasks.

    It is a `str` in every other way: printed or formatted with `str`, it shows. `number` counts the versions that its
    source has seen: of two tokens of one source, the newer has the higher number.
    """

    number: int = 0

    @classmethod
    def numbered(cls, text: str, number: int) -> Token:
        token = cls(text)
        token.number = number
        return token

    def __repr__(self) -> str:
        return f"<hidden, {len(self)} characters>"


class Kind(NamedTuple):
    """What an API key is: `name` is "v2", "v1" or "legacy"; `endpoint` is None where the key doesn't hold one."""

    name: str
    endpoint: str | None


def check(text: object) -> Kind:
    """The kind of this API key. Strict, for use before a token is stored: white space around it is an error too.

    Raises `TokenError` for everything that isn't a Momento API key as it was issued.
    """
    kind = type(text)
    # From here on no frame of ours shows it. Its characters, as a kind of `str` that hides itself would give others.
    text = Token(str.__str__(text)) if isinstance(text, str) else None
    if text is None:
        raise TokenError(_about_type(kind))
    if not text.strip():
        raise TokenError("The token is empty: copy the whole API key from the Momento console.")
    if text != text.strip():
        raise TokenError(
            f"The token has {_where(text)}: store it without: `printf %s` in a shell, `.strip()` in Python."
        )
    if text[0] in "\"'" or text[-1] in "\"'":
        raise TokenError(
            "The token has quotation marks around it: store the characters between them only."
        )
    if text.startswith("{"):
        raise TokenError(_about_json(text))
    if not text.isascii() or any(not c.isprintable() or c == " " for c in text):
        raise TokenError(
            "The token has characters inside that no API key has: copy it again, in one piece."
        )
    return _v1(text) if _is_base64(text) else _jwt(text)


def _about_type(kind: type) -> str:
    if kind in (bytes, bytearray):
        return (
            "The token is bytes: it was stored as SecretBinary, so store it again as SecretString."
        )
    if kind is type(None):
        return "There is no token: a secret stored as SecretBinary has no SecretString, so store it as text."
    return f"The token is a {kind.__name__}: pass the SecretString of the answer, a str."


def _where(text: str) -> str:
    if text == text.rstrip():
        return "white space before it"
    return "a line break at its end" if text.endswith("\n") else "white space after it"


def _about_json(text: str) -> str:
    if _is_rotation_example(text):
        return (
            "The secret is the JSON that Momento's rotation example stores: "
            "take its field `apiKey`, or store that value alone."
        )
    return "The secret is JSON, not the token alone: store it again with the console's Plaintext tab, without braces."


def _is_rotation_example(text: str) -> bool:
    try:
        return "refreshToken" in json.loads(text)
    except (ValueError, RecursionError):
        return False


def _is_base64(text: str) -> bool:
    try:
        return base64.b64encode(base64.b64decode(text)) == text.encode()
    except binascii.Error:
        return False


def _v1(text: str) -> Kind:
    fields = _fields_of_v1(text)
    if fields is None:
        raise TokenError(
            "The token is base64, but no v1 API key is inside: copy the whole key again from the Momento console."
        )
    for name, value in fields.items():
        if not value:
            raise TokenError(
                f"The token looks like a v1 API key, but its `{name}` is missing: "
                "copy the whole key again from the Momento console."
            )
    return Kind("v1", str(fields["endpoint"]))


def _fields_of_v1(text: str) -> dict[str, Token | None] | None:
    """The two fields of a v1 key, None for one that is missing; None if there is no such key inside."""
    try:
        content = json.loads(base64.b64decode(text))
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    return {
        name: Token(content[name]) if content.get(name) else None
        for name in ("endpoint", "api_key")
    }


def _jwt(text: str) -> Kind:
    claims = _claims(text)
    if claims is None:
        raise TokenError(
            "The token is no Momento API key, or only a part of one: copy the whole key again from the Momento console."
        )
    if claims.get("t") == "g":
        return Kind("v2", None)
    if "c" in claims and "cp" in claims:
        return Kind("legacy", claims["c"])
    raise TokenError(
        "The token is a JSON web token of something else than Momento: copy the key from its console."
    )


def _claims(text: str) -> dict[str, Any] | None:
    try:
        return dict(jwt.decode(text, options={"verify_signature": False}))
    except (jwt.InvalidTokenError, RecursionError):
        return None
