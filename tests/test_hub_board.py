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


def test_it_shows_what_is_solved_what_fails_how_long_nothing_was_and_who_raises_a_hand():
    checks = [("ledger", False, 40), ("ledger", True, 30), ("mail", False, 9), ("mail", False, 2)]
    text = "\n".join(line(*check) for check in checks)
    seen = board.progress(text, started=NOW - 3600)
    assert (seen["solved"], seen["failed"], seen["current"]) == (["ledger"], {"ledger": 1, "mail": 2}, "mail")
    assert (seen["idle"], seen["hand"]) == (30, None)
    assert board.progress("", started=NOW - 600)["idle"] == 10
    up, down = json.dumps({"hand": True, "at": NOW - 120}), json.dumps({"hand": False, "at": NOW - 60})
    assert board.progress(up, NOW)["hand"] == 2
    assert board.progress(f"{up}\n{down}", NOW)["hand"] is board.progress(up, NOW, helped=NOW - 30)["hand"] is None


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "[" * 5000,
        "<img src=x onerror=alert()>",
        '{"exercise": ["ledger"], "solved": true, "at": 1}',
        '{"exercise": "of no notebook", "solved": true, "at": 1}',
        '{"exercise": "ledger", "solved": true, "at": NaN}',
        '{"hand": "<b>", "at": 1}',
    ],
)
def test_a_line_that_no_check_wrote_is_passed_over(text):
    seen = board.progress(f"{text}\n{line('ledger', True, 1)}", NOW)
    assert (seen["solved"], seen["hand"]) == (["ledger"], None)


def test_a_file_that_is_a_link_a_pipe_or_huge_is_not_read(tmp_path):
    record = tmp_path / ".progress.jsonl"
    assert board.read_record(tmp_path) == ("", "")
    record.symlink_to("/etc/passwd")
    assert board.read_record(tmp_path) == ("", "the progress file is a link, or can't be read")
    record.unlink()
    os.mkfifo(record)
    assert board.read_record(tmp_path)[1] == "the progress file is no file of theirs"
    record.unlink()
    with record.open("wb") as file:
        file.truncate(5 * 10**9)
    assert board.read_record(tmp_path) == ("", "the progress file is too large: 5,000.0 MB")
    record.write_bytes(b"\xff\xfe" + line("ledger", True, 1).encode())
    assert "ledger" in board.read_record(tmp_path)[0]
