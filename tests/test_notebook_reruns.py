"""What learners do to notebooks: they run cells twice, and in any order. Nothing hangs, and no kernel dies.

The set-up cells are those up to the first `##` heading, and all up to the one that makes sure of the secret.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import nbformat
import pytest
from answers import code
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from test_notebooks import NOTEBOOKS

pytestmark = [pytest.mark.again, pytest.mark.timeout(600)]

SENTENCE = "✗ "  # how an error of ours is shown: a sentence, and no traceback
MISSING = (
    "NameError",
    "ResourceNotFoundException",
)  # what a cell run too early misses: a name, or a secret
SECONDS = 60  # a cell that takes longer hangs
SET_UP = re.compile(r"= connect\(|ensure_secret\(")


class Learner:
    """Somebody at a notebook, in a kernel of its own."""

    def __init__(self, path: Path) -> None:
        self.notebook = nbformat.read(path, as_version=4)
        folder = {"metadata": {"path": str(path.parent)}}
        self._client = NotebookClient(self.notebook, timeout=SECONDS, resources=folder)

    def __enter__(self) -> Learner:
        self._kernel = self._client.setup_kernel()
        self._kernel.__enter__()
        return self

    def __exit__(self, *exception) -> None:
        self._kernel.__exit__(*exception)

    def run(self, cell: NotebookNode) -> str:
        """The error's name, or an empty text. Raises `DeadKernelError`, and `CellTimeoutError` where a cell hangs."""
        try:
            self._client.execute_cell(cell, self.notebook.cells.index(cell))
            return ""
        except CellExecutionError as error:
            return "a sentence" if SENTENCE in error.traceback else error.ename

    def errors(self, cells: Sequence[NotebookNode], allowed: Sequence[str] = ()) -> dict[str, str]:
        """Run these cells; the source and the error of each that failed otherwise than allowed."""
        errors = [(cell.source, self.run(cell)) for cell in cells]
        return {source: error for source, error in errors if error and error not in allowed}


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def learner(request) -> Iterator[Learner]:
    with Learner(request.param) as learner:
        yield learner


def set_up_and_others(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    cells = notebook.cells
    headings = [place for place, cell in enumerate(cells) if cell.source.startswith("## ")]
    set_up = [place + 1 for place, cell in enumerate(cells) if SET_UP.search(cell.source)]
    end = max(headings[0], *set_up[:2])
    is_code = [cell for cell in cells[:end] if cell.cell_type == "code"]
    return is_code, [cell for cell in cells[end:] if cell.cell_type == "code"]


def shuffled(cells: Sequence[NotebookNode]) -> list[NotebookNode]:
    return random.Random(17).sample(cells, len(cells))


def test_each_cell_can_be_run_twice_and_then_all_in_any_order(learner):
    twice = [cell for cell in code(learner.notebook) for _ in range(2)]
    assert learner.errors(twice) == {}
    set_up, others = set_up_and_others(learner.notebook)
    # 11 cleans up: a read after that is answered by Secrets Manager, in a sentence of its own.
    allowed = ["a sentence", "ResourceNotFoundException"]
    assert learner.errors([*set_up, *shuffled(others)], allowed=allowed) == {}


def test_a_cell_that_is_run_too_early_says_at_worst_what_is_missing(learner):
    set_up, others = set_up_and_others(learner.notebook)
    assert learner.errors(set_up) == {}
    assert learner.errors(shuffled(others), allowed=["a sentence", *MISSING]) == {}
    assert learner.errors(others) == {}
