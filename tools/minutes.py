"""How many minutes a notebook takes, by a rule, and the figures that it is made of: `python tools/minutes.py notebooks/*.ipynb`.

Each word of prose is read once, each code cell is run and its result looked at, each line of code is read, each exercise
is solved. Code that a text cell shows, a folded solution and the text of a picture aren't counted. Set-up, breaks and questions aren't either.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

WORDS_A_MINUTE = 150
SECONDS_A_CELL = 10
SECONDS_A_LINE = 3
MINUTES_AN_EXERCISE = 5  # unless its cell has a tag such as `minutes:20`

_NOT_READ = re.compile(r"<details>.*?</details>|```.*?```|!\[[^\]]*\]\([^)]*\)|(?<=\])\([^)]*\)", re.DOTALL)


class Figures(NamedTuple):
    """What a notebook asks of its reader; `lines` of code leave out the empty ones."""

    words: int
    cells: int
    lines: int
    exercises: list[int]  # minutes of each

    @property
    def minutes(self) -> int:
        running = (self.cells * SECONDS_A_CELL + self.lines * SECONDS_A_LINE) / 60
        return round(self.words / WORDS_A_MINUTE + running + sum(self.exercises))


def figures(path: Path) -> Figures:
    cells = nbformat.read(path, as_version=4).cells
    prose = " ".join(_NOT_READ.sub("", cell.source) for cell in cells if cell.cell_type != "code")
    code = [cell for cell in cells if cell.cell_type == "code"]
    lines = [line for cell in code for line in cell.source.splitlines() if line.strip()]
    exercises = [_minutes_of(tags) for cell in code if "exercise" in (tags := cell.metadata.get("tags", []))]
    return Figures(len(prose.split()), len(code), len(lines), exercises)


def _minutes_of(tags: list[str]) -> int:
    said = [int(tag.removeprefix("minutes:")) for tag in tags if tag.startswith("minutes:")]
    return said[0] if said else MINUTES_AN_EXERCISE


if __name__ == "__main__":
    print("minutes words cells lines exercises")
    for name in sys.argv[1:]:
        one = figures(Path(name))
        print(f"{one.minutes:7} {one.words:5} {one.cells:5} {one.lines:5} {len(one.exercises):9}  {name}")
