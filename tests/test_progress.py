"""The learner's file: what is noted, what is shown of it, and that nothing in it can disturb."""

from __future__ import annotations

import re

import nbformat
import pytest
from test_notebooks import NOTEBOOKS, texts

from helpers import progress
from helpers.exercises import check_ttl
from helpers.pricing import Fleet
from helpers.progress import EXERCISES, forget_progress, note_attempt, progress_file, show_progress


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "deep" / "progress.jsonl"))
    return progress_file()


def row(number: str) -> tuple:
    _, task = EXERCISES[number]
    (found,) = [row for row in show_progress().rows if row[1] == task]
    return found[2:]


def test_the_list_is_that_of_the_notebooks():
    said = {}
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        tasks = re.findall(r"^## Exercise: (.*)$", texts(notebook), re.M)
        said |= {path.stem[:2] + "b" * number: (title, task) for number, task in enumerate(tasks)}
    assert said == EXERCISES


def test_a_check_is_noted(file):
    fleet = Fleet(
        requests_per_second=1, processes=1, lifetime=86_400, way="a cache with a fixed TTL"
    )
    check_ttl(None, fleet, most_dollars=5, most_stale=900)
    assert row("06")[:2] == ("not yet", "1")
    assert check_ttl(900, fleet, most_dollars=5, most_stale=900).mood == "good"
    assert row("06")[:2] == ("✓ solved", "2")
    assert show_progress().caption.startswith(f"1 of {len(EXERCISES)} exercises solved. Next: 00")


def test_solved_stays_solved_and_the_end_is_said():
    for number in EXERCISES:
        note_attempt(number, solved=True)
    note_attempt("03", solved=False)
    assert row("03")[0] == "✓ solved"
    assert show_progress().caption == (
        f"{len(EXERCISES)} of {len(EXERCISES)} exercises solved. That is all of them."
    )


def test_minutes_are_those_of_each_kernel_until_its_last_check(monkeypatch):
    import psutil

    for began, at in ((0, 60), (0, 300), (1_000, 1_120)):
        monkeypatch.setattr(psutil.Process, "create_time", lambda self, began=began: began)
        monkeypatch.setattr(progress.time, "time", lambda at=at: at)
        note_attempt("04", solved=False)
    assert row("04") == ("not yet", "3", "7")


def test_it_can_be_forgotten(file):
    note_attempt("01", solved=True)
    assert file.exists()
    forget_progress()
    forget_progress()
    assert not file.exists() and show_progress().caption.startswith("0 of ")


def test_lines_that_are_none_are_passed_over(file):
    note_attempt("01", solved=True)
    with file.open("a") as more:
        more.write('{"exercise": "02", "sol\n[]\n{"another": "version"}\n')
    note_attempt("02", solved=True)
    assert row("01")[0] == row("02")[0] == "✓ solved"


def test_a_file_that_cannot_be_written_disturbs_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    note_attempt("01", solved=True)
    assert show_progress().caption.startswith("0 of ")


def test_without_a_setting_it_lies_in_jupyter_s_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TUTORIAL_PROGRESS")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert progress_file() == tmp_path / "momento-secrets-tutorial" / "progress.jsonl"
