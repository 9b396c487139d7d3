"""The learner's guess, set beside what was counted."""

from __future__ import annotations

from helpers.display import Note


def reveal(guess: object, counted: int, unit: str, source: str = "the ledger") -> Note:
    """Set the learner's guess beside what the ledger, or another source, counted."""
    if guess is None:
        return Note("Guess first.", "Put a number into the cell with your guess, run that cell, and then this one.")
    if counted == 1:
        unit = unit.removesuffix("s")
    if isinstance(guess, bool) or not isinstance(guess, (int, float)) or not guess >= 0:
        return Note(
            "Not yet.",
            f"{source[0].upper()}{source[1:]} counted {counted:,} {unit}.",
            "Your guess should be a number, such as 10.",
        )
    if guess == counted:
        return Note(f"You said {guess:,}, and so does {source}: {counted:,} {unit}.", mood="good")
    return Note(f"You said {guess:,}; {source} counted {counted:,} {unit}.")
