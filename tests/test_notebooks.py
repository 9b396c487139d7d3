"""How every notebook is made. That it runs, and that its exercises tell right from wrong, is seen when nbval runs it."""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import nbformat
import pytest
from answers import code, shown, texts

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TOKEN = re.compile(r"(?<![\w/+=-])(?:eyJ[\w-]{20,}(?:\.[\w-]+)*|[A-Za-z0-9+/]{80,}={0,2})(?![\w/+=-])")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def test_it_is_stored_as_one_clean_run(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}


def test_no_output_holds_an_error_or_anything_shaped_like_a_token(notebook):
    for cell in code(notebook):
        assert not [output for output in cell.outputs if output.output_type == "error"]
        assert not [output for output in cell.outputs if output.get("name") == "stderr"]
        assert not TOKEN.search(shown(cell.outputs)), cell.source


def test_it_opens_and_closes_as_ours_do(notebook):
    first, last = notebook.cells[0].source, texts(notebook)
    assert first.startswith("# ") and all(
        f"**{part}**" in first for part in ("You will", "You will know", "You need", "Time:")
    )
    assert "## Summary" in last


def test_headings_step_down_by_one(notebook):
    prose = re.sub(r"```.*?```", "", texts(notebook), flags=re.DOTALL)
    levels = [len(mark) for mark in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_no_dollar_sign_starts_a_formula(notebook):
    prose = re.sub(r"```.*?```|`[^`]*`", "", texts(notebook), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)\$", prose)


def test_links_and_pictures_resolve_and_pictures_have_a_text(notebook):
    for picture, text, target in LINK.findall(texts(notebook)):
        assert text.strip(), target
        if picture:
            assert len(text) > 30, f"{target} needs a text that can stand for it"
        if not target.startswith(("http://", "https://", "#")):
            assert (FOLDER / unquote(target).split("#")[0]).exists(), target


def test_figures_have_a_text(notebook):
    html = "".join(output.get("data", {}).get("text/html", "") for cell in code(notebook) for output in cell.outputs)
    assert html.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html))


def test_cells_are_small(notebook):
    sizes = sorted(len(cell.source.strip().splitlines()) for cell in code(notebook))
    assert sizes[-1] <= 20
    assert sizes[int(len(sizes) * 0.9)] <= 14


def test_no_later_cell_needs_what_an_exercise_makes(notebook):
    """So a notebook goes on the same whether its exercises are solved or not."""
    cells = code(notebook)
    for place, cell in enumerate(cells):
        if "exercise" in cell.metadata.get("tags", []):
            made, *later = [names(one.source) for one in (cell, *cells[place + 2 :])]
            assert not made.bound & set().union(*(one.used for one in later)), cell.source


class Names(NamedTuple):
    bound: set[str]
    used: set[str]


def names(source: str) -> Names:
    """The names that a cell binds at its top level, and those that it reads."""
    lines = [line for line in source.splitlines() if not line.startswith(("%", "!"))]
    tree = ast.parse("\n".join(lines))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    bound = {node.id for node in found if isinstance(node.ctx, ast.Store)}
    return Names(bound | defined, {node.id for node in found if isinstance(node.ctx, ast.Load)})
