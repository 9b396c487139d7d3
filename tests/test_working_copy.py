"""A learner works in a copy without outputs, which follows the collection and keeps what the learner did."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
import working_copy
from nbformat.v4 import new_code_cell, new_notebook, new_output

NAME = "03_cache.ipynb"


def write(path: Path, *sources: str, ran: bool = False) -> None:
    output = [new_output("stream", text="42 calls\n")] if ran else []
    cells = [new_code_cell(source, id=f"c{n}", outputs=output) for n, source in enumerate(sources)]
    nbformat.write(new_notebook(cells=cells), path)


def sources(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, as_version=4).cells]


@pytest.fixture
def work(tmp_path, monkeypatch) -> Path:
    """A copy that was made of a collection of one notebook, a file and a picture."""
    notebooks = tmp_path / "notebooks"
    (notebooks / "images").mkdir(parents=True)
    (notebooks / "images/path.svg").write_text("<svg/>")
    (notebooks / "visits.py").write_text("first")
    write(notebooks / NAME, "guess = ...", "count()", ran=True)
    monkeypatch.setattr(working_copy, "NOTEBOOKS", notebooks)
    working_copy.update(tmp_path / "work")
    return tmp_path / "work"


def correct(work: Path) -> None:
    write(work.parent / "notebooks" / NAME, "guess = ...", "count_better()", ran=True)
    (work.parent / "notebooks/visits.py").write_text("second")


def test_the_copy_has_no_outputs_and_everything_beside_the_notebooks(work):
    assert "42 calls" not in (work / NAME).read_text()
    assert sources(work / NAME) == ["guess = ...", "count()"]
    assert (work / "visits.py").read_text() == "first" and (work / "images/path.svg").exists()


def test_what_was_only_run_follows_the_collection(work, capsys):
    write(work / NAME, "guess = ...", "count()", "", ran=True)  # JupyterLab adds the empty cell
    working_copy.update(work)
    assert "42 calls" in (work / NAME).read_text()  # nothing new: the learner's outputs stay
    correct(work)
    working_copy.update(work)
    assert sources(work / NAME) == ["guess = ...", "count_better()"]
    assert (work / "visits.py").read_text() == "second"
    assert capsys.readouterr().out == ""


def test_what_the_learner_changed_or_made_stays_and_a_newer_version_is_announced(work, capsys):
    write(work / NAME, "guess = 7", "count()")
    (work / "mine.py").write_text("mine")
    working_copy.update(work)
    assert capsys.readouterr().out == ""
    correct(work)
    for _ in range(2):
        working_copy.update(work)
        assert f"newer version; to get it: make fresh NOTEBOOK={NAME}" in capsys.readouterr().out
    assert sources(work / NAME)[0] == "guess = 7" and (work / "mine.py").read_text() == "mine"


def test_what_the_collection_drops_goes_unless_the_learner_changed_it(work):
    (work / "visits.py").write_text("mine")
    for name in ("visits.py", NAME):
        (work.parent / "notebooks" / name).unlink()
    working_copy.update(work)
    assert (work / "visits.py").exists() and not (work / NAME).exists()


def test_a_copy_that_was_half_made_is_completed(work):
    for name in (NAME, working_copy.WRITTEN):
        (work / name).unlink()
    correct(work)
    (work / "visits.py").write_text("second")
    working_copy.update(work)
    assert sources(work / NAME)[1] == "count_better()"
    assert set(json.loads((work / working_copy.WRITTEN).read_text())) == {NAME, "visits.py", "images/path.svg"}


@pytest.mark.parametrize("start", ["03", NAME])
def test_a_fresh_notebook_keeps_the_learners_beside_it(work, start):
    for guess in ("7", "8"):
        write(work / NAME, f"guess = {guess}")
        working_copy.fresh(start, work)
    assert sources(work / NAME)[0] == "guess = ..."
    assert [sources(work / f"03_cache (mine{n}).ipynb")[0] for n in ("", " 2")] == ["guess = 7", "guess = 8"]
    for slip in ("", "0", "99", "03 04"):
        with pytest.raises(SystemExit, match="Give its number"):
            working_copy.fresh(slip, work)


def test_a_fresh_copy_keeps_the_old_one_under_its_date_and_the_record(work):
    write(work / NAME, "a mess")
    (work / working_copy.RECORD).write_text("solved")
    working_copy.fresh("all", work)
    (old,) = work.parent.glob("work until *")
    assert sources(old / NAME) == ["a mess"] and sources(work / NAME)[0] == "guess = ..."
    assert (work / working_copy.RECORD).read_text() == "solved"


@pytest.mark.parametrize("written", ["[]", "null", '"x"', "{", ""])
def test_what_cant_be_read_stops_nothing(work, written, capsys):
    (work / working_copy.WRITTEN).write_text(written)
    (work.parent / "notebooks/empty.ipynb").touch()
    write(work / NAME, "mine")
    working_copy.update(work)
    assert sources(work / NAME) == ["mine"] and "empty.ipynb is left out" in capsys.readouterr().out
