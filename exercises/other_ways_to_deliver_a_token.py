"""Exercise of deeper/, other ways to deliver a token: a way for each of three platforms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from drills.other_ways import ENVIRONMENT, EXTENSION, Outcome

from .common import Check, exercise

# Whether a way is right for the platform, what is wrong if not, and the hint.
PLATFORMS: list[tuple[str, Callable[[Outcome], bool], str, str]] = [
    ("shop", lambda one: not one.hits, "requests fail after a rotation",
     "Look for the row in which no rotation hurt."),
    ("reports", lambda one: one.way == ENVIRONMENT, "you would have to change the program, and it reads a variable",
     "It starts each night: how old can its token be, and how long does the replaced one work?"),
    ("thumbnails", lambda one: one.way == EXTENSION, "it doesn't stop in time, or isn't there for JavaScript on Lambda",
     "Look for a row that stops when denied, and that needs no more than an HTTP call."),
]  # fmt: skip


@exercise("which-way")
def check_choices(outcomes: Sequence[Outcome], choices: Mapping[str, str]) -> Check:
    """Check whether the way chosen for each platform does what it needs, by the drill's own numbers."""
    measured = {outcome.way.casefold(): outcome for outcome in outcomes}
    rows = f"The rows are: {', '.join(outcome.way for outcome in outcomes)}."
    yield not isinstance(choices, Mapping), "`my_choices` is no dictionary.", "Keep the three names of the stub."
    for platform, is_right, seen, hint in PLATFORMS:
        way = str(choices.get(platform) or "").strip()
        wrong = f"{platform}: {way!r} is no row of the table." if way else f"{platform}: there is no answer yet."
        yield way.casefold() not in measured, wrong, rows
        yield not is_right(measured[way.casefold()]), f"{platform}: with {way} {seen}.", hint
    return "No request of the shop fails. The reports begin each night with the current token. The thumbnails stop in time."
