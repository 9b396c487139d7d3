"""Exercise of 11, go live: find what is ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import islice
from uuid import uuid4

from drills.learner_code import secrets_listed, secrets_manager
from helpers.cloud import TAGS, Cloud

from .common import Check, exercise, harmless, misbehaved, run_learner, secrets, unfinished

MANY = 110  # secrets to be found: more than one page of AWS's answer, which holds a hundred
OURS = TAGS[0]
MOST = 10_000  # names that are looked at


@exercise("ours")
def check_find_ours(cloud: Cloud, find: Callable[[], object]) -> Check:
    """Does `find()` give the names of all secrets that carry the tutorial's tag, and no others?"""
    yield (
        cloud.mode != "sandbox",
        "This is live.",
        "The check creates secrets to be found: solve it in a rehearsal.",
    )
    yield not callable(find), "`find_ours` is no function.", "Define it with `def find_ours():`."
    many = {f"exercise/{uuid4()}" for _ in range(MANY)}
    tutorial, two_tags, other, half, none, swapped = [
        f"{what}/{uuid4()}" for what in ("tutorial", "prod", "tutorial", "tutorial", "prod", "prod")
    ]
    colleague = {**OURS, "Value": "somebody else"}
    tags = {
        **dict.fromkeys([*many, tutorial], TAGS),
        two_tags: [{"Key": "team", "Value": "games"}, *TAGS],
        other: [colleague],
        half: [colleague, {"Key": "copied-from", "Value": OURS["Value"]}],
        none: [],
        swapped: [{"Key": OURS["Value"], "Value": OURS["Key"]}],
    }
    with secrets(tags):
        tagged = _tagged()
        with harmless(cloud, secrets_listed) as harm:
            run = run_learner(lambda: _taken(find()))
    yield from misbehaved(run, "Your function")
    kind, found = run.returned
    yield kind is None, "Your function returns nothing.", "Return a list of names."
    yield from unfinished(kind, "Your function")
    yield (
        found is None or not all(isinstance(name, str) for name in found),
        "Your function returns something else than names.",
        'Return a list, with the "Name" of each entry.',
    )
    yield (
        any(name.startswith("arn:") for name in found),
        "Your function returns ARNs.",
        'Take the "Name" of each entry.',
    )
    names = [str.__str__(name) for name in found]
    missed, wrong = tagged - set(names), set(names) - tagged
    yield (
        {other, half} & wrong,
        "It also found a secret of somebody else, whose tag has the same key and another value.",
        "Compare the value too: a filter by tag-key alone would delete what isn't yours.",
    )
    yield (
        many <= missed,
        f"It found none of {MANY} tagged secrets named exercise/….",
        "Don't go by the name: ask for the tag.",
    )
    yield (
        many & missed,
        f"It found {MANY - len(missed & many)} of {MANY} tagged secrets.",
        "AWS answers in pages: see client.get_paginator(…).",
    )
    yield (
        wrong,
        f"It also found {len(wrong)} that do not carry the tag.",
        "Give only those with the tag `created-by: momento-secrets-tutorial`, key and value.",
    )
    yield (
        missed,
        f"It missed {len(missed)} that carry the tag beside others, or under another name.",
        "A secret may have many tags, in any order: look at all of them.",
    )
    yield len(names) > len(set(names)), "It names some of them twice.", "Each name once."
    yield from harm
    return f"All {len(tagged)} that carry the tag, over several pages, and none besides."


def _taken(found: object) -> tuple[object, list[object] | None]:
    """What was returned, and what is in it: a list, a set, a generator. None if it can't be a list of names."""
    try:
        if isinstance(found, (str, bytes, Mapping)):
            return found, None
        return True, list(islice(found, MOST))  # type: ignore[call-overload]
    except TypeError:
        return found, None


def _tagged() -> set[str]:
    """The names of all secrets that carry our tag, as AWS has them."""
    pages = secrets_manager().get_paginator("list_secrets").paginate()
    return {one["Name"] for page in pages for one in page["SecretList"] if OURS in one.get("Tags", [])}  # fmt: skip
