"""What learners do to notebooks: they run cells too early, twice, and in any order. Nothing hangs, and no kernel dies."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence

import nbformat
import pytest
from answers import code
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode
from test_notebooks import NOTEBOOKS

pytestmark = [pytest.mark.again, pytest.mark.timeout(600)]

SENTENCE = "a sentence"  # which names the fix: an error of the collection, or a fault that a cell left in the sandbox
GONE = "ResourceNotFoundException"  # 10 cleans up: a read after that finds no secret
MISSING = SENTENCE, GONE, "NameError", "KeyError"  # a name, a secret, or a part of a response
SECONDS = 60  # a cell that takes longer hangs
SET_UP = re.compile(r"= connect\(|ensure_secret\(")


def set_up_and_others(notebook: NotebookNode) -> tuple[list[NotebookNode], list[NotebookNode]]:
    """Return the code cells up to the first `##` heading or the call that makes sure of the secret, and the others."""
    cells = notebook.cells
    heading = next(place for place, cell in enumerate(cells) if cell.source.startswith("## "))
    set_up = [place + 1 for place, cell in enumerate(cells) if SET_UP.search(cell.source)]
    first = [cell for cell in cells[: max(heading, *set_up[:2])] if cell.cell_type == "code"]
    return first, code(notebook)[len(first) :]


def errors(run: Callable[[NotebookNode], str], cells: Sequence[NotebookNode], *allowed: str) -> dict[str, str]:
    """Run these cells and return the source and the error of each that failed in another way than is allowed."""
    found = [(cell.source, run(cell)) for cell in cells]
    return {source: error for source, error in found if error and error not in allowed}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_run_too_early_say_what_is_missing_and_then_run_twice_and_in_any_order(path):
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(path.parent)}})

    def run(cell: NotebookNode) -> str:
        """Raise `DeadKernelError`, and `CellTimeoutError` for a cell that hangs; return the name of another error."""
        try:
            client.execute_cell(cell, notebook.cells.index(cell))
            return ""
        except CellExecutionError as error:
            named = "✗ " in error.traceback or "`cloud.clear_faults()` removes it" in error.evalue
            return SENTENCE if named else error.ename

    set_up, others = set_up_and_others(notebook)
    shuffled = random.Random(17).sample(others, len(others))
    with client.setup_kernel():
        assert errors(run, set_up) == {}
        assert errors(run, shuffled, *MISSING) == {}
        assert errors(run, [cell for cell in code(notebook) for _ in range(2)]) == {}
        assert errors(run, [*set_up, *shuffled], SENTENCE, GONE) == {}
