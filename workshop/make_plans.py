"""`python workshop/make_plans.py`: write the plans' times into README.md beside this file.

A notebook takes the minutes that its first cell says, so a plan is a list of titles and of what is between them. Run it
after a notebook's number, title or minutes have changed; a test compares.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat

HERE = Path(__file__).resolve().parent
GUIDE = HERE / "README.md"
HEAD = "| from | minutes | what | how |\n|---|---|---|---|\n"
# A notebook's title, or something else with its minutes; how it is done; of a notebook that is cut short its minutes here.
PLANS = {
    "Half a day": [
        (("Welcome; everybody opens the first notebook", 10), "hands up: who has seen a secret in a log?"),
        ("Start here", "together, on the projector"),
        ("Create the secret", "each"),
        ("Retrieve it naively", "each"),
        ("Cache it on the client", "each; the threads together"),
        (("Break", 10), "save first; shut down the kernels"),
        ("Reuse your clients", "each"),
        ("Count the cost", "you change the numbers, they tell you to what"),
        ("Let only the right identity read it", "in pairs"),
        (("Break", 15), "away from the screens"),
        ("Rotate without downtime", "the drill together"),
        ("Survive failures", "in pairs"),
        ("Put it in a service", "on the projector; the exercise in pairs"),
        (("Slack", 15), "for what took longer; else a question of *deeper*, or *Go live* on the projector"),
        (
            ("What will you change on Monday? Then [feedback](feedback.md)", 15),
            "three who like to say it, then all on paper",
        ),
    ],
    "An hour and a half": [
        (("Welcome; everybody opens the link to the tab", 4), "hands up"),
        ("Start here", "together"),
        ("Create the secret", "together; the exercise at home", 8),
        ("Retrieve it naively", "each; the exercise at home", 9),
        ("Cache it on the client", "each"),
        ("Reuse your clients", "each"),
        ("Count the cost", "you change the numbers; the exercise at home", 8),
        ("Let only the right identity read it", "each"),
        (("Slack", 4), "for what took longer"),
        (("[Feedback](feedback.md)", 5), "on paper"),
    ],
}


def notebooks() -> dict[str, tuple[str, int]]:
    """Return the link to the notebook and its minutes, by title."""
    known = {}
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        first = nbformat.read(path, as_version=4).cells[0].source
        title = first.splitlines()[0].removeprefix("# ")
        minutes = re.search(r"\*\*Time:\*\* (\d+) minutes", first)[1]
        known[title] = (f"[{path.stem[:2]} {title}](../notebooks/{path.name})", int(minutes))
    return known


def plan(name: str) -> str:
    """Return a plan as Markdown, heading and table."""
    known, clock, lines = notebooks(), 0, []
    for part, how, *cut_short in PLANS[name]:
        what, minutes = known[part] if isinstance(part, str) else part
        minutes = cut_short[0] if cut_short else minutes
        lines.append(f"| {clock // 60}:{clock % 60:02} | {minutes} | {what} | {how} |\n")
        clock += minutes
    return f"## {name}: {clock} minutes\n\n{HEAD}{''.join(lines)}"


def with_plans(guide: str) -> str:
    for name in PLANS:
        guide = re.sub(
            rf"^## {name}: \d+ minutes\n\n(\|.*\n)+",
            lambda _, name=name: plan(name),
            guide,
            flags=re.M,
        )
    return guide


if __name__ == "__main__":
    GUIDE.write_text(with_plans(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
