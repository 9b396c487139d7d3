"""What a learner has done: a line in a file of the working copy for each check, and a table made of them."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from helpers.display import Note, Table

# The exercises in order, each under a name that stays: its notebook, and what is to be done.
EXERCISES = {
    "ledger": ("00 Start here", "read the ledger"),
    "mail": ("01 Create the secret", "a key arrives by email"),
    "one-read": ("02 Retrieve it naively", "one read for each request"),
    "reader": ("03 Cache it on the client", "a reader that notices"),
    "announce": ("04 Reuse your clients", "a topic client that goes on"),
    "ttl": ("05 Count the cost", "choose the TTL"),
    "policy": ("06 Let only the right identity read it", "one character"),
    "revoked": ("07 Rotate without downtime", "who still serves the revoked token?"),
    "roll-back": ("07 Rotate without downtime", "take it back"),
    "denial": ("08 Survive failures", "may it go on?"),
    "bounded-wait": ("08 Survive failures", "bound the wait"),
    "stale-workers": ("09 Put it in a service", "three of four workers"),
    "ours": ("10 Go live", "find what is ours"),
    "service": ("11 Fix a service", "five faults"),
    "one-call": ("Deeper: The contest of all ways", "one call for 32 threads"),
    "which-row": ("Deeper: The contest of all ways", "which row is it?"),
    "two-readers": ("Deeper: Other regions and accounts", "two readers"),
    "which-way": ("Deeper: Other ways to deliver a token", "choose for three platforms"),
    "topics": ("Deeper: Topics in depth", "150 topics, all day"),
    "leaks": ("Deeper: Where tokens leak", "leak nowhere"),
}


def progress_file() -> Path | None:
    """Return TUTORIAL_PROGRESS, or the file of the working copy around the kernel's folder; None outside of one."""
    if named := os.environ.get("TUTORIAL_PROGRESS"):
        return Path(named)
    copies = [folder for folder in (Path.cwd(), *Path.cwd().parents) if (folder / ".working_copy.json").is_file()]
    return copies[0] / ".progress.jsonl" if copies else None


def note(**line: object) -> bool:
    """Add a line to the record, and return whether there is one that can be written."""
    with suppress(OSError):
        if file := progress_file():
            cut_off = file.exists() and not file.read_bytes().endswith(b"\n")
            with file.open("a", encoding="utf-8") as opened:
                opened.write("\n" * cut_off + json.dumps({**line, "at": time.time()}) + "\n")
            return True
    return False


def raise_hand(up: bool = True) -> Note:
    """Tell the teacher of a class on a hub that you need help, or with `up=False` that you no longer do."""
    if "JUPYTERHUB_USER" not in os.environ or not note(hand=up):
        return Note("No teacher sees a hand here.", "It is for a class on a hub: ask the person beside you.")
    return Note("Your hand is up.", "To take it down: raise_hand(False)") if up else Note("Your hand is down.")


def show_progress() -> Table:
    """Show which exercises are solved, how often they were checked, and which is next."""
    checks: dict[str, list[bool]] = {name: [] for name in EXERCISES}
    lines: list[str] = []
    with suppress(OSError):  # there is none yet, or it may not be read
        if file := progress_file():
            lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    for line in lines:
        with suppress(ValueError, KeyError, TypeError):  # a line that was cut off, or is a raised hand
            said = json.loads(line)
            checks[said["exercise"]].append(said["solved"])
    rows = []
    for name, (notebook, task) in EXERCISES.items():
        state = "✓ solved" if any(checks[name]) else "not yet" if checks[name] else ""
        rows.append((notebook, task, state, str(len(checks[name]) or "–")))
    left = [f" Next: {notebook}: {task}" for notebook, task, state, _ in rows if "✓" not in state]
    solved = f"{len(rows) - len(left)} of {len(rows)} exercises solved."
    return Table(("Notebook", "Exercise", "", "Checks"), rows, solved + (left[0] if left else ""))


def forget_progress() -> None:
    """Start over: remove the record. The notebooks stay as they are."""
    if file := progress_file():
        file.unlink(missing_ok=True)
