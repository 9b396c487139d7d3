"""What a learner has done: a line in a file of the learner's for each check that was run, and a table made of them."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from helpers.display import Note, Table

# The exercises in order, each under a name that stays: its notebook, and what is to be done.
EXERCISES = {
    "ledger": ("00 Start here", "read the ledger"),
    "mail": ("01 Create the secret", "a key arrives by mail"),
    "stored": ("01 Create the secret", "read what others stored"),
    "one-read": ("02 Retrieve it naively", "one read for each request"),
    "one-call": ("03 Cache it on the client", "one call for 32 threads"),
    "which-row": ("03 Cache it on the client", "which row is it?"),
    "three-clients": ("04 Reuse your clients", "three clients a request"),
    "topics": ("04 Reuse your clients", "150 topics, all day"),
    "ttl": ("05 Count the cost", "choose the TTL"),
    "policy": ("06 Lock it down", "one character"),
    "proof": ("06 Lock it down", "enough, and not too much"),
    "leaks": ("07 Where tokens leak", "leak nowhere"),
    "revoked": ("08 Rotate without downtime", "who still serves the revoked token?"),
    "roll-back": ("08 Rotate without downtime", "take it back"),
    "bounded-wait": ("09 Survive failures", "bound the wait"),
    "denial": ("09 Survive failures", "may it go on?"),
    "stale-workers": ("10 Put it in a service", "three of four workers"),
    "which-way": ("10 Put it in a service", "choose for three platforms"),
    "ours": ("11 Go live", "find what is ours"),
    "service": ("12 Mend a service", "five faults"),
}
# Files from before the notebooks had these numbers name an exercise by the number of then.
FORMER = {
    "00": "ledger",
    "01": "mail",
    "01b": "stored",
    "02": "policy",
    "02b": "proof",
    "03": "one-read",
    "04": "one-call",
    "04b": "which-row",
    "05": "three-clients",
    "05b": "topics",
    "06": "ttl",
    "07": "revoked",
    "07b": "roll-back",
    "08": "bounded-wait",
    "08b": "denial",
    "09": "ours",
    "10": "service",
}


@dataclass(frozen=True)
class Attempt:
    """One check: of which exercise (a name in `EXERCISES`), was it solved, when, and when its kernel began (both in seconds since 1970)."""

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


def raise_hand(up: bool = True) -> Note:
    """Tell the teacher of a class on a hub that you need help, or with `up=False` that you no longer do."""
    if "JUPYTERHUB_USER" not in os.environ:
        return Note("No teacher sees a hand here.", "It is for a class on a hub: ask the person beside you.")
    try:
        with progress_file().open("a", encoding="utf-8") as file:
            file.write(json.dumps({"hand": up, "at": time.time()}) + "\n")
    except OSError as error:
        return Note("Your hand did not move.", f"{error.strerror}: call out.", mood="bad")
    if up:
        return Note("Your hand is up.", "The teacher sees it. To take it down: `raise_hand(False)`.")
    return Note("Your hand is down.", "`raise_hand()` raises it.", mood="good")


def show_progress() -> Table:
    """Which exercises are solved, how long their notebooks were at work until the last check, and which is next."""
    attempts = list(_attempts())
    rows = []
    for name, (notebook, task) in EXERCISES.items():
        mine = [attempt for attempt in attempts if attempt.exercise == name]
        solved = any(attempt.solved for attempt in mine)
        sign = "✓ solved" if solved else "not yet" if mine else ""
        rows.append((notebook, task, sign, *_effort(mine)))
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
                attempt = Attempt(**json.loads(line))
                yield replace(attempt, exercise=FORMER.get(attempt.exercise, attempt.exercise))
