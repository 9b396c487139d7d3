"""The collection as a whole: the map, the README and the notebooks name the same titles, minutes and order."""

from __future__ import annotations

import re

import nbformat
import pytest
from test_notebooks import FOLDER, LINK, NOTEBOOKS, texts

ROOT = FOLDER.parent
HREFS = [path.name for path in NOTEBOOKS]


def opening(path) -> tuple[str, str]:
    """Title and minutes, as a notebook's first cell gives them."""
    first = nbformat.read(path, as_version=4).cells[0].source
    return re.match(r"# (.*)", first)[1], re.search(r"\*\*Time:\*\* (\d+) minutes", first)[1]


OPENINGS = [(f"{path.stem[:2]} {title}", minutes) for path in NOTEBOOKS for title, minutes in [opening(path)]]


def test_the_map_is_right():
    lines = re.findall(r"^- \[(.*?)\]\((.*?)\), (\d+) min$", (FOLDER / "MAP.md").read_text(), re.M)
    assert [(title, minutes) for title, _, minutes in lines] == OPENINGS
    assert [href for _, href, _ in lines] == HREFS


def test_the_readme_s_table_is_right():
    rows = re.findall(r"^\| \[(.*?)\]\((.*?)\) \| (\d+) \|", (ROOT / "README.md").read_text(), re.M)
    assert [(title, minutes) for title, _, minutes in rows] == OPENINGS
    assert [href for _, href, _ in rows] == [f"notebooks/{href}" for href in HREFS]


def test_each_notebook_leads_to_the_one_before_and_the_one_after():
    last_lines = [texts(nbformat.read(path, as_version=4)).strip().splitlines()[-1] for path in NOTEBOOKS]
    for number, line in enumerate(last_lines):
        wanted = {}
        if number:
            wanted["Back"] = HREFS[number - 1]
        if number + 1 < len(HREFS):
            wanted["Next"] = HREFS[number + 1]
        assert dict(re.findall(r"\*\*(Back|Next):\*\* \[[^\]]*\]\(([^)]*)\)", line)) == wanted


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_links_and_pictures_of_the_pages_resolve(name):
    for picture, text, target in LINK.findall((ROOT / name).read_text()):
        assert len(text) > (30 if picture else 0), target
        assert target.startswith("https://") or (ROOT / target.split("#")[0]).exists(), target
