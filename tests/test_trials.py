"""The trials: sound services of every shape pass, and each fault of faulty_service.py is found by the trial that it names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as xml
from pathlib import Path

import psutil
import pytest
from answers import right_answers, wrong_answers

from drills import trials
from exercises import check_service
from sandbox.program import NotListening, Program

FOLDER = Path(__file__).parent
FAULTY = FOLDER / "faulty_service.py"
CLASSES = [node for node in ast.parse(FAULTY.read_text()).body if isinstance(node, ast.ClassDef)]
FAULTS = {node.name: said.partition(":")[0] for node in CLASSES if (said := ast.get_docstring(node))}
SHAPES = ("async", "threads", "workers")
SEEN = {
    "start": r"reads|clients",
    "output": r"holds",
    "rotation": r"AUTHENTICATION_ERROR|Increments",
    "denial": r"requests succeeded",
    "outage": r"while Secrets Manager (hangs|fails), .* requests failed",
}
EACH_TIME = {  # the others in `make again`
    *(("workers", "Sound", "rotation"), ("threads", "NoLock", "start"), ("async", "LogsForDebugging", "output")),
    *(("workers", "NeverRepeats", "rotation"), ("threads", "StopsThenGoesOn", "denial")),
    ("async", "StallsInTurn", "outage"),
}
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def cases(faults):
    for fault, trial in faults:
        for shape in SHAPES:
            marks = [] if (shape, fault, trial) in EACH_TIME else [pytest.mark.again]
            if (shape, fault) != ("async", "NoLock"):  # it reads without a pause in which another request could
                yield pytest.param(shape, fault, trial, marks=marks)


@pytest.fixture
def only(monkeypatch):
    """Leave out all other trials."""
    return lambda name: monkeypatch.setattr(trials, "TRIALS", [getattr(trials, name)])


@pytest.mark.parametrize(("shape", "fault", "trial"), [*cases([("Sound", trial.__name__) for trial in trials.TRIALS])])
def test_a_sound_service_passes(cloud, only, shape, fault, trial):
    only(trial)
    (found,) = trials.run_trials(cloud, [sys.executable, str(FAULTY), shape, fault])
    assert not found.seen


@pytest.mark.parametrize(("shape", "fault", "trial"), [*cases(FAULTS.items())])
def test_a_fault_is_found(cloud, only, shape, fault, trial):
    only(trial)
    (found,) = trials.run_trials(cloud, [sys.executable, str(FAULTY), shape, fault])
    assert found.seen and re.search(SEEN[trial], found.seen), found


@pytest.fixture
def said_about(cloud, tmp_path, monkeypatch):
    """Write an answer to the exercise, as its cell does, and return what the check says."""
    monkeypatch.chdir(tmp_path)

    def said_about(answer: str) -> str:
        first, _, program = answer.partition("\n")
        assert first == "%%writefile my_service.py"
        Path("my_service.py").write_text(program)
        return repr(check_service(cloud))

    return said_about


@pytest.mark.again
@pytest.mark.parametrize(("what", "answer"), right_answers("service"))
def test_a_right_answer_passes(said_about, monkeypatch, what, answer):
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parent / "notebooks"))  # for momento_client.py
    said = said_about(answer)
    assert "Solved." in said, said


@pytest.mark.parametrize(("head", "answer"), wrong_answers("service"))
def test_a_wrong_answer_gets_the_finding_that_fits(said_about, only, monkeypatch, head, answer):
    monkeypatch.setattr("sandbox.program.PATIENCE", 5)
    only("start")
    said = said_about(answer)
    assert "Not yet." in said and head in said, said


def test_without_a_file_it_is_told_so(cloud, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "There is no my_service.py here." in repr(check_service(cloud))


def test_nothing_is_left_of_a_program_that_leaves_its_group_and_ignores_signals(cloud):
    leave = "import os, signal; signal.signal(15, signal.SIG_IGN); os.fork() or (os.setsid(), signal.pause())"
    serve = "import http.server, sys; http.server.test(port=int(os.environ['PORT']), bind='127.0.0.1')"
    with Program(cloud, [sys.executable, "-c", f"{leave}\n{serve}"]) as program:
        processes = program.processes()
    assert len(processes) == 2
    assert not psutil.wait_procs(processes, timeout=5)[1]


def test_a_program_that_ends_is_told_by_its_last_line(cloud):
    with pytest.raises(NotListening, match="it ended; it printed last: no such luck"):
        with Program(cloud, ["sh", "-c", "echo no such luck"]):
            pass


def test_findings_reach_ci_by_exit_code_and_file(tmp_path):
    file = tmp_path / "made" / "trials.xml"
    tool = FOLDER.parent / "tools" / "try_service.py"
    done = subprocess.run([sys.executable, tool, "no-such-program", "--junit", file], capture_output=True, text=True)
    assert done.returncode == 1 and "✗ it ended; it printed last: FileNotFoundError" in done.stderr
    suite = xml.parse(file).getroot()
    assert suite.get("failures") == "5" and "no-such-program" in suite[0][0].get("message")
