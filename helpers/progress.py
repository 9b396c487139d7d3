"""What a learner has done: a line in a file of the learner's for each check that was run, and a table made of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from .show import Note, Table

# The exercises in order, by the number of their notebook, the second of one with a "b": the notebook's title, and what
# is to be done.
EXERCISES = {
    "00": ("Start here", "read the ledger"),
    "01": ("Create the secret", "a key arrives by mail"),
    "01b": ("Create the secret", "read what others stored"),
    "02": ("Lock it down", "one character"),
    "02b": ("Lock it down", "enough, and not too much"),
    "03": ("Retrieve it naively", "one read for each request"),
    "04": ("Cache it on the client", "one call for 32 threads"),
    "04b": ("Cache it on the client", "which row is it?"),
    "05": ("Reuse your clients", "three clients a request"),
    "05b": ("Reuse your clients", "150 topics, all day"),
    "06": ("Count the cost", "choose the TTL"),
    "07": ("Rotate without downtime", "who still serves the revoked token?"),
    "07b": ("Rotate without downtime", "take it back"),
    "08": ("Survive failures", "keep a deadline"),
    "08b": ("Survive failures", "may it go on?"),
    "09": ("Go live", "find what is ours"),
    "10": ("Mend a service", "five faults"),
}


@dataclass(frozen=True)
class Attempt:
    """One check: of which exercise, was it solved, when, and when its kernel began (both in seconds since 1970)."""

    exercise: str
    solved: bool
    at: float
    kernel: float


def progress_file() -> Path:
    """The learner's file: TUTORIAL_PROGRESS, or one in Jupyter's data folder of this user."""
    from jupyter_core.paths import jupyter_data_dir

    default = Path(jupyter_data_dir()) / "momento-secrets-tutorial" / "progress.jsonl"
    return Path(os.environ.get("TUTORIAL_PROGRESS") or default)


def note_attempt(exercise: str, solved: bool) -> None:
    """Add a line to the file. Where that can't be written, nothing is noted and nobody is disturbed."""
    import psutil

    attempt = Attempt(exercise, solved, time.time(), psutil.Process().create_time())
    with suppress(OSError):
        progress_file().parent.mkdir(parents=True, exist_ok=True)
        with progress_file().open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(attempt)) + "\n")


def show_progress() -> Table:
    """Which exercises are solved, how long their notebooks were at work until the last check, and which is next."""
    attempts = list(_attempts())
    rows = []
    for number, (title, task) in EXERCISES.items():
        mine = [attempt for attempt in attempts if attempt.exercise == number]
        solved = any(attempt.solved for attempt in mine)
        sign = "✓ solved" if solved else "not yet" if mine else ""
        rows.append((f"{number[:2]} {title}", task, sign, *_effort(mine)))
    open_ones = [f"{notebook}: {task}" for notebook, task, sign, *_ in rows if "✓" not in sign]
    said = f"{len(rows) - len(open_ones)} of {len(rows)} exercises solved."
    following = f" Next: {open_ones[0]}" if open_ones else " That is all of them."
    return Table(("Notebook", "Exercise", "", "Checks", "Minutes"), rows, said + following)


def forget_progress() -> Note:
    """Begin anew: remove the learner's file."""
    progress_file().unlink(missing_ok=True)
    return Note("Forgotten.", "All exercises are open again; your notebooks stay as they are.")


def _effort(attempts: list[Attempt]) -> tuple[str, str]:
    """How many checks, and the minutes from the start of each kernel to the last check in it."""
    if not attempts:
        return "–", "–"
    last = {attempt.kernel: attempt.at for attempt in attempts}
    return str(len(attempts)), f"{sum(at - kernel for kernel, at in last.items()) // 60:.0f}"


def _attempts() -> Iterator[Attempt]:
    """The file's lines; one that was cut off, or that another version wrote, is passed over."""
    with suppress(OSError):
        for line in progress_file().read_text(encoding="utf-8").splitlines():
            with suppress(ValueError, TypeError):
                yield Attempt(**json.loads(line))
