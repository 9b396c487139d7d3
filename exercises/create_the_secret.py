"""Exercises of 01, create the secret: store a token, and read what others stored."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError

from helpers.cloud import TAGS, Cloud, kind_of
from helpers.ledger import error_code
from momento_token import TokenError

from .common import (
    Check,
    Run,
    exercise,
    harmless,
    is_text,
    misbehaved,
    refusal_of,
    run_learner,
    secrets,
    unfinished,
)

EXERCISE_SECRET = "tutorial/exercise"  # the name that the task gives


@exercise("mail")
def check_stored_token(cloud: Cloud, name: object, received: object) -> Check:
    """Is the secret `name` the key that was received, alone and as text, tagged, and does Momento accept it?"""
    yield (
        name != EXERCISE_SECRET,
        "EXERCISE_SECRET is another name now.",
        f'It is "{EXERCISE_SECRET}": run the cell above again.',
    )
    mailed = received.strip().strip('"') if isinstance(received, str) else ""
    yield (
        not mailed or mailed == cloud.api_key,
        "What is in `received` is no longer what was sent.",
        "Run the cell above again: it sends you a new key.",
    )
    client = boto3.client("secretsmanager")
    answer, code, mistake = {}, "", ""
    try:
        answer = client.get_secret_value(SecretId=EXERCISE_SECRET, VersionStage="AWSCURRENT")
        kind_of(answer.get("SecretString"))
    except ClientError as error:
        code = error_code(error)
    except TokenError as error:
        mistake = str(error)
    yield (
        code == "ResourceNotFoundException",
        f"There is no secret {name} yet.",
        "Create it with client.create_secret(Name=…, SecretString=…).",
    )
    yield (
        code == "InvalidRequestException",
        f"The secret {name} waits for its deletion.",
        "Bring it back with client.restore_secret(…).",
    )
    yield code, f"Reading the secret {name} failed with {code}.", "Read it in a cell of its own."
    yield (
        mistake,
        mistake,
        f"Repair the text, then client.put_secret_value(SecretId={name!r}, SecretString=…).",
    )
    refusal = refusal_of(cloud, answer["SecretString"])
    yield (
        refusal,
        f"The secret has the right shape, but Momento answers {refusal}.",
        "Is it the key you were sent, whole and unchanged between the quotation marks?",
    )
    yield (
        answer["SecretString"] != mailed,
        "The secret holds a good key, and not the one that was sent.",
        "Store what is in `received`: that is the key for this service.",
    )
    yield (
        not client.describe_secret(SecretId=EXERCISE_SECRET).get("Tags"),
        "The token is right, and Momento accepts it. One thing is missing: the secret has no tag.",
        f"client.tag_resource(SecretId={name!r}, Tags=[…]) adds one, so that your team can find what it owns.",
    )
    return "The secret holds the token alone, it is tagged, and Momento accepted it just now."


USELESS = {
    "the JSON of the tab Key/value": '{"MOMENTO_API_KEY": "..."}',
    "half a token": "eyJhbGciOiJIUzI1NiIsInR5cCI6",
    "something else in base64": "bm90IGEga2V5",
}


@exercise("stored")
def check_read_token(cloud: Cloud, read_token: Callable[[str], object]) -> Check:
    """Does `read_token(name)` give a token that can be used, or say in a `TokenError` why there is none?"""
    yield (
        not callable(read_token),
        "`read_token` is no function.",
        "Define it with `def read_token(name):`.",
    )
    first, second = cloud.issue_api_key(), cloud.issue_api_key("v1")
    usable = {
        "a token": (first, first),
        "a token with a line break at its end": (second, f"{second}\n"),
    }
    for what, (token, stored) in usable.items():
        with harmless(cloud) as harm:
            run = _reading(read_token, stored)
        yield from misbehaved(
            run,
            f"For {what} your function",
            "That secret can be used: take the white space off before you check it."
            if isinstance(run.error, TokenError)
            else "Call it once in a cell of its own to see why.",
        )
        yield from unfinished(run.returned, "Your function")
        yield run.returned is None, "It returns nothing.", "Return the token."
        yield (
            is_text(run.returned, stored) and stored != token,
            "A token with a line break at its end came back with it.",
            "White space is never part of a key: strip() takes it off.",
        )
        yield (
            not isinstance(run.returned, str),
            f"For {what} it returned a {type(run.returned).__name__}.",
            "Return the token, a text; check() only looks at it.",
        )
        yield (
            not is_text(run.returned, token),
            f"For {what} it returned something else than that token.",
            "Read the secret of the name that is asked for, each time.",
        )
        yield from harm
    reasons = []
    for what, stored in USELESS.items():
        run = _reading(read_token, stored)
        wanted = isinstance(run.error, TokenError)
        yield (
            not run.failed and run.returned is None,
            f"It returned None for {what}.",
            "Let the TokenError of check() pass: whoever asked for a token has to learn why there is none.",
        )
        yield (
            not run.failed,
            f"It handed on {what} as if it were a token.",
            "check() says what is wrong with it.",
        )
        if not wanted:
            yield from misbehaved(
                run,
                f"For {what} your function",
                "Raise a TokenError: let check() look at the text before anything takes it apart, and let its error pass.",
            )
        reasons.append(str(run.error).strip())
        yield (
            len(reasons[-1].split()) < 3,
            f"For {what} it raises a TokenError that says too little.",
            "Whoever reads it at night needs the cause: check() words it for you.",
        )
        yield (
            stored in reasons[-1] or run.shows_a_key,
            f"For {what} it raises a TokenError that repeats the text.",
            "Errors end in logs: name the cause, never the text.",
        )
    yield (
        len(set(reasons)) == 1,
        "It says the same about different mistakes.",
        "Each has a cause of its own: check() names it.",
    )
    return "A token comes back clean, and three mistakes of others are named at once."


def _reading(read_token: Callable[[str], object], stored: str) -> Run:
    """What `read_token` makes of a new secret that holds this."""
    name = f"exercise/{uuid4()}"
    with secrets({name: TAGS}, value=stored):
        return run_learner(read_token, name)
