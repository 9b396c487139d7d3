"""The learner's file: what is noted, what is shown of it, and that nothing in it can disturb."""

from __future__ import annotations

import json
import re

import nbformat
import pytest
from test_notebooks import NOTEBOOKS, texts

from exercises import check_ttl, learner_record
from exercises.learner_record import (
    EXERCISES,
    forget_progress,
    note_attempt,
    progress_file,
    raise_hand,
    show_progress,
)
from helpers.pricing import Fleet


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "deep" / "progress.jsonl"))
    return progress_file()


def row(exercise: str) -> tuple:
    _, task = EXERCISES[exercise]
    (found,) = [row for row in show_progress().rows if row[1] == task]
    return found[2:]


def test_the_list_is_that_of_the_notebooks():
    said = []
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        title = notebook.cells[0].source.splitlines()[0].removeprefix("# ")
        tasks = re.findall(r"^## Exercise: (.*)$", texts(notebook), re.M)
        said += [(f"{path.stem[:2]} {title}", task) for task in tasks]
    assert said == list(EXERCISES.values())


def test_a_check_is_noted(file):
    fleet = Fleet(requests_per_second=1, processes=1, lifetime=86_400, way="a cache with a fixed TTL")
    check_ttl(None, fleet, most_dollars=5, most_stale=900)
    assert row("ttl")[:2] == ("not yet", "1")
    assert check_ttl(900, fleet, most_dollars=5, most_stale=900).mood == "good"
    assert row("ttl")[:2] == ("✓ solved", "2")
    assert show_progress().caption.startswith(f"1 of {len(EXERCISES)} exercises solved. Next: 00")


def test_solved_stays_solved_and_the_end_is_said():
    for exercise in EXERCISES:
        note_attempt(exercise, solved=True)
    note_attempt("one-read", solved=False)
    assert row("one-read")[0] == "✓ solved"
    assert show_progress().caption == (f"{len(EXERCISES)} of {len(EXERCISES)} exercises solved. That is all of them.")


def test_minutes_are_those_of_each_kernel_until_its_last_check(monkeypatch):
    import psutil

    for began, at in ((0, 60), (0, 300), (1_000, 1_120)):
        monkeypatch.setattr(psutil.Process, "create_time", lambda self, began=began: began)
        monkeypatch.setattr(learner_record.time, "time", lambda at=at: at)
        note_attempt("one-call", solved=False)
    assert row("one-call") == ("not yet", "3", "7")


def test_it_can_be_forgotten(file):
    note_attempt("mail", solved=True)
    assert file.exists()
    forget_progress()
    forget_progress()
    assert not file.exists() and show_progress().caption.startswith("0 of ")


def test_lines_that_are_none_are_passed_over(file):
    note_attempt("mail", solved=True)
    with file.open("a") as more:
        more.write('{"exercise": "stored", "sol\n[]\n{"another": "version"}\n')
    note_attempt("stored", solved=True)
    assert row("mail")[0] == row("stored")[0] == "✓ solved"


def test_a_file_that_cannot_be_written_disturbs_nobody(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "file" / "progress.jsonl"))
    note_attempt("mail", solved=True)
    assert show_progress().caption.startswith("0 of ")


def test_without_a_setting_it_lies_in_jupyter_s_data_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("TUTORIAL_PROGRESS")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path))
    assert progress_file() == tmp_path / "momento-secrets-tutorial" / "progress.jsonl"


def test_a_file_from_before_the_notebooks_had_these_numbers_still_counts(file):
    file.parent.mkdir(parents=True)
    line = '{"exercise": "%s", "solved": true, "at": 9, "kernel": 3}\n'
    file.write_text(line % "02b" + line % "03")
    assert row("proof")[0] == row("one-read")[0] == "✓ solved"
    assert row("policy")[0] == ""


def test_a_raised_hand_is_a_line_that_is_no_attempt(file, monkeypatch):
    assert "No teacher sees a hand here" in repr(raise_hand())
    monkeypatch.setenv("JUPYTERHUB_USER", "anna")
    note_attempt("ledger", solved=True)
    assert "Your hand is up" in repr(raise_hand()) and "down" in repr(raise_hand(False))
    assert [json.loads(line).get("hand") for line in file.read_text().splitlines()] == [
        None,
        True,
        False,
    ]
    assert "✓ solved" in row("ledger")
