"""Exercise of 01, create the secret: store a token that arrived by mail."""

from __future__ import annotations

import boto3
from botocore.exceptions import ClientError

from helpers.cloud import Cloud, kind_of
from helpers.ledger import error_code
from momento_token import TokenError

from .common import Check, exercise


@exercise("mail")
def check_stored_token(cloud: Cloud, name: str, received: str) -> Check:
    """Is the secret `name` the key that was received, alone and as text, and tagged?"""
    client = boto3.client("secretsmanager")
    stored, code, mistake = "", "", ""
    try:
        stored = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT").get("SecretString")
        kind_of(stored)
    except ClientError as error:
        code = error_code(error)
    except TokenError as error:
        mistake = str(error)
    hint = (
        "Create it with client.create_secret(Name=…, SecretString=…), or bring it back with client.restore_secret(…)."
    )
    yield code, f"Reading the secret {name} failed with {code}.", hint
    yield mistake, mistake, f"Repair the text, then client.put_secret_value(SecretId={name!r}, SecretString=…)."
    seen = "The secret holds a key, and not the one that you were sent."
    hint = "Store what is in `received`: the key for this service. The cell above sends you a new one."
    yield stored != str(received).strip().strip('"'), seen, hint
    seen = "The token is right. One thing is missing: the secret has no tag."
    hint = f"client.tag_resource(SecretId={name!r}, Tags=[…]) adds one, so that your team can find what it owns."
    yield not client.describe_secret(SecretId=name).get("Tags"), seen, hint
    return "The secret holds the token alone, and it is tagged."
