"""`python workshop/make_plans.py`: write the plans into README.md beside this file, and the questions into questions.md.

A slot for a notebook has the minutes that a teacher gives it. `least` says how few they may be, by the figures of
tools/minutes.py; a test compares. Run it after a notebook's title, an exercise's heading or a question has changed.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))

from minutes import SECONDS_A_CELL, SECONDS_A_LINE, WORDS_A_MINUTE, figures  # noqa: E402

GUIDE, ABOUT, SHEET = HERE / "README.md", HERE / "notebooks.md", HERE / "questions.md"
SLOWER = 1.25  # a class takes longer than a reader alone
A_GUESS = 1  # minute, to say it aloud
A_QUESTION = 2 / 3  # minute, on the sheet
AROUND = 3  # minutes: to greet and say how we work together; at the end, the feedback
OPENING = 1  # minute: a notebook that was shown is opened and run down to its exercise
SAID = 0.5  # of what is to be read in a notebook that is shown
CORE = 7  # notebooks
SHEET_HEAD = """\
# Questions

No names. Choose a word and two digits, such as *heron 47*, and write the same on both sheets. Take a note of it.

My word: __________________ This sheet is ☐ before ☐ after the class.

Mark one choice. If you don't know, leave the question open: that helps more than a lucky guess. The *token* is Momento's API key; the *secret* is where AWS Secrets Manager keeps it.
"""


class Slot(NamedTuple):
    """A notebook, by its title, or something else. `alone`: learners read it and run it; otherwise it is shown."""

    what: str
    minutes: int
    shown: str = ""
    done: str = ""
    exercise: str = ""
    alone: bool = False


BEFORE, AFTER = "[the questions](questions.md), before", "[the questions](questions.md), after"
# What both plans have.
WELCOME, SAY = f"Welcome; {BEFORE}", "[what to say](#the-welcome)"
START = Slot("Start here", 9, "the first cell, the ledger", "the notebook, both guesses aloud", alone=True)
NAIVE = Slot("Retrieve it naively", 12, "at the end: the chart, the price", "the notebook, the guess aloud", alone=True)
PIECES = "one request in pieces; connections; what breaks; the file to take home"
CLIENTS = Slot(
    "Reuse your clients",
    16,
    PIECES,
    "the guess; the exercise",
    "a topic client that goes on",
)
COST = Slot(
    "Count the cost",
    7,
    "a month without a cache, and with one; the panel; throttled, and not",
    "the guess; call out a rate, then a number of processes",
)
ACCESS = Slot(
    "Let only the right identity read it",
    14,
    "the policy; who can read what; revoking; variable, file or secret",
    "the guess; the exercise in pairs",
    "one character",
)
PLANS = {
    "An hour and a half": [
        Slot(WELCOME, 8, SAY, "open the link to the tab; 00 to 06 on paper"),
        START,
        Slot("Create the secret", 7, "plaintext, not *Key/value*; seven mistakes, one message", "the guess"),
        NAIVE,
        Slot(
            "Cache it on the client",
            8,
            "two calls, then none; a copy goes stale; a cache for each request; four ways side by side",
            "the guess",
        ),
        Slot("Slack", 4, "", "stand up; finish 02"),
        Slot("Reuse your clients", 9, f"{PIECES}; the exercise's solution, for `TopicClient`", "the guess"),
        COST,
        ACCESS,
        Slot("Slack", 3),
        Slot(f"End; {AFTER}", 9, "", "00 to 06 on paper; [feedback](feedback.md)"),
    ],
    "Half a day": [
        Slot(WELCOME, 10, SAY, "open the first notebook; 00 to 09 on paper"),
        START,
        Slot(
            "Create the secret",
            18,
            "at the end: what `check` says",
            "the notebook and its exercise",
            "a key arrives by email",
            alone=True,
        ),
        NAIVE,
        Slot("Break", 10),
        Slot(
            "Cache it on the client",
            19,
            "at the end: four ways, 32 threads",
            "the notebook and its exercise",
            "a reader that notices",
            alone=True,
        ),
        CLIENTS,
        COST,
        ACCESS,
        Slot("Slack", 5),
        Slot("Break", 20),
        Slot(
            "Rotate without downtime",
            18,
            "a rotation; one that fails; the overlap; the drill",
            "the guess; the exercise in pairs",
            "who still serves the revoked token?",
        ),
        Slot(
            "Survive failures",
            18,
            "two errors with one status; the fault lab; away for two minutes",
            "the guess; the exercise in pairs",
            "may it go on?",
        ),
        Slot("Break", 10),
        Slot(
            "Put it in a service",
            18,
            "FastAPI; gunicorn; all four; is it ready?",
            "both guesses; the exercise in pairs",
            "three of four workers",
        ),
        Slot("Slack", 12, "", "if there is time, the second exercise of 07 or 08"),
        Slot(f"End; {AFTER}", 14, "", "00 to 09 on paper; [feedback](feedback.md); what changes on Monday?"),
    ],
}


class Notebook(NamedTuple):
    path: Path
    exercises: dict[str, int]  # minutes, by heading
    guesses: int

    @property
    def link(self) -> str:
        return f"../notebooks/{self.path.name}"


@cache
def notebooks() -> dict[str, Notebook]:
    """Return the notebooks by title."""
    known = {}
    for path in sorted((HERE.parent / "notebooks").glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        title = cells[0].source.splitlines()[0].removeprefix("# ")
        headings = re.findall(r"^## Exercise: (.*)$", "\n".join(cell.source for cell in cells), re.M)
        guesses = sum("reveal(" in cell.source for cell in cells if cell.cell_type == "code")
        known[title] = Notebook(path, dict(zip(headings, figures(path).exercises, strict=True)), guesses)
    return known


def least(slot: Slot, plan: list[Slot]) -> float:
    """Return how many minutes a slot needs: with a guess for each `reveal`, and an exercise as long as a class needs."""
    known = notebooks()
    if "questions.md" in slot.what:
        return A_QUESTION * sum(one.what in known for one in plan) + AROUND
    if slot.what not in known:
        return 0
    one = known[slot.what]
    figure = figures(one.path)
    running = figure.cells * SECONDS_A_CELL / 60
    reading = figure.words / WORDS_A_MINUTE + figure.lines * SECONDS_A_LINE / 60
    exercise = SLOWER * one.exercises[slot.exercise] if slot.exercise else 0
    if slot.alone:
        return SLOWER * (running + reading) + A_GUESS * one.guesses + exercise
    return running + SAID * reading + A_GUESS * one.guesses + (OPENING + exercise if exercise else 0)


def plan(name: str) -> str:
    """Return a plan as Markdown, heading and table."""
    known, clock = notebooks(), 0
    lines = ["| from | minutes | what | shown | done | exercise |", "|---|---|---|---|---|---|"]
    for slot in PLANS[name]:
        what, exercise = slot.what, ""
        if what in known:
            one = known[what]
            what = f"[{one.path.stem[:2]} {what}]({one.link})"
            anchor = f"Exercise:-{slot.exercise.replace(' ', '-')}"
            exercise = f"[{slot.exercise}]({one.link}#{anchor})" if slot.exercise else "homework"
        start = f"{clock // 60}:{clock % 60:02}"
        lines.append(f"| {start} | {slot.minutes} | {what} | {slot.shown} | {slot.done} | {exercise} |")
        clock += slot.minutes
    return f"## {name}: {clock} minutes\n\n" + "\n".join(lines) + "\n"


def with_plans(guide: str) -> str:
    for name in PLANS:
        guide = re.sub(
            rf"^## {name}: \d+ minutes\n\n(\|.*\n)+",
            lambda _, name=name: plan(name),
            guide,
            flags=re.M,
        )
    return guide


def about() -> dict[str, str]:
    """Return what notebooks.md says about each notebook, by number and title."""
    return dict(re.findall(r"^## (\d\d .*?)\n\n(.*?)(?=\n^## |\Z)", ABOUT.read_text(encoding="utf-8"), re.M | re.S))


def choices(text: str) -> list[tuple[str, str, str]]:
    """Return letter, choice and what it shows, of a question in notebooks.md."""
    return re.findall(r"^  - ([A-Z]): (.*) · (.*)$", text, re.M)


def sheet() -> str:
    """Return the questions of half a day without their answers, as Markdown: those of the core first."""
    parts, shown = [SHEET_HEAD], {slot.what for slot in PLANS["Half a day"]}
    asked = [(title, text) for title, text in about().items() if title[3:] in shown]
    for at, (title, text) in enumerate(asked):
        if at in (0, CORE):
            parts.append(f"## {'Production' if at else 'The core'}\n")
        question = re.search(r"^- \*\*Question:\*\* (.*)$", text, re.M)[1]
        listed = "".join(f"- **{letter}** {choice}\n" for letter, choice, _ in choices(text))
        parts.append(f"**{title[:2]}.** {question}\n\n{listed}")
    return "\n".join(parts)


if __name__ == "__main__":
    GUIDE.write_text(with_plans(GUIDE.read_text(encoding="utf-8")), encoding="utf-8")
    SHEET.write_text(sheet(), encoding="utf-8")
