"""The teacher's board: what it shows of files that learners write."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import pytest

pytest.importorskip("jupyterhub", reason="the hub is not installed: `make test` does it")
import board

from exercises import learner_record

NOW = 1_795_000_000.0


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """The board's clock stands still: minutes are the same on a machine that is busy."""
    monkeypatch.setattr(board, "time", SimpleNamespace(time=lambda: NOW))


def line(exercise: str, solved: bool, minutes_ago: float) -> str:
    return json.dumps({"exercise": exercise, "solved": solved, "at": NOW - 60 * minutes_ago, "kernel": 1.0})


def test_it_knows_the_exercises_of_the_notebooks():
    assert board.exercises() == learner_record.EXERCISES


def test_each_exercise_has_a_column_under_the_number_of_its_notebook():
    labels = [label for _, label, _ in board.COLUMNS]
    assert labels[:3] == ["00", "01", "01b"] and len(set(labels)) == len(board.EXERCISES)


@pytest.fixture
def at_once(monkeypatch):
    """On a loaded machine minutes pass between the loading of this file and a test."""
    monkeypatch.setattr(board.time, "time", lambda: NOW)


def test_it_shows_what_is_solved_what_fails_and_how_long_nothing_was(at_once):
    text = "\n".join(
        [
            line("ledger", False, 40),
            line("ledger", True, 30),
            line("mail", False, 9),
            line("mail", False, 2),
        ]
    )
    seen = board.progress(text, started=NOW - 3600)
    assert (seen["solved"], seen["failed"], seen["current"]) == (
        ["ledger"],
        {"ledger": 1, "mail": 2},
        "mail",
    )
    assert (seen["idle"], seen["hand"]) == (30, None)
    assert board.progress("", started=NOW - 600)["idle"] == 10
    assert board.progress(text, started=None)["idle"] is None


def test_a_hand_is_up_until_it_is_lowered_by_either(at_once):
    up = json.dumps({"hand": True, "at": NOW - 120})
    down = json.dumps({"hand": False, "at": NOW - 60})
    assert board.progress(up, NOW)["hand"] == 2
    assert board.progress(f"{up}\n{down}", NOW)["hand"] is None
    assert board.progress(up, NOW, helped=NOW - 30)["hand"] is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[]",
        "null",
        "[" * 5000,
        "\0\0",
        "<img src=x onerror=alert()>",
        '{"exercise": ["ledger"], "solved": true, "at": 1}',
        '{"exercise": "of no notebook", "solved": true, "at": 1}',
        '{"exercise": "ledger", "solved": 1, "at": 1}',
        '{"exercise": "ledger", "solved": true, "at": NaN}',
        '{"exercise": "ledger", "solved": true, "at": 9e99}',
        '{"exercise": "ledger", "solved": true, "at": {}}',
        '{"hand": "<b>", "at": 1}',
    ],
)
def test_a_line_that_no_check_wrote_is_passed_over(text):
    seen = board.progress(f"{text}\n{line('ledger', True, 1)}", NOW)
    assert (seen["solved"], seen["hand"]) == (["ledger"], None)


def test_a_file_that_is_a_link_a_pipe_a_folder_huge_or_of_another_is_not_read(tmp_path):
    record = tmp_path / ".progress.jsonl"
    assert board.read_record(tmp_path) == ("", "")
    record.symlink_to("/etc/passwd")
    assert board.read_record(tmp_path) == ("", "the progress file is a link, or can't be read")
    record.unlink()
    os.mkfifo(record)
    assert board.read_record(tmp_path)[1] == "the progress file is no file of theirs"
    record.unlink()
    record.mkdir()
    assert board.read_record(tmp_path)[1] == "the progress file is no file of theirs"
    record.rmdir()
    with record.open("wb") as file:
        file.truncate(5 * 10**9)
    assert board.read_record(tmp_path) == ("", "the progress file is too large: 5,000.0 MB")
    record.write_bytes(b"\xff\xfe" + line("ledger", True, 1).encode())
    assert "ledger" in board.read_record(tmp_path)[0]
    if os.geteuid() == 0:
        os.chown(record, 65534, 65534)
        assert board.read_record(tmp_path)[1] == "the progress file is no file of theirs"


def test_fifty_learners_are_a_small_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(board, "PLACE", SimpleNamespace(learners=tmp_path))
    monkeypatch.setattr(board, "RECORDS", board.Cached())
    server = {"ready": True, "started": "2026-11-25T09:00:00Z"}
    text = "\n".join(line(number, True, 5) for number in board.EXERCISES)
    users = []
    for number in range(50):
        (tmp_path / f"learner-{number}").mkdir()
        (tmp_path / f"learner-{number}" / ".progress.jsonl").write_text(text)
        users.append({"name": f"learner-{number}", "servers": {"": server}})
    rows = [board.row(user, {}) for user in users]
    assert all(len(one["solved"]) == len(board.EXERCISES) for one in rows)
    assert len(json.dumps(rows)) < 30_000  # bytes, each few seconds
