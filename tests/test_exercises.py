"""The checks of the exercises: right answers of several styles pass, wrong ones get a hint that fits, and cheats leave no trace.

The answers are in right_answers/ and wrong_answers/, in the words of the notebooks; what any function can do wrong is here.
They run without a kernel, with the cells of the exercise as its notebook has them; those to "service" in test_service_review.py.
"""

from __future__ import annotations

import ast
import os
import sys
import threading
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest
from answers import (
    IN_A_KERNEL,
    NOTEBOOKS,
    RIGHT_ANSWERS,
    WRONG_ANSWERS,
    Exercise,
    exercises_of,
    right_answers,
    wrong_answers,
)
from names import SECRET_NAME

from drills import learner_code
from drills.learner_code import secrets_now
from exercises import go_live, reveal, survive_failures
from exercises.learner_record import EXERCISES
from helpers.cloud import Cloud, connect

CELLS: dict[str, Exercise] = {}
for path in sorted(NOTEBOOKS.glob("*.ipynb")):
    CELLS |= exercises_of(nbformat.read(path, as_version=4), path.stem[:2])

# What a learner makes in them, and what a check calls: the thing itself, or what the thing makes.
FUNCTIONS = {
    "stored": "read_token",
    "one-read": "handle",
    "one-call": "make_reader",
    "three-clients": "handle",
    "proof": "is_just_right",
    "revoked": "make_service",
    "roll-back": "roll_back",
    "denial": "may_serve_old_copy",
    "ours": "find_ours",
}
FACTORIES = {"one-call", "revoked"}
WITH_IAM = {"policy", "proof"}

# What any function can do wrong: the hint that it must get, and the body of the function.
ANY_FUNCTION = {
    "tried to end the process": "os._exit(0)",
    "tried to end the process ": "os.kill(os.getpid(), 9)",
    "tried to end the process  ": "try: os.abort()\n    except BaseException: return 1",
    "raised SystemExit": "sys.exit(0)",
    "raised KeyboardInterrupt": "raise KeyboardInterrupt",
    "raised BaseException": "raise BaseException('cheat')",
    "raised RuntimeError": "raise RuntimeError('cheat')",
    "not come back within 0.5 s": "threading.Event().wait()",
    "not come back within 0.5 s ": "while True: pass",
    "not come back within 0.5 s  ": "while True:\n        try: time.sleep(0.01)\n        except BaseException: pass",
}  # fmt: skip

SETUP = (Path(__file__).parent / "exercise_setup.py").read_text()


@pytest.fixture(scope="class")
def connected(request) -> Iterator[Cloud]:
    before = dict(os.environ)
    cloud = connect(request.cls.engine)
    cloud.ensure_secret(SECRET_NAME)
    cloud.ensure_secret("tutorial/database-password")
    yield cloud
    cloud.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def ask(connected, name, monkeypatch, tmp_path):
    """A function that gives an answer to an exercise and returns what its check says."""
    cloud = connected
    if name == "denial":  # what the lab raises is the same each time, and takes seconds
        raised = _once(survive_failures.errors_of_boto3)(cloud)
        monkeypatch.setattr(survive_failures, "errors_of_boto3", lambda cloud: raised)
    many = go_live.MANY

    def answer(source: str) -> str:
        # AWS's pages need more than a hundred secrets; all other answers to "ours" need a few
        monkeypatch.setattr(go_live, "MANY", many if "ask: many pages" in source else 3)
        space = {**_space(cloud), "a_module": _a_module(tmp_path)}
        sys.modules["tools"] = types.SimpleNamespace(**space)  # type: ignore[assignment]
        if name == "ledger":  # another `cached` than that of 03
            space["cached"] = space["cached_page"]
        if name == "mail":
            space["received"] = f'  "{cloud.issue_api_key()}"\n'
            space["client"].delete_secret(SecretId="tutorial/exercise", ForceDeleteWithoutRecovery=True)
        exec(compile(source, f"<answer to {name}>", "exec"), space)
        before, key = secrets_now(), space["current_token"]()
        check = ast.parse(CELLS[name].check)
        said = check.body.pop()
        exec(compile(check, "check", "exec"), space)
        note = repr(eval(compile(ast.Expression(said.value), "check", "eval"), space))
        assert secrets_now() == before, f"{source}\nleft another secret behind"
        assert cloud.accepts_api_key(key)
        return note

    return answer


@lru_cache(maxsize=1)
def _space(cloud: Cloud) -> dict:
    """What the cells before an exercise have defined."""
    space = {"cloud": cloud, "__name__": "__main__"}
    exec(compile(SETUP, "setup", "exec"), space)
    return space


_LAB: list = []


def _once(errors_of_boto3):
    def raised(cloud):
        if not _LAB:
            _LAB.append(errors_of_boto3(cloud))
        return _LAB[0]

    return raised


def _a_module(folder: Path):
    def make(source: str) -> types.ModuleType:
        file = folder / "a_service.py"
        file.write_text(f"import tools\n{source}")
        module = types.ModuleType("a_service")
        module.__file__ = str(file)
        return module

    return make


def test_each_exercise_has_cheats_and_right_answers():
    assert {path.stem for path in WRONG_ANSWERS.glob("*.py")} == set(EXERCISES) == set(CELLS)
    assert {path.stem for path in RIGHT_ANSWERS.glob("*.py")} == set(EXERCISES) - IN_A_KERNEL
    for name in set(EXERCISES) - IN_A_KERNEL:
        assert len({answer for _, answer in wrong_answers(name)}) >= 3, name
        assert len({answer for _, answer in right_answers(name)}) >= 2, name


def functions(test):
    """Of exercises whose answer is a function."""
    test.functions = True
    return test


def pytest_generate_tests(metafunc) -> None:
    if "name" in metafunc.fixturenames:
        names = metafunc.cls.names
        if hasattr(metafunc.function, "functions"):
            names = [name for name in names if name in FUNCTIONS]
        metafunc.parametrize("name", names)


class Checks:
    def test_right_answers_pass(self, name, ask):
        for what, answer in [("the solution", CELLS[name].solution), *right_answers(name)]:
            said = ask(answer)
            assert "Solved." in said, f"{what}: {said}"

    def test_wrong_answers_get_the_hint_that_fits(self, name, ask):
        answers = [("Not yet.", CELLS[name].blank), *wrong_answers(name)]
        asked = [(answer, hint, ask(answer)) for hint, answer in answers]
        assert not _misjudged(asked)

    @functions
    @pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.again) for part in (1, 2))])
    def test_no_function_ends_or_hangs_the_kernel(self, name, ask, monkeypatch, part):
        function, asked = FUNCTIONS[name], []
        # A third of them in each `make test`, one to end, one to raise and one to hang; the others by `make again`.
        place = list(FUNCTIONS).index(name) + part
        for hint, body in list(ANY_FUNCTION.items())[place % 3 :: 3]:
            if "within" in hint:
                monkeypatch.setattr(learner_code, "SECONDS", 0.5)
            answer = _defined(name, f"def {function}(*_):\n    {body}\n")
            asked.append((answer, hint, ask(answer)))
        assert not _misjudged(asked)

    @functions
    def test_what_has_not_run_is_said(self, name, ask):
        function = FUNCTIONS[name]
        asynchronous = ask(_defined(name, f"async def {function}(*_):\n    return 1\n"))
        assert "coroutine" in asynchronous or "handed on" in asynchronous
        if name != "ours":  # which may be one
            assert "generator" in ask(_defined(name, f"def {function}(*_):\n    yield 1\n"))
        for nothing in ("None", "3", "'a text'", "[]"):
            assert "is no function" in ask(f"{function} = {nothing}")

    @functions
    def test_who_prints_the_token_or_deletes_secrets_has_not_solved_it(self, name, ask, capsys):
        read = "sm.get_secret_value(SecretId=SECRET_NAME)['SecretString']"
        said = ask(_also(name, f"print({read}, file=random.choice([sys.stdout, sys.stderr]))"))
        assert "printed a token" in said, said
        printed = capsys.readouterr()
        assert "eyJ" not in printed.out + printed.err and "<hidden>" in printed.out + printed.err
        for how in ("ForceDeleteWithoutRecovery=True", "RecoveryWindowInDays=7"):
            for whose in ("SECRET_NAME", "OTHER_NAME"):
                gone = f"with suppress(Exception): sm.delete_secret(SecretId={whose}, {how})"
                said = ask(_also(name, gone, after=True))
                # A service may be right until its secret goes: what it holds is its own.
                assert "Not yet." in said or (name, whose) in [("revoked", "OTHER_NAME")], (
                    gone,
                    said,
                )


WITHOUT_IAM = [name for name in EXERCISES if name not in {*WITH_IAM, *IN_A_KERNEL, "service"}]
CORE = ["00", "01", "02", "03", "04", "05"]


@pytest.mark.slow
class TestChecksOfTheCore(Checks):
    engine = "moto"
    names = [name for name in WITHOUT_IAM if EXERCISES[name][0][:2] in CORE]


@pytest.mark.slow
class TestChecksForProduction(Checks):
    engine = "moto"
    names = [name for name in WITHOUT_IAM if EXERCISES[name][0][:2] not in CORE]


@pytest.mark.slow
class TestChecksThatNeedIam(Checks):
    engine = "ministack"
    names = sorted(WITH_IAM)


def _misjudged(asked: list[tuple[str, str, str]]) -> str:
    """Of answers, the hints that they must get and what was said: those for which something else was said."""
    return "\n".join(
        f"{answer}should have got {hint!r}, got:\n{said}"
        for answer, hint, said in asked
        if "Not yet." not in said or hint.strip() not in said
    )


def _defined(name: str, function: str) -> str:
    """The function as it is asked for: what is called, or, where that is to make one, what it makes."""
    if name not in FACTORIES:
        return function
    made = function.replace(f"def {FUNCTIONS[name]}(", "def made(")
    inner = "".join(f"    {line}\n" for line in made.splitlines())
    return f"def {FUNCTIONS[name]}():\n{inner}    return made\n"


def _also(name: str, what: str, after: bool = False) -> str:
    """The solution, which also does this whenever its function is called."""
    function = FUNCTIONS[name]
    first, last = ("pass", what) if after else (what, "pass")
    wrapped = f"def wrap(right):\n    def also(*a):\n        {first}\n        done = right(*a)\n        {last}\n        return done\n    return also\n"
    if name in FACTORIES:
        return f"{CELLS[name].solution}\n{wrapped}\nof = {function}\n{function} = lambda: wrap(of())\n"
    return f"{CELLS[name].solution}\n{wrapped}\n{function} = wrap({function})\n"


def test_what_was_left_behind_closes_no_door_to_others():
    """Of a run that was given up its own threads stay shut in; whoever comes after may end processes."""
    opened = threading.Event()
    assert learner_code.run(opened.wait, seconds=0.05).hung
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(os.kill, os.getpid(), 0).result() is None
    opened.set()


# Guesses


@pytest.mark.parametrize("guess", ["many", -1, None, True, [1]])
def test_a_guess_that_is_no_number_is_told_so(guess):
    assert "should be a number" in repr(reveal(guess, 100, "calls"))


def test_a_guess_is_set_beside_the_count():
    assert "and so does the ledger: 100 calls" in repr(reveal(100, 100, "calls"))
    assert "You said 3; the ledger counted 100 calls." in repr(reveal(3, 100, "calls"))
