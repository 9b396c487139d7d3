"""Exercise of 10, go live: find what is ours."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from uuid import uuid4

import boto3
from botocore.exceptions import ClientError

from drills.learner_code import Run
from helpers.cloud import TAGS, Cloud

from .common import Check, exercise, misbehaved, run_learner, secrets

MANY = 110  # secrets to be found: more than one page of AWS's response, which holds a hundred
OURS = TAGS[0]


@exercise("ours")
def check_find_ours(cloud: Cloud, find: Callable[[], Iterable[str]]) -> Check:
    """Does `find()` give the names of all secrets that carry the tutorial's tag, and no others?"""
    cloud.clear_faults()  # live this raises: the check creates secrets, and they cost money
    many = {f"exercise/{uuid4()}" for _ in range(MANY)}
    two_tags, other, similar, copied = (f"exercise/{what}/{uuid4()}" for what in ("two", "other", "similar", "copied"))
    theirs = {**OURS, "Value": "someone else"}
    tags = {
        **dict.fromkeys(many, TAGS),
        two_tags: [{"Key": "team", "Value": "games"}, OURS],
        other: [theirs],
        similar: [{**OURS, "Value": f"{OURS['Value']}-2"}],
        copied: [theirs, {"Key": "copied-from", "Value": OURS["Value"]}],
        f"exercise/none/{uuid4()}": [],
    }
    with secrets(tags):
        pages = boto3.client("secretsmanager").get_paginator("list_secrets").paginate()
        tagged = {one["Name"] for page in pages for one in page["SecretList"] if OURS in one.get("Tags", [])}
        run = run_learner(lambda: _names(find()))
    yield from misbehaved(run, "Your function", _if_raised(run))
    hint = 'Return a list, with the "Name" of each entry.'
    yield isinstance(run.returned, str), f"Your function returned {run.returned}.", hint
    found = set(run.returned)
    missed, wrong = tagged - found, found - tagged
    seen = f"It also found {len(wrong)} that carry another tag, or the same key with another value."
    yield wrong, seen, "Compare the whole key and the whole value of one tag, or you would delete what isn't yours."
    seen = "It missed one that carries the tag beside another one."
    yield missed == {two_tags}, seen, "A secret may have many tags, in any order: look at all of them."
    hint = "Go by the tag and not by the name, and through all pages: see client.get_paginator(…)."
    yield missed, f"It found {len(tagged) - len(missed)} of {len(tagged)} secrets that carry the tag.", hint
    return f"All {len(tagged)} that carry the tag, over several pages, and no others."


def _if_raised(run: Run) -> str:
    """Return what to do about an error: a call of the function in a cell of its own may not show it."""
    if isinstance(run.error, KeyError) and run.error.args == ("Tags",):
        return 'The check adds a secret without tags, which has no "Tags": take `secret.get("Tags", [])`.'
    if isinstance(run.error, ClientError):
        return f"{str(run.error).rstrip('.')}. Correct this call: the one that you need is list_secrets."
    return "Call it in a cell of its own to see why."


def _names(found: object) -> object:
    """Return the names in a list, a set, a generator; a text that says what it is if it is none of these."""
    if inspect.isawaitable(found):  # of an `async def`, which has not run
        return found
    if found is None or isinstance(found, (str, dict)) or not isinstance(found, Iterable):
        return "nothing" if found is None else f"{type(found).__name__}, not names"
    names = list(found)
    if not all(isinstance(name, str) for name in names):
        return "something else than names"
    return "ARNs" if any(name.startswith("arn:") for name in names) else names
