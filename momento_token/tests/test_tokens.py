"""The token check: every mistake has its cause named, and no message repeats the token."""

from __future__ import annotations

import base64
import json
import traceback

import jwt
import pytest
from fakes import new_v1_key

from momento_token import Kind, TokenError, check
from momento_token.testing import fake_key

V2, V1 = fake_key(), new_v1_key()
LEGACY = jwt.encode({"sub": "a", "c": "cache.cell.momentohq.com", "cp": "control.cell.momentohq.com"}, "k" * 32)


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


def test_the_three_kinds():
    assert check(V2) == Kind("v2", None)
    assert check(V1) == Kind("v1", "cell.example.com")
    assert check(LEGACY) == Kind("legacy", "cache.cell.momentohq.com")


def test_a_format_to_come_is_unknown_and_no_mistake():
    for text in ("momento_live_0123456789abcdef", jwt.encode({"sub": "somebody"}, "k" * 32), b64(b"\xff\xfe\xfd" * 9)):
        assert check(text) == Kind("unknown", None)


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
    (f"“{V2}”", "quotation marks"),
    (f"<{V2}>", "brackets around it"),
    (json.dumps({"MOMENTO_API_KEY": V2}), "is JSON, not the token alone"),
    (json.dumps({"apiKey": V2, "refreshToken": "r"}), "rotation example"),
    ('{"half', "is JSON, not the token alone"),
    ("{" + '"a":{' * 100_000, "is JSON"),
    (json.dumps([V2]), "JSON list"),
    (f"MOMENTO_API_KEY={V2}", "has a name before it"),
    (f"export MOMENTO_API_KEY='{V2}'", "quotation marks|has a name before it"),
    (f"MOMENTO_API_KEY: {V2}", "has a name before it"),
    (f"api-key:{V1}", "has a name before it"),
    (f"$env:MOMENTO_API_KEY={V2}", "has a name before it"),
    (f"Bearer {V2}", "a word such as `Bearer`"),
    (f"Authorization: Bearer {V2}", "a word such as `Bearer`"),
    (f"{V2}\\n", "an escaped line break"),
    (f"{V2},", "a comma or semicolon"),
    (V1.replace("=", "%3D") + "%3D", "as in a URL"),
    ("${MOMENTO_API_KEY}", "a placeholder"),
    ("{{ momento_api_key }}", "a placeholder"),
    (V2[:60] + "\n" + V2[60:], "white space inside"),
    (f"{V2} {V2}", "white space inside"),
    (V2[:20] + "…", "characters inside"),
    ("\ufeff" + V2, "characters inside"),
    (V2[:60], "only a part of an API key"),
    (V2[:30].split(".")[0], "only a part of an API key"),
    (V2 + V2, "or more than one"),
    (V1[:40], "only a part"),
    (b64(V2.encode()), "is base64 of a key"),
    (b64(V1.encode()), "is base64 of a key"),
    (b64(b"hello, this is no key"), "some other text"),
    (b64(b"[1, 2, 3, 4, 5, 6, 7]"), "some other text"),
    ("correct-horse", "too short"),
    ("arn:aws:secretsmanager:us-west-2:000000000000:secret:name-AbCdEf", "holds an ARN"),
    ("a" + "\n" * 65_000 + "b", "white space inside"),
    (b64(json.dumps({"api_key": V2}).encode()), "its `endpoint` is missing"),
    (b64(json.dumps({"endpoint": "e"}).encode()), "its `api_key` is missing"),
]


@pytest.mark.parametrize(("text", "cause"), MISTAKES, ids=[f"{n} {cause}" for n, (_, cause) in enumerate(MISTAKES)])
def test_a_mistake_is_named_and_never_repeated(text, cause):
    with pytest.raises(TokenError, match=cause) as caught:
        check(text)
    said = "".join(traceback.format_exception(caught.value))
    assert not any(key[start : start + 12] in said for key in (V2, V1) for start in range(0, len(key) - 12, 4))
