"""Checks of the exercises. They run what the learner made, and answer with the hint for the mistake they find.

An unsolved exercise says "Not yet" and never raises, so that a notebook always runs to its end.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from .cloud import Cloud
from .show import Note
from .tokens import TokenError, check


def reveal(guess: object, counted: int, unit: str) -> Note:
    """Set the learner's guess beside what the ledger counted."""
    if isinstance(guess, bool) or not isinstance(guess, (int, float)) or guess < 0:
        return _not_yet(f"The ledger counted {counted:,} {unit}.", "Your guess should be a number, such as 10.")
    if guess == counted:
        return Note(f"You said {guess:,}, and so does the ledger: {counted:,} {unit}.", mood="good")
    return Note(f"You said {guess:,}; the ledger counted {counted:,} {unit}.")


def check_stored_token(cloud: Cloud, name: str) -> Note:
    """Exercise of 01: is the secret `name` the token alone, as text, and does Momento accept it?"""
    import boto3

    client = boto3.client("secretsmanager")
    try:
        answer = client.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    except client.exceptions.ResourceNotFoundException:
        return _not_yet(
            f"There is no secret {name} yet.", "Create it with client.create_secret(Name=…, SecretString=…)."
        )
    except client.exceptions.InvalidRequestException:
        return _not_yet(f"The secret {name} waits for its deletion.", "Bring it back with client.restore_secret(…).")
    try:
        check(answer.get("SecretString"))
    except TokenError as error:
        return _not_yet(
            str(error), f"Repair the text, then client.put_secret_value(SecretId={name!r}, SecretString=…)."
        )
    refusal = _refusal(cloud, answer["SecretString"])
    if refusal:
        return _not_yet(
            f"The secret has the right shape, but Momento answers {refusal}.",
            "Is it the key you were sent, whole and unchanged between the quotation marks?",
        )
    tags = {tag["Key"]: tag["Value"] for tag in client.describe_secret(SecretId=name).get("Tags", [])}
    if not tags:
        return _not_yet(
            "The token is right, and Momento accepts it. One thing is missing: the secret has no tag.",
            f"client.tag_resource(SecretId={name!r}, Tags=[…]) adds one, so that your team can find what it owns.",
        )
    return _solved("The secret holds the token alone, it is tagged, and Momento accepted it just now.")


def check_reads_per_request(cloud: Cloud, handle: Callable[[str], object], expected: object, requests: int = 5) -> Note:
    """Exercise of 03: does `handle(user)` do its three Momento calls with one read of the secret for each request?"""
    if not callable(handle):
        return _not_yet("`handle` is no function.", "Define it with `def handle(user):`.")
    users = [f"user-{uuid4()}" for _ in range(requests)]  # new ones, as the third call answers a count of visits
    with cloud.ledger.page("your handler") as page:
        try:
            results = [handle(user) for user in users]
        except Exception as error:
            return _not_yet(
                f"Your handler raised {type(error).__name__}.", "Call it once in a cell of its own to see why."
            )
    reads = page.count("GetSecretValue")
    momento_calls = page.count(service="Momento", outcome="ok")
    seen = f"{requests} requests made {reads} reads of the secret and {momento_calls} Momento calls."
    if all(result is None for result in results):
        return _not_yet(
            seen, "Your handler returns nothing: return what the third call answers, as handle_naively does."
        )
    if momento_calls != 3 * requests:
        return _not_yet(seen, "Each request should set, increment and get: three Momento calls.")
    if results != [expected] * requests:
        return _not_yet(seen, "The answers differ from those of handle_naively: keep its three calls as they are.")
    if reads == 0:
        return _not_yet(seen, "The token has to come from Secrets Manager: keeping it longer is for notebook 04.")
    if reads == 3 * requests:
        return _not_yet(
            seen, "That is still one read for each Momento call: make the client once, then use it three times."
        )
    if reads != requests:
        return _not_yet(seen, "Make it one read for each request: no fewer, no more.")
    return _solved(f"{seen} A third of the reads, by moving one line.")


def _refusal(cloud: Cloud, token: str) -> str | None:
    """The error code with which Momento refuses this token, or None if it accepts it."""
    from datetime import timedelta

    from momento import CacheClient, Configurations
    from momento.responses import ListCaches

    with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1)) as client:
        answer = client.list_caches()
    return answer.error_code.name if isinstance(answer, ListCaches.Error) else None


def _not_yet(what: str, hint: str) -> Note:
    return Note("Not yet.", what, hint)


def _solved(what: str) -> Note:
    return Note("Solved.", what, mood="good")
