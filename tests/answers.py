"""Right and wrong answers to the exercises. A few are given in a notebook's own kernel once nbval has run its last cell.

So one execution serves for the stored outputs, one hint and the solutions. The others are given in test_exercises.py.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell
from nbval.plugin import IPyNbCell, IPyNbFile

from exercises.learner_record import EXERCISES

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
WRONG_ANSWERS = Path(__file__).parent / "wrong_answers"
RIGHT_ANSWERS = Path(__file__).parent / "right_answers"
SOLUTION = re.compile(r"<summary>Solution</summary>\n\n```python\n(.*?)```", re.DOTALL)
# All of their answers are given there, as they need what their notebook's cells have run, or their own source.
IN_A_KERNEL = {"stale-workers"}
# After a second's rest the kernel's own processor time has hardly moved: no loop was left spinning.
AT_REST = "import time; before = time.process_time(); time.sleep(1); print(time.process_time() - before < 0.3)"


def code(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def shown(outputs: list[NotebookNode]) -> str:
    """All that these outputs show as text."""
    parts = [output.get("text", "") + str(output.get("traceback", "")) for output in outputs]
    parts += [text for output in outputs for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(parts)


def wrong_answers(exercise: str) -> list[tuple[str, str]]:
    """Return the hint that each wrong answer to this exercise must get, and the answer itself."""
    return _cells(WRONG_ANSWERS / f"{exercise}.py")


def right_answers(exercise: str) -> list[tuple[str, str]]:
    """Return what is different about each right answer beside the solution, and the answer itself."""
    return _cells(RIGHT_ANSWERS / f"{exercise}.py")


def _cells(file: Path) -> list[tuple[str, str]]:
    cells = re.split(r"^# %% ", file.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
    return [(head, answer) for head, _, answer in (cell.partition("\n") for cell in cells)]


class Exercise(NamedTuple):
    """An exercise as its notebook has it: three cells of code."""

    blank: str
    check: str
    solution: str


def label(path: Path) -> str:
    """Return the name of a notebook in lists: "00 Start here", or "Deeper: Where tokens leak"."""
    title = nbformat.read(path, as_version=4).cells[0].source.splitlines()[0].removeprefix("# ")
    return f"{path.stem[:2]} {title}" if path.stem[0].isdigit() else f"Deeper: {title}"


def exercises_of(path: Path) -> dict[str, Exercise]:
    """Return the exercises of a notebook, by their stable names."""
    notebook = nbformat.read(path, as_version=4)
    cells = code(notebook)
    places = [place for place, cell in enumerate(cells) if "exercise" in cell.metadata.get("tags", [])]
    names = [name for name, (of, _) in EXERCISES.items() if of == label(path)]
    solutions = SOLUTION.findall(texts(notebook))
    return {
        name: Exercise(cells[place].source, cells[place + 1].source, solution)
        for name, place, solution in zip(names, places, solutions, strict=True)
    }


class Notebook(IPyNbFile):
    """A notebook whose cells nbval runs and compares, and after them the answers to its exercises."""

    def collect(self) -> Iterator[pytest.Item]:
        yield from super().collect()
        for name, one in exercises_of(self.path).items():
            wrong = wrong_answers(name) if name in IN_A_KERNEL else wrong_answers(name)[:1]
            answers = [("Not yet.", one.blank), *wrong, ("Solved.", one.solution)]
            for number, (hint, answer) in enumerate(answers):  # of two with one name xdist runs one
                yield self._answer(f"{name} {number}: {hint}", [answer, one.check], hint)
        yield self._answer("nothing spins", [AT_REST], "True")

    def _answer(self, name: str, sources: list[str], hint: str) -> pytest.Item:
        options = defaultdict[str, bool](bool)
        return Answer.from_parent(self, name=name, cell_num=0, cell=None, options=options, sources=sources, hint=hint)


class Answer(IPyNbCell):
    """What is typed into the notebook's kernel, a source a cell, and what the last of them must say."""

    def __init__(self, *, sources: list[str], hint: str, **cell) -> None:
        super().__init__(**cell)
        self.sources, self.hint = sources, hint

    def runtest(self) -> None:
        for source in self.sources:
            self.cell = new_code_cell(source)
            super().runtest()
        said = shown(self.test_outputs)
        if self.hint not in said or (self.hint not in ("Solved.", "True") and "Not yet." not in said):
            self.raise_cell_error(f"The answer lacks {self.hint!r}.", said)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, f"{self.path.name}::{self.name}"
