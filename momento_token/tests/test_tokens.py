"""The token check: every mistake has its cause named, and no message repeats the token."""

from __future__ import annotations

import base64
import json
import traceback

import jwt
import pytest
from fakes import new_api_key, new_v1_key

from momento_token.tokens import Kind, TokenError, check

V2, V1 = new_api_key(), new_v1_key()
LEGACY = jwt.encode(
    {"sub": "a", "c": "cache.cell.momentohq.com", "cp": "control.cell.momentohq.com"}, "k" * 32
)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_the_three_kinds():
    assert check(V2) == Kind("v2", None)
    assert check(V1) == Kind("v1", "cell.example.com")
    assert check(LEGACY) == Kind("legacy", "cache.cell.momentohq.com")


MISTAKES = [
    (None, "no SecretString"),
    (V2.encode(), "is bytes"),
    ({"SecretString": V2}, "is a dict"),
    ("", "is empty"),
    (" \n", "is empty"),
    (V2 + "\n", "a line break at its end"),
    (V2 + " ", "white space after it"),
    (" " + V2, "white space before it"),
    (f'"{V2}"', "quotation marks"),
    (V2 + "'", "quotation marks"),
    (json.dumps({"MOMENTO_API_KEY": V2}), "is JSON, not the token alone"),
    (json.dumps({"apiKey": V2, "refreshToken": "r"}), "rotation example"),
    ('{"half', "is JSON, not the token alone"),
    (V2.replace(".", ". ", 1), "characters inside"),
    (V2[:20] + "…", "characters inside"),
    (V2[:60], "only a part of one"),
    (V1[:40], "no v1 API key is inside"),
    (b64(b"hello"), "no v1 API key is inside"),
    (b64(b"\xff\xfe\xfd"), "no v1 API key is inside"),
    (b64(b"[1]"), "no v1 API key is inside"),
    (b64(json.dumps({"api_key": V2}).encode()), "its `endpoint` is missing"),
    (b64(json.dumps({"endpoint": "e"}).encode()), "its `api_key` is missing"),
    (jwt.encode({"sub": "somebody"}, "k" * 32), "something else than Momento"),
    ("correct-horse", "only a part of one"),
]


@pytest.mark.parametrize(
    ("text", "cause"), MISTAKES, ids=[f"{n} {cause}" for n, (_, cause) in enumerate(MISTAKES)]
)
def test_a_mistake_is_named_and_never_repeated(text, cause):
    with pytest.raises(TokenError, match=cause) as caught:
        check(text)
    said = "".join(traceback.format_exception(caught.value))
    assert not any(
        key[start : start + 12] in said for key in (V2, V1) for start in range(0, len(key) - 12, 4)
    )
