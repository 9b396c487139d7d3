"""How every notebook is stored. nbval shows that it runs, and that its exercises tell right from wrong."""

from __future__ import annotations

import ast
import re
from datetime import date
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from answers import code, shown, texts

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted([*FOLDER.glob("*.ipynb"), *FOLDER.glob("deeper/*.ipynb")])
TOKEN = re.compile(r"(?<![\w/+=-])(?:eyJ[\w-]{20,}(?:\.[\w-]+)*|[A-Za-z0-9+/]{80,}={0,2})(?![\w/+=-])")
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def test_it_is_stored_as_one_clean_run_without_errors_or_tokens(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    assert {key: value for key, value in notebook.metadata.items() if key != "stored_outputs"} == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}
    for cell in code(notebook):
        assert not [one for one in cell.outputs if one.output_type == "error" or one.get("name") == "stderr"]
        assert not TOKEN.search(shown(cell.outputs)), cell.source


def test_each_says_on_which_day_and_with_which_versions_its_outputs_were_made():
    for path in NOTEBOOKS:
        made = nbformat.read(path, as_version=4).metadata.get("stored_outputs")
        assert made, f"{path.name} doesn't say when it ran: run `make outputs`"
        assert date.fromisoformat(made.day) and made.versions.keys() >= {"Python", "boto3", "momento"}


def test_links_resolve_headings_step_down_by_one_and_pictures_have_a_text(path, notebook):
    prose = re.sub(r"```.*?```", "", texts(notebook), flags=re.DOTALL)
    levels = [len(mark) for mark in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    for picture, text, target in LINK.findall(texts(notebook)):
        assert len(text) > (30 if picture else 0), target
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / unquote(target).split("#")[0]).exists(), target
    html = "".join(output.get("data", {}).get("text/html", "") for cell in code(notebook) for output in cell.outputs)
    assert html.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html))


def test_no_later_cell_needs_what_an_exercise_makes(notebook):
    """A notebook runs the same whether its exercises are solved or not."""
    cells = code(notebook)
    for place, cell in enumerate(cells):
        if "exercise" in cell.metadata.get("tags", []):
            made, _ = names(cell.source)
            assert not made & {name for later in cells[place + 2 :] for name in names(later.source)[1]}, cell.source


def names(source: str) -> tuple[set[str], set[str]]:
    """Return the names that a cell binds at its top level, and those that it reads."""
    tree = ast.parse("\n".join(line for line in source.splitlines() if not line.startswith(("%", "!"))))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Name)]
    defined = {node.name for node in tree.body if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
    bound = {node.id for node in found if isinstance(node.ctx, ast.Store)}
    return bound | defined, {node.id for node in found if isinstance(node.ctx, ast.Load)}
