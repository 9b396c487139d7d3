"""Exercises of 01, create the secret: store a token, and read what others stored."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError

from drills.learner_code import Run
from helpers.cloud import Cloud, kind_of
from helpers.ledger import error_code
from momento_token import TokenError

from .common import Check, exercise, misbehaved, run_learner, secrets


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


USELESS = {
    "the JSON of the tab Key/value": '{"MOMENTO_API_KEY": "..."}',
    "half a token": "eyJhbGciOiJIUzI1NiIsInR5cCI6",
    "something else in base64": "bm90IGEga2V5",
}


@exercise("stored")
def check_read_token(cloud: Cloud, read_token: Callable[[str], object]) -> Check:
    """Does `read_token(name)` return a token that can be used, or say in a `TokenError` why there is none?"""
    for what, end in {"a token": "", "a token with a line break at its end": "\n"}.items():
        token = cloud.issue_api_key()
        run = _reading(read_token, token + end)
        yield from misbehaved(run, f"For {what} your function", "Is the white space gone before you call check()?")
        hint = "Return the text of the secret of that name, without the white space around it."
        yield run.returned != token, f"For {what} it returned {_what(run.returned, token + end)}.", hint
    causes = set()
    for what, stored in USELESS.items():
        run = _reading(read_token, stored)
        hint = "Call check() on the text first and let its TokenError pass: callers must learn why there is no token."
        if not isinstance(run.error, TokenError):
            yield from misbehaved(run, f"For {what} your function", hint)
        yield run.error is None, f"For {what} it returned {_what(run.returned, stored)}.", hint
        causes.add(str(run.error))
        seen = f"For {what} it raises a TokenError that repeats the text."
        yield stored in str(run.error), seen, "Errors end up in logs: name the cause, never the text."
    seen = "It says the same about different mistakes."
    yield len(causes) == 1, seen, "Each has a cause of its own: check() names it."
    return "A token comes back clean, and for three mistakes the error names the cause."


def _reading(read_token: Callable[[str], object], stored: str) -> Run:
    """Let `read_token` read a new secret that holds this."""
    name = f"exercise/{uuid4()}"
    with secrets({name: []}, value=stored):
        return run_learner(read_token, name)


def _what(returned: object, stored: str) -> str:
    if isinstance(returned, str):
        return "the text as it was stored" if returned == stored else "another text"
    return "nothing" if returned is None else f"a {type(returned).__name__}"
