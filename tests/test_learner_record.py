"""The learner's record: where it is, what is noted, what is shown of it."""

from __future__ import annotations

import json
import re

import nbformat
import pytest
from answers import label
from test_notebooks import NOTEBOOKS, texts

from exercises import check_ttl
from exercises.learner_record import EXERCISES, forget_progress, note, progress_file, raise_hand, show_progress
from helpers.pricing import Fleet


@pytest.fixture(autouse=True)
def file(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "progress.jsonl"))
    return progress_file()


def row(exercise: str) -> tuple:
    (found,) = [row for row in show_progress().rows if row[1] == EXERCISES[exercise][1]]
    return found[2:]


def test_the_list_is_that_of_the_notebooks():
    said = []
    for path in NOTEBOOKS:
        tasks = re.findall(r"^## Exercise: (.*)$", texts(nbformat.read(path, as_version=4)), re.M)
        said += [(label(path), task) for task in tasks]
    assert said == list(EXERCISES.values())


def test_each_check_is_noted_and_solved_stays_solved():
    fleet = Fleet(requests_per_second=600, processes=300, lifetime=86_400, way="a cache with a fixed TTL")
    for ttl, expected in ((None, ("not yet", "1")), (33, ("✓ solved", "2")), (None, ("✓ solved", "3"))):
        check_ttl(ttl, fleet, most_dollars=2)
        assert row("ttl") == expected
    assert show_progress().caption.startswith(f"1 of {len(EXERCISES)} exercises solved. Next: 00")


def test_it_can_be_forgotten_and_odd_lines_are_passed_over(file):
    note(exercise="mail", solved=True)
    with file.open("a") as more:
        more.write('{"exercise": "one-read", "sol\n[]\n{"exercise": "of another version", "solved": true}\n')
    note(exercise="one-read", solved=True)
    assert row("mail")[0] == row("one-read")[0] == "✓ solved"
    forget_progress()
    forget_progress()
    assert not file.exists() and show_progress().caption.startswith("0 of ")


def test_it_belongs_to_the_working_copy_and_outside_of_one_nothing_is_noted(tmp_path, monkeypatch):
    monkeypatch.delenv("TUTORIAL_PROGRESS")
    deeper = tmp_path / "work" / "deeper"
    deeper.mkdir(parents=True)
    monkeypatch.chdir(deeper)
    assert not note(exercise="mail", solved=True) and not [path for path in tmp_path.rglob("*") if path.is_file()]
    (tmp_path / "work" / ".working_copy.json").touch()
    assert note(exercise="mail", solved=True)
    assert progress_file() == tmp_path / "work" / ".progress.jsonl" and row("mail")[0] == "✓ solved"


def test_a_record_that_cannot_be_written_disturbs_no_one(tmp_path, monkeypatch):
    monkeypatch.setenv("TUTORIAL_PROGRESS", str(tmp_path / "no folder" / "progress.jsonl"))
    assert not note(exercise="mail", solved=True)
    assert show_progress().caption.startswith("0 of ")


def test_a_raised_hand_is_a_line_that_is_no_check(file, monkeypatch):
    assert "No teacher sees a hand here" in repr(raise_hand())
    monkeypatch.setenv("JUPYTERHUB_USER", "anna")
    note(exercise="ledger", solved=True)
    assert "Your hand is up" in repr(raise_hand()) and "down" in repr(raise_hand(False))
    assert [json.loads(line).get("hand") for line in file.read_text().splitlines()] == [None, True, False]
    assert row("ledger") == ("✓ solved", "1")


def test_a_line_that_was_cut_off_costs_no_other_and_what_cant_be_read_is_no_error(file):
    file.write_bytes(b'{"exercise": "mail", "solv')
    note(exercise="ttl", solved=True)
    assert row("ttl") == ("✓ solved", "1")
    file.write_bytes(b"\xff\xfe")
    assert row("ttl") == ("", "–")
