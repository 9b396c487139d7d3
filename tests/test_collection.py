"""The map and the notebooks name the same titles, minutes and order, and links resolve."""

from __future__ import annotations

import re

import nbformat
import pytest
from answers import label
from minutes import figures
from test_notebooks import FOLDER, LINK, NOTEBOOKS, texts

ROOT = FOLDER.parent
HREFS = [path.relative_to(FOLDER).as_posix() for path in NOTEBOOKS]
IN_ORDER = [path.name for path in NOTEBOOKS if path.parent == FOLDER]


def minutes(path) -> str:
    """Return the minutes that a notebook's first cell names."""
    return re.search(r"\*\*Time:\*\* (\d+) minutes", nbformat.read(path, as_version=4).cells[0].source)[1]


OPENINGS = [(label(path).removeprefix("Deeper: "), minutes(path)) for path in NOTEBOOKS]


def test_the_map_is_right():
    listed = re.findall(r"^- \[(.*?)\]\((.*?)\), (\d+) min$", (FOLDER / "MAP.md").read_text(), re.M)
    assert [(title, minutes) for title, _, minutes in listed] == OPENINGS
    assert [href for _, href, _ in listed] == HREFS


def test_each_takes_the_minutes_that_the_rule_gives_and_the_core_an_hour_and_a_half():
    assert [minutes(path) for path in NOTEBOOKS] == [str(figures(path).minutes) for path in NOTEBOOKS]
    assert sum(figures(path).minutes for path in NOTEBOOKS[:7]) <= 95


def test_each_notebook_leads_to_the_one_before_and_the_one_after():
    for path in NOTEBOOKS:
        line = texts(nbformat.read(path, as_version=4)).strip().splitlines()[-1]
        found = dict(re.findall(r"\*\*(Back|Next):\*\* \[[^\]]*\]\(([^)]*)\)", line))
        if path.parent == FOLDER:
            place = IN_ORDER.index(path.name)
            around = IN_ORDER[place - 1 : place] + IN_ORDER[place + 1 : place + 2]
            assert list(found.values()) == around and len(found) == len(around)
        else:  # to where it comes up
            assert set(found) == {"Back"} and found["Back"].removeprefix("../") in IN_ORDER


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "notebooks/MAP.md", "docs/run_it.md"])
def test_links_and_pictures_of_the_pages_resolve(name):
    assert "OWNER" not in (ROOT / name).read_text()  # no dead link before `make address`
    for picture, text, target in LINK.findall((ROOT / name).read_text()):
        assert len(text) > (30 if picture else 0), target
        assert target.startswith("https://") or ((ROOT / name).parent / target.split("#")[0]).exists(), target
