"""No repr, output or log shows a token. (Errors: momento_token/tests; stored outputs: test_notebooks.py.)"""

from __future__ import annotations

import logging
from datetime import timedelta

import boto3
from momento import CacheClient, Configurations
from names import SECRET_NAME


def pieces(token: str) -> list[str]:
    """Return what must not be shown: any part of the token that is long enough to be told from chance."""
    return [token[start : start + 12] for start in range(0, len(token) - 12, 6)]


def test_nothing_shows_it(cloud, caplog, capfd):
    caplog.set_level(logging.DEBUG)
    for name in ("botocore", "boto3", "urllib3"):  # at DEBUG these do: a notebook teaches it
        logging.getLogger(name).setLevel(logging.INFO)
    token = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"]
    revoked = cloud.issue_api_key()
    cloud.revoke_api_key(revoked)
    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    with cloud.ledger.page("a page") as page:
        for key in (token, revoked):
            with CacheClient(configuration, cloud.credentials_from(key), timedelta(minutes=1)) as client:
                print(client.set("tutorial", "key", "value"), client.get("tutorial", "key"))
    print(cloud, cloud._sandbox, cloud.ledger, page, page._repr_html_(), repr(cloud.api_key))
    shown = caplog.text + "".join(capfd.readouterr())
    assert "UNAUTHENTICATED" in shown or "AUTHENTICATION" in shown  # what is scanned is what was printed
    for key in (token, revoked):
        assert not [piece for piece in pieces(key) if piece in shown]
