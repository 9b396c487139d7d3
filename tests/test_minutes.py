"""The minutes of a notebook follow a rule."""

from __future__ import annotations

import pytest
from minutes import STEP, minutes
from nbformat import NotebookNode, write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from test_collection import opening
from test_notebooks import NOTEBOOKS

CORE = NOTEBOOKS[:6]


@pytest.mark.parametrize("path", CORE, ids=lambda path: path.stem)
def test_a_notebook_says_the_minutes_that_the_rule_gives(path):
    assert opening(path)[1] == str(minutes(path))


def test_the_core_takes_about_ninety_minutes():
    assert 80 <= sum(map(minutes, CORE)) <= 95


def test_words_cells_and_exercises_count_but_not_solutions(tmp_path):
    def of(*cells) -> int:
        write(new_notebook(cells=list(cells)), tmp_path / "one.ipynb")
        return minutes(tmp_path / "one.ipynb")

    def exercise(*tags) -> NotebookNode:
        return new_code_cell("my_answer = 1", metadata={"tags": ["exercise", *tags]})

    prose = "word " * 4_760
    assert of(new_markdown_cell("# A title")) == STEP
    assert of(new_markdown_cell(prose)) == 20
    assert of(new_markdown_cell(f"<details>{prose}</details>")) == STEP
    assert of(*(new_code_cell("x = 1") for _ in range(100))) == 15
    assert of(*(exercise() for _ in range(5))) == 15
    assert of(exercise("minutes:20")) == 20
