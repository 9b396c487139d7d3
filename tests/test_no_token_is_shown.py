"""No message, repr, output or log of ours ever shows a token. (Stored outputs are scanned in test_notebooks.py.)"""

from __future__ import annotations

import logging
from datetime import timedelta

import boto3
import pytest
from momento import CacheClient, Configurations
from names import SECRET_NAME

from momento_token import Token, TokenError, check

WRONG = {
    "a line break": "{}\n",
    "quotation marks": '"{}"',
    "JSON": '{{"MOMENTO_API_KEY": "{}"}}',
    "twice": "{0}{0}",
    "a letter before it": "x{}",
    "a space inside": "{0} {0}",
}


def pieces(token: str) -> list[str]:
    """What must not be shown: any part of the token that is long enough to be told from chance."""
    return [token[start : start + 12] for start in range(0, len(token) - 12, 6)]


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
def test_an_error_never_repeats_the_token(cloud, wrong):
    text = wrong.format(cloud.api_key)
    for refuse in (check, cloud.credentials_from):
        try:
            refuse(text)
        except TokenError as error:
            said = f"{error} {error!r} {error.__cause__!r} {error.__context__!s}"
            assert not [piece for piece in pieces(cloud.api_key) if piece in said]


def test_nothing_shows_it(cloud, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "boto3", "urllib3"):  # at DEBUG these do: notebook 06 teaches it
        logging.getLogger(name).setLevel(logging.INFO)
    token = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"]
    revoked = cloud.issue_api_key()
    cloud.revoke_api_key(revoked)
    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    with cloud.ledger.page("a page") as page:
        for key in (token, revoked):
            credentials = cloud.credentials_from(key)
            with CacheClient(configuration, credentials, timedelta(minutes=1)) as client:
                print(client.set("tutorial", "key", "value"), client.get("tutorial", "key"))
    print(cloud, cloud._sandbox, cloud.ledger, page, page._repr_html_(), repr(cloud.api_key))
    shown = caplog.text + "".join(capfd.readouterr())
    for key in (token, revoked):
        assert not [piece for piece in pieces(key) if piece in shown]


def test_the_scan_would_find_it(cloud):
    key = cloud.api_key
    assert [piece for piece in pieces(key) if piece in f"the key is {key[5:40]}"]
    assert not [piece for piece in pieces(key) if piece in repr(Token(key))]
