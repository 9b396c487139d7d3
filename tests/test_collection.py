"""The map, the README and the notebooks name the same titles, minutes and order, and their links resolve."""

from __future__ import annotations

import re

import nbformat
import pytest
from test_notebooks import FOLDER, LINK, NOTEBOOKS, texts

ROOT = FOLDER.parent
HREFS = [path.name for path in NOTEBOOKS]


def opening(path) -> tuple[str, str]:
    """Return the title and the minutes of a notebook's first cell."""
    first = nbformat.read(path, as_version=4).cells[0].source
    return re.match(r"# (.*)", first)[1], re.search(r"\*\*Time:\*\* (\d+) minutes", first)[1]


OPENINGS = [(f"{path.stem[:2]} {title}", minutes) for path in NOTEBOOKS for title, minutes in [opening(path)]]


@pytest.mark.parametrize(
    ("page", "line", "folder"),
    [
        ("notebooks/MAP.md", r"- \[(.*?)\]\((.*?)\), (\d+) min$", ""),
        ("README.md", r"\| \[(.*?)\]\((.*?)\) \| (\d+) \|", "notebooks/"),
    ],
)
def test_the_lists_are_right(page, line, folder):
    listed = re.findall(rf"^{line}", (ROOT / page).read_text(), re.M)
    assert [(title, minutes) for title, _, minutes in listed] == OPENINGS
    assert [href for _, href, _ in listed] == [folder + href for href in HREFS]


def test_each_notebook_leads_to_the_one_before_and_the_one_after():
    for number, path in enumerate(NOTEBOOKS):
        line = texts(nbformat.read(path, as_version=4)).strip().splitlines()[-1]
        wanted = {"Back": HREFS[number - 1] if number else None, "Next": dict(enumerate(HREFS)).get(number + 1)}
        found = dict(re.findall(r"\*\*(Back|Next):\*\* \[[^\]]*\]\(([^)]*)\)", line))
        assert found == {name: href for name, href in wanted.items() if href}


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_links_and_pictures_of_the_pages_resolve(name):
    assert "OWNER" not in (ROOT / name).read_text()  # no dead link before `make address`
    for picture, text, target in LINK.findall((ROOT / name).read_text()):
        assert len(text) > (30 if picture else 0), target
        assert target.startswith("https://") or (ROOT / target.split("#")[0]).exists(), target
