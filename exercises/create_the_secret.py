"""Exercise of 01, create the secret: store a token that arrived by email."""

from __future__ import annotations

from datetime import timedelta

import boto3
from momento import CacheClient, Configurations

from helpers.cloud import Cloud, kind_of
from helpers.ledger import error_code
from momento_token import TokenError, is_refused

from .common import Check, exercise


@exercise("mail")
def check_stored_token(cloud: Cloud, name: str, received: str) -> Check:
    """Is the secret `name` the key that was received, alone and as text, and tagged?"""
    sm = boto3.client("secretsmanager")
    stored, code, mistake = "", "", ""
    try:
        stored = sm.get_secret_value(SecretId=name, VersionStage="AWSCURRENT").get("SecretString")
        kind_of(stored)
    except (sm.exceptions.ResourceNotFoundException, sm.exceptions.InvalidRequestException) as error:
        code = error_code(error)  # there is none, or it waits for its deletion
    except TokenError as error:
        mistake = str(error)
    seen = f"Reading the secret {name} failed with {code}."
    hint = "Create it with sm.create_secret(Name=…, SecretString=…); one that is there: sm.restore_secret, sm.put_secret_value."
    yield code, seen, hint
    hint = f"Take the key from `received` again, then sm.put_secret_value(SecretId={name!r}, SecretString=…)."
    yield mistake, mistake, hint
    seen = "The secret holds a text in the form of a key, and not the key that you were sent."
    hint = "Store the whole key in `received`. If you have changed `received`, run its cell: it sends you a new key."
    yield stored != str(received).strip().strip('"') or _is_denied(cloud, stored), seen, hint
    seen = "The token is right. One thing is missing: the secret has no tag."
    hint = f"sm.tag_resource(SecretId={name!r}, Tags=TAGS) adds one, so that your team can find what it owns."
    yield not sm.describe_secret(SecretId=name).get("Tags"), seen, hint
    return "The secret holds the token alone, and it is tagged."


def _is_denied(cloud: Cloud, key: str) -> bool:
    """Tell whether Momento denies a call with this key: a learner may have cut off a part of `received` first."""
    with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(key), timedelta(minutes=10)) as momento:
        response = momento.get("tutorial", "exercise")
    return is_refused(response)
