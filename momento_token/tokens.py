"""Tell whether a text can be a Momento API key, and if not, what is wrong with it.

The Momento SDK has one sentence for most of these mistakes, which names no cause, and a bare `KeyError` for others. The
formats are those that `momento.auth.momento_endpoint_resolver` of momento 1.29.1 reads.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from contextlib import suppress
from typing import Any, NamedTuple, SupportsIndex, cast

import jwt

from .errors import TokenError


class Token(str):
    """A token that hides itself from reprs: from tracebacks that show variables, from logs of objects, from tasks.

    It is a `str` in every other way: printed or formatted with `str`, it shows. A slice hides itself too, because tools
    that shorten texts show a slice. Of two tokens of one source, the newer one has the higher `number`.
    """

    number: int = 0

    @classmethod
    def numbered(cls, text: str, number: int) -> Token:
        """Return the text as a token of this number."""
        token = cls(text)
        token.number = number
        return token

    def __repr__(self) -> str:
        return f"<hidden, {len(self)} characters>"

    def __getitem__(self, key: SupportsIndex | slice) -> Token:
        return Token(super().__getitem__(key))


class Kind(NamedTuple):
    """What an API key is: `name` is "v2", "v1", "legacy" or "unknown"; `endpoint` is None where the key holds none."""

    name: str
    endpoint: str | None


def check(text: object) -> Kind:
    """Return the kind of this API key; white space around it is an error, so strip what you read before you check it.

    A text without a visible mistake that has no known format is "unknown": it may be a key of a format to come. Raises
    `TokenError`, which says what is wrong, or what is around the key.
    """
    kind = type(text).__name__
    # From here on no frame shows it. Its characters, as a `str` that hides itself some other way would give others.
    text = Token(str.__str__(text)) if isinstance(text, str) else None
    if text is None:
        raise TokenError(TYPES.get(kind, f"The token is a {kind}: pass the SecretString of the response, a str."))
    for mistake, sentence in MISTAKES:
        if re.search(mistake, text):
            raise TokenError(sentence)
    if not text.isascii() or not text.isprintable():
        raise TokenError("The token has characters inside that no API key has: copy it again, in one piece.")
    with suppress(binascii.Error, UnicodeDecodeError):
        return _kind_inside(Token(base64.b64decode(text, validate=True).decode()))
    if not text.startswith("eyJ"):  # how every JSON object begins in base64
        return Kind("unknown", None)
    untyped: Any = jwt
    try:
        claims: dict[str, Any] = untyped.decode(text, options={"verify_signature": False})
    except (jwt.InvalidTokenError, RecursionError):
        raise TokenError(PART) from None
    if claims.get("t") == "g":
        return Kind("v2", None)
    return Kind("legacy", str(claims["c"])) if {"c", "cp"} <= set(claims) else Kind("unknown", None)


def _kind_inside(inside: Token) -> Kind:
    """Return the kind of a key of which this was found inside base64: a v1 key is JSON there."""
    try:
        loaded: Any = json.loads(inside)
    except (ValueError, RecursionError):
        loaded = None
    fields: dict[str, Any] = cast(Any, loaded) if isinstance(loaded, dict) else {}
    missing = [name for name in ("endpoint", "api_key") if not fields.get(name)]
    is_v1, is_json, endpoint = len(missing) < 2, loaded is not None, str(fields.get("endpoint"))
    is_part = inside.startswith("{") and ("alg" in fields or not is_json)
    del loaded, fields  # they hold the key
    if is_v1 and not missing:
        return Kind("v1", endpoint)
    if is_v1:
        raise TokenError(
            f"The token looks like a v1 API key, but its `{missing[0]}` is missing: copy the whole key again."
        )
    if is_part:
        raise TokenError(PART)
    if inside.strip().startswith("eyJ"):
        raise TokenError("The token is base64 of a key, as Kubernetes shows its secrets: store it decoded.")
    if is_json or inside.isprintable():
        raise TokenError(
            "The token is base64 of some other text than a key: copy the key again from Momento's console."
        )
    return Kind("unknown", None)


PART = "The token is only a part of an API key, or more than one: copy the whole key again from Momento's console."
TYPES = {
    "bytes": "The token is bytes: it was stored as SecretBinary, so store it again as SecretString.",
    "bytearray": "The token is bytes: it was stored as SecretBinary, so store it again as SecretString.",
    "NoneType": "There is no token: a secret stored as SecretBinary has no SecretString, so store it as text.",
}
# Each pattern with what it means. The first that is found is the mistake.
MISTAKES = (
    (r"^\s*$", "The token is empty: copy the whole API key from Momento's console."),
    (r'(?s)^\s*\{.*"refreshToken"', "The secret is the JSON that Momento's rotation example stores: take its field `apiKey`, or store that value alone."),
    (r"^\s*\{(?!\{)", "The secret is JSON, not the token alone: store it again with the console's Plaintext tab, without braces."),
    (r"^\s*\[", "The secret is a JSON list, not the token alone: store the key as plaintext, without brackets."),
    (r"^\s", "The token has white space before it: store it without."),
    (r"[\r\n][ \t]*$", "The token has a line break at its end: store it without (`printf %s` in a shell)."),
    (r"\s$", "The token has white space after it: store it without."),
    (r"""^["'`“”‘’<]|["'`“”‘’>]$""", "The token has quotation marks or brackets around it: store only what is between them."),
    (r"^(?i:authorization:?\s*)?(?i:bearer|basic|token)\s", "The token has a word such as `Bearer` before it, as in an HTTP header: store the key alone."),
    (r"^(?:(?i:export|set|setx|env)\s+|\$env:|-\w+\s+)?[A-Za-z_][\w.-]*\s*(?:=|:\s|:(?=eyJ))\s*[\"']?[\w+/-]{8}", "The token has a name before it, as in a settings file: store only what comes after the `=` or `:`."),
    (r"\\[nrt]$", "The token has an escaped line break at its end, a backslash and a letter: store it without."),
    (r"[,;]$", "The token has a comma or semicolon after it: store it without."),
    (r"%[0-9A-Fa-f]{2}", "The token has percent signs inside, as in a URL: store it decoded."),
    (r"^arn:", "The secret holds an ARN: store the key itself."),
    (r"\$\{|\{\{|^\$\w+$", "The secret holds a placeholder that was not filled in: store the key itself."),
    (r"\s", "The token has white space inside, so it was broken over lines or is more than a key: copy it again, in one piece."),
    (r"^.{1,19}$", "The token is too short for an API key: copy the whole key again. (For tests there is momento_token.testing.fake_key.)"),
)  # fmt: skip
