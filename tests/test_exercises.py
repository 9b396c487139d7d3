"""The checks of the exercises: right answers of several styles pass, the likely slips get the hint that fits.

The answers are in right_answers/ and wrong_answers/, in the words of the notebooks. They are given without a kernel, with
the cells of the exercise as its notebook has them; those to "service" in test_trials.py.
"""

from __future__ import annotations

import ast
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import nbformat
import pytest
from answers import (
    IN_A_KERNEL,
    RIGHT_ANSWERS,
    WRONG_ANSWERS,
    code,
    exercises_of,
    label,
    right_answers,
    wrong_answers,
)
from momento.responses import TopicPublish
from names import SECRET_NAME
from test_notebooks import NOTEBOOKS as ALL

from drills import learner_code
from exercises import go_live, reveal, survive_failures
from exercises.common import current_token, new_key
from exercises.learner_record import EXERCISES
from helpers.cloud import Cloud, connect

BOOKS = {label(path): path for path in ALL}
CELLS = {name: one for path in ALL for name, one in exercises_of(path).items()}
SETUP = (Path(__file__).parent / "exercise_setup.py").read_text()
OTHERS = {*IN_A_KERNEL, "service"}
WITH_IAM = ["policy", "two-readers"]
CORE = [name for name, (notebook, _) in EXERCISES.items() if notebook < "06"]
PRODUCTION = [name for name in EXERCISES if name not in {*CORE, *WITH_IAM, *OTHERS}]


def test_each_exercise_has_wrong_and_right_answers():
    assert {path.stem for path in WRONG_ANSWERS.glob("*.py")} == set(EXERCISES) == set(CELLS)
    assert {path.stem for path in RIGHT_ANSWERS.glob("*.py")} == set(EXERCISES) - IN_A_KERNEL
    for name in set(EXERCISES) - OTHERS:
        assert len(wrong_answers(name)) >= 3 and len(right_answers(name)) >= 2, name


@pytest.fixture(scope="class")
def cloud(request) -> Iterator[Cloud]:
    before = dict(os.environ)
    cloud = connect(getattr(request.cls, "engine", "moto"))
    cloud.ensure_secret(SECRET_NAME)
    cloud.ensure_secret("tutorial/database-password")
    yield cloud
    cloud.close()
    os.environ.clear()
    os.environ.update(before)


@lru_cache
def space_of(cloud: Cloud, notebook: str) -> dict:
    """What the cells before an exercise have defined: of a notebook of this name what costs nothing to run."""
    space = {"cloud": cloud, "__name__": "__main__"}
    exec(SETUP, space)
    for cell in code(nbformat.read(BOOKS[notebook], as_version=4)):
        for part in ast.parse(cell.source).body:
            is_constant = isinstance(part, ast.Assign) and not any(isinstance(one, ast.Call) for one in ast.walk(part))
            if is_constant or isinstance(part, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)):
                with suppress(Exception):  # it needs what only a run makes
                    exec(compile(ast.Module([part], []), notebook, "exec"), space)
    return space


@lru_cache(maxsize=1)
def lab(cloud: Cloud, errors_of_boto3=survive_failures.errors_of_boto3) -> list:
    """What boto3 raises in the lab: the same each time, and it takes seconds."""
    return errors_of_boto3(cloud)


@pytest.fixture
def check(cloud, monkeypatch) -> Callable[[str, str], str]:
    """Give an answer to an exercise, and return what its check says."""

    def check(name: str, answer: str) -> str:
        space = dict(space_of(cloud, EXERCISES[name][0]))
        # AWS's pages need more than a hundred secrets; the other answers to "ours" need a few.
        monkeypatch.setattr(go_live, "MANY", 110 if "needs many pages" in answer else 3)
        monkeypatch.setattr(survive_failures, "errors_of_boto3", lab)
        if name == "ledger":
            with cloud.ledger.page("a hundred reads") as space["cached"]:
                space["cache"] = space["SecretCache"](client=space["sm"])
                space["cache"].get_secret_string(SECRET_NAME)
        if name == "mail":
            space |= {"EXERCISE_SECRET": "tutorial/exercise", "received": f'  "{cloud.issue_api_key()}"\n'}
            space["sm"].delete_secret(SecretId="tutorial/exercise", ForceDeleteWithoutRecovery=True)
        exec(compile(answer, f"<answer to {name}>", "exec"), space)
        before = current_token(SECRET_NAME)
        first, _, last = CELLS[name].check.rpartition("\n")
        exec(first, space)
        said = repr(eval(last, space))
        assert current_token(SECRET_NAME) == before, "the check left another token in the secret"
        return said

    return check


def of_each(names):
    """The blank, the solution and all other answers to these exercises, each with what its check has to say."""
    cases = []
    for name in names:
        right = [("the solution", CELLS[name].solution), *right_answers(name)]
        cases += [pytest.param(name, "Solved.", answer, id=f"{name}: {what}") for what, answer in right]
        wrong = [("Not yet.", CELLS[name].blank), *wrong_answers(name)]
        cases += [pytest.param(name, hint, answer, id=f"{name}: {hint}") for hint, answer in wrong]
    return pytest.mark.parametrize(("name", "hint", "answer"), cases)


class Answers:
    def test_the_check_says_what_fits(self, check, name, hint, answer):
        said = check(name, answer)
        assert hint in said and (hint == "Solved." or "Not yet." in said), said


@pytest.mark.slow
@of_each(CORE)
class TestCore(Answers):
    pass


@pytest.mark.slow
@of_each(PRODUCTION)
class TestProduction(Answers):
    pass


@pytest.mark.slow
@of_each(WITH_IAM)
class TestWithIam(Answers):
    engine = "ministack"


HANDLERS = {
    "has not come back within 0.5 s": "def handle(user): threading.Event().wait()",
    "raised SystemExit": "def handle(user): exit()",
    "raised NameError: name 'my_client' is not defined": "def handle(user): my_client",
    "raised TypeError: 'NoneType' object is not callable": "handle = None",
    "raised KeyError: '<hidden>'": "def handle(user): {}[get_token(SECRET_NAME)]",
    "returned a coroutine: nothing of it has run": "async def handle(user): return 1",
    "returned a generator: nothing of it has run": "def handle(user): yield 1",
    "could not go on: ResourceNotFoundException": "SECRET_NAME, handle = 'none', handle_naively",
}  # fmt: skip


@pytest.mark.slow
class TestAnyFunction:
    @pytest.mark.parametrize("hint", HANDLERS)
    def test_what_any_function_can_do_wrong(self, check, hint, monkeypatch):
        monkeypatch.setattr(learner_code, "SECONDS", 0.5 if "within 0.5 s" in hint else 10.0)
        said = check("one-read", HANDLERS[hint])
        assert "Not yet." in said and hint in said, said

    def test_what_it_prints_is_shown_without_tokens(self, check, capsys):
        printing = "def handle(user):\n    print(user[:5], get_token(SECRET_NAME))\n    return handle_naively(user)"
        check("one-read", printing)
        assert capsys.readouterr().out.startswith("user- <hidden>\n")

    def test_the_core_s_own_answer_survives_a_new_token(self, cloud):
        """It is what people take home: the old token is revoked while the service runs."""
        space, first = dict(space_of(cloud, "04 Reuse your clients")), new_key(cloud, SECRET_NAME)
        exec(CELLS["announce"].solution, space)
        assert isinstance(space["announce"]("before"), TopicPublish.Success)
        new_key(cloud, SECRET_NAME, revoke=first)
        assert isinstance(space["announce"]("after"), TopicPublish.Success)


@pytest.mark.parametrize("guess", ["many", -1, float("nan"), True, [1]])
def test_a_guess_that_is_no_number_is_told_so(guess):
    assert "should be a number" in repr(reveal(guess, 100, "calls"))


def test_without_a_guess_nothing_is_given_away():
    assert "Guess first." in repr(reveal(None, 100, "calls")) and "100" not in repr(reveal(None, 100, "calls"))


def test_a_guess_is_set_beside_the_count():
    assert "and so does the ledger: 100 calls" in repr(reveal(100, 100, "calls"))
    assert "You said 3; the ledger counted 100 calls." in repr(reveal(3, 100, "calls"))
