"""Corrected notebooks reach those who have begun, and cost no learner a cell; files are handled with the learner's rights."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from class_files import fresh, give, merge, push
from class_hub import ROOT, class_folder, needs_root, walls
from class_push import LATER, _name_cells, change_files, make_template
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_notebook

NOTEBOOK = "work/a.ipynb"


def cells(**sources: str) -> list:
    return [new_code_cell(source, id=name) for name, source in sources.items()]


def texts(merged: list) -> list[str]:
    return [cell.source for cell in merged]


def test_a_correction_reaches_a_cell_that_was_run():
    base, new = cells(a="wrong", b="x"), cells(a="right", b="x")
    mine = cells(a="wrong", b="x")
    mine[0].outputs, mine[0].execution_count = [nbformat.v4.new_output("stream", text="it ran")], 3
    assert texts(merge(base, mine, new)) == ["right", "x"]
    assert not merge(base, mine, new)[0].outputs


def test_what_a_learner_wrote_and_made_stays():
    base, new = cells(a="a", b="____", c="c"), cells(a="A", b="____", c="c", d="d")
    mine = cells(top="my first", a="a", own="my own", b="my answer", end="my last")  # c was thrown away
    assert texts(merge(base, mine, new)) == ["my first", "A", "my own", "my answer", "my last", "d"]


def test_where_both_have_changed_a_cell_the_learners_stands_below():
    merged = merge(cells(a="____"), cells(a="my answer"), cells(a="____  # as a number"))
    assert texts(merged) == ["____  # as a number", "my answer"]
    assert len({cell.id for cell in merged}) == 2


def test_a_cell_that_the_teacher_removed_goes_unless_the_learner_changed_it():
    base, new = cells(a="a", b="b", c="c"), cells(a="a")
    assert texts(merge(base, cells(a="a", b="b", c="mine"), new)) == ["a", "mine"]


NAMES = st.lists(st.sampled_from("abcdef"), unique=True)


@settings(max_examples=200, deadline=None)
@given(NAMES, NAMES, NAMES, st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_no_line_of_a_learner_and_no_correction_is_ever_lost(was, mine, new, edited, corrected):
    def version(names, changed, how):
        return cells(**{name: f"{name} {how if name in changed else 'given'}" for name in names})

    base = version(was, (), "")
    own, ours = version(mine, edited, "by the learner"), version(new, corrected, "corrected")
    merged = merge(base, own, ours)
    assert len({cell.id for cell in merged}) == len(merged)
    said = texts(merged)
    for cell in own:
        assert "by the learner" not in cell.source or cell.source in said
    for cell in ours:
        assert "corrected" not in cell.source or cell.source in said
    assert merge(ours, merged, ours) == merged  # a second push changes nothing


@pytest.fixture
def begun(tmp_path) -> tuple[Path, Path]:
    template, home = tmp_path / "template", tmp_path / "home"
    (template / "work").mkdir(parents=True)
    (template / "helpers").mkdir()
    home.mkdir()
    nbformat.write(new_notebook(cells=cells(a="wrong")), template / NOTEBOOK)
    (template / "helpers" / "x.py").write_text("wrong")
    give(template, home)
    return template, home


def correct(template: Path) -> None:
    nbformat.write(new_notebook(cells=cells(a="right")), template / NOTEBOOK)
    (template / "helpers" / "x.py").write_text("right")


def test_what_nobody_touched_is_replaced_and_a_changed_file_has_the_corrected_one_beside_it(begun):
    template, home = begun
    (home / "helpers" / "x.py").write_text("mine")
    correct(template)
    push(template, home)
    assert texts(nbformat.read(home / NOTEBOOK, 4).cells) == ["right"]
    assert (home / "helpers" / "x.py").read_text() == "mine"
    assert (home / "helpers" / "x (corrected).py").read_text() == "right"


def test_a_notebook_that_is_none_any_more_is_kept_beside_the_corrected_one(begun):
    template, home = begun
    (home / NOTEBOOK).write_text("{")
    correct(template)
    push(template, home)
    assert texts(nbformat.read(home / NOTEBOOK, 4).cells) == ["right"]
    assert (home / "work" / "a (mine).ipynb").read_text() == "{"


def test_a_fresh_copy_keeps_the_old_one(begun):
    template, home = begun
    (home / NOTEBOOK).write_text("a mess")
    fresh(template, home)
    assert texts(nbformat.read(home / NOTEBOOK, 4).cells) == ["wrong"]
    (old,) = home.glob("work until *")
    assert (old / "a.ipynb").read_text() == "a mess"


@pytest.mark.slow
def test_solutions_come_when_the_teacher_releases_them():
    with class_folder() as place:
        for released in (False, True):
            if released:
                place.solutions.touch()
            make_template(place)
            for path in (place.template / "work").glob("*.ipynb"):
                notebook = nbformat.read(path, 4)
                text = "\n".join(texts(notebook.cells))
                theirs = "\n".join(texts(nbformat.read(ROOT / "notebooks" / path.name, 4).cells))
                assert text.count("<summary>Solution</summary>") == released * theirs.count(
                    "<summary>Solution</summary>"
                )
                assert (LATER in text) == (not released)
                assert not [cell for cell in notebook.cells if cell.get("outputs")]


def test_cells_without_an_id_get_the_same_one_each_time(tmp_path):
    names = []
    for _ in range(2):
        path = tmp_path / "a.ipynb"
        cell = {"cell_type": "markdown", "metadata": {}, "source": ["the same text"]}
        path.write_text(json.dumps({"cells": [cell, cell], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
        _name_cells(path)
        names.append([one.id for one in nbformat.read(path, 4).cells])
    assert names[0] == names[1] and len(set(names[0])) == 2


@pytest.mark.slow
@needs_root
def test_a_learners_links_lead_the_teachers_push_nowhere():
    """The hub is root; what it writes for a learner, it writes with the learner's rights."""
    with class_folder() as place:
        make_template(place)
        assert change_files("give", place, "mallory") == ""
        home, target = place.learners / "mallory", place.hub / "target"
        target.mkdir()
        one = walls.account("mallory", place.learners)
        os.rename(home / "work", home / "away")
        os.symlink(target, home / "work")
        os.lchown(home / "work", one.pw_uid, one.pw_gid)
        path = place.template / "work" / "MAP.md"
        path.write_text("corrected")
        assert "PermissionError" in change_files("push", place, "mallory")
        assert list(target.iterdir()) == []
        os.unlink(home / "work")
        os.mkfifo(home / "work")
        assert change_files("push", place, "mallory") != ""
        assert change_files("fresh", place, "mallory") == ""
        with (home / "work" / "00_start_here.ipynb").open("wb") as file:
            file.truncate(10**9)
        (place.template / "work" / "00_start_here.ipynb").write_text("{}")
        assert "MemoryError" in change_files("push", place, "mallory")
        assert (home / "work" / "MAP.md").stat().st_uid == one.pw_uid


def test_a_learner_called_like_a_path_has_no_fresh_copy(monkeypatch):
    import class_push

    with class_folder() as place:
        place.template.mkdir()
        monkeypatch.setenv("CLASS_FOLDER", str(place.folder))
        for name in ("..", "nobody", "../learners"):
            monkeypatch.setenv("FRESH", name)
            with pytest.raises(SystemExit, match="has begun"):
                class_push.main()
