"""How many minutes a notebook takes to read and run, by a rule. It leaves out set-up, breaks, questions and second tries.

Each word of prose is read once, each code cell is read and its result looked at, each exercise is solved. Code that a
text cell shows, such as a solution, isn't counted.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import nbformat

# The mean for silent reading of non-fiction: Brysbaert 2019, doi 10.1016/j.jml.2019.104047
WORDS_A_MINUTE = 238
SECONDS_A_CELL = 8  # to run it and look at what it gives
SECONDS_A_LINE = 1  # of code
MINUTES_AN_EXERCISE = 3  # unless its cell has a tag such as `minutes:20`
STEP = 5  # minutes, to which the sum is rounded

_NOT_READ = re.compile(r"<details>.*?</details>|```.*?```|!?\[([^\]]*)\]\([^)]*\)", re.DOTALL)


def minutes(path: Path) -> int:
    """The minutes that stand in a notebook's first cell."""
    cells = nbformat.read(path, as_version=4).cells
    prose = " ".join(_NOT_READ.sub(r"\1", cell.source) for cell in cells if cell.cell_type != "code")
    code = [cell for cell in cells if cell.cell_type == "code"]
    lines = sum(len(cell.source.splitlines()) for cell in code)
    exercises = sum(_exercise(cell.metadata.get("tags", [])) for cell in code)
    total = len(prose.split()) / WORDS_A_MINUTE + (len(code) * SECONDS_A_CELL + lines * SECONDS_A_LINE) / 60 + exercises
    return max(STEP, round(total / STEP) * STEP)


def _exercise(tags: list[str]) -> float:
    if "exercise" not in tags:
        return 0
    said = [float(tag.removeprefix("minutes:")) for tag in tags if tag.startswith("minutes:")]
    return said[0] if said else MINUTES_AN_EXERCISE


if __name__ == "__main__":
    for name in sys.argv[1:]:
        print(f"{minutes(Path(name)):3}  {name}")
