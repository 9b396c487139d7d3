"""Tell whether a text is a usable Momento API key, and if not, why.

The Momento SDK answers most of these mistakes with one sentence that names no cause, and some with a bare `KeyError`.
The formats are those that `momento.auth.momento_endpoint_resolver` of momento 1.29.1 reads.
"""

from __future__ import annotations

import base64
import binascii
import json
from typing import NamedTuple

import jwt

from .show import PlainError


class TokenError(PlainError, ValueError):
    """The text is no usable API key. The message names the cause and the fix, and never repeats the text."""


class Kind(NamedTuple):
    """What an API key is: `name` is "v2", "v1" or "legacy"; `endpoint` is None where the key doesn't hold one."""

    name: str
    endpoint: str | None


def check(text: object) -> Kind:
    """The kind of this API key. Strict, for use before a token is stored: white space around it is an error too.

    Raises `TokenError` for everything that isn't a Momento API key as it was issued.
    """
    if isinstance(text, (bytes, bytearray)):
        raise TokenError(
            "The token is bytes: it was stored as SecretBinary, so store it again as SecretString."
        )
    if text is None:
        raise TokenError(
            "There is no token: a secret stored as SecretBinary has no SecretString, so store it as text."
        )
    if not isinstance(text, str):
        raise TokenError(
            f"The token is a {type(text).__name__}: pass the SecretString of the answer, a str."
        )
    if not text.strip():
        raise TokenError("The token is empty: copy the whole API key from the Momento console.")
    if text != text.strip():
        raise TokenError(
            f"The token has {_where(text)}: store it without, `echo -n` and `.strip()` are the usual cures."
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


def _where(text: str) -> str:
    if text == text.rstrip():
        return "white space before it"
    return "a line break at its end" if text.endswith("\n") else "white space after it"


def _about_json(text: str) -> str:
    try:
        names = json.loads(text)
    except ValueError:
        names = {}
    if "refreshToken" in names:
        return (
            "The secret is the JSON that Momento's rotation example stores: "
            "take its field `apiKey`, or store that value alone."
        )
    return "The secret is JSON, not the token alone: store it again with the console's Plaintext tab, without braces."


def _is_base64(text: str) -> bool:
    try:
        return base64.b64encode(base64.b64decode(text)) == text.encode()
    except binascii.Error:
        return False


def _v1(text: str) -> Kind:
    try:
        content = json.loads(base64.b64decode(text))
        missing = [name for name in ("endpoint", "api_key") if not content.get(name)]
    except (ValueError, AttributeError):
        raise TokenError(
            "The token is base64, but no v1 API key is inside: copy the whole key again from the Momento console."
        ) from None
    if missing:
        raise TokenError(
            f"The token looks like a v1 API key, but its `{missing[0]}` is missing: "
            "copy the whole key again from the Momento console."
        )
    return Kind("v1", content["endpoint"])


def _jwt(text: str) -> Kind:
    try:
        claims = jwt.decode(text, options={"verify_signature": False})
    except jwt.InvalidTokenError:
        raise TokenError(
            "The token is no Momento API key, or only a part of one: copy the whole key again from the Momento console."
        ) from None
    if claims.get("t") == "g":
        return Kind("v2", None)
    if "c" in claims and "cp" in claims:
        return Kind("legacy", claims["c"])
    raise TokenError(
        "The token is a JSON web token of something else than Momento: copy the key from its console."
    )
