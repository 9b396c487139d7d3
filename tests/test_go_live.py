"""`make live` and notebook 11 in live mode: nothing without a yes, nothing left and nothing taken, whichever step fails."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import boto3
import nbformat
import pytest
from live_accounts import calls_since
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from exercises import check_service, check_timeouts
from helpers.cloud import TAGS, connect
from helpers.pricing import API_CALL
from helpers.resources import RECORD, Record, Resources

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "11_go_live.ipynb"
SCRIPT = ROOT / "tools" / "go_live.py"
CELLS = [c for c in nbformat.read(NOTEBOOK, as_version=4).cells if c.cell_type == "code"]
FIRST = next(n for n, cell in enumerate(CELLS) if "create_secret()" in cell.source)
LAST = next(n for n, cell in enumerate(CELLS) if "resources.clean_up()" in cell.source)
CACHE = next(n for n, cell in enumerate(CELLS) if "create_cache(" in cell.source)
THEIRS = "tutorial/go-live-theirs"

spec = importlib.util.spec_from_file_location("go_live", SCRIPT)
go_live = importlib.util.module_from_spec(spec)
spec.loader.exec_module(go_live)


def names() -> set[str]:
    return {s["Name"] for s in boto3.client("secretsmanager").list_secrets()["SecretList"]}


@pytest.fixture
def theirs(accounts) -> None:
    """A colleague takes the tutorial in the same account."""
    boto3.client("secretsmanager").create_secret(Name=THEIRS, SecretString="theirs", Tags=TAGS)


def run(tmp_path, *arguments) -> tuple[int, dict]:
    code = go_live.main(["--into", str(tmp_path), *arguments])
    report = tmp_path / "live.json"
    return code, json.loads(report.read_text()) if report.exists() else {}


def test_the_notebook_creates_nothing_without_a_yes(accounts, tmp_path):
    before = accounts.ask("seen")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    with pytest.raises(CellExecutionError, match="Nothing was created"):
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    made = calls_since(before, accounts.ask("seen"))
    assert not [name for name in made if "Create" in name] and not list(tmp_path.iterdir())


def test_a_whole_run_leaves_nothing_and_says_what_it_did(accounts, theirs, tmp_path, capsys):
    before = accounts.ask("seen")
    code, report = run(tmp_path, "--yes")
    made = calls_since(before, accounts.ask("seen"))
    assert (code, report["outcome"]) == (0, "complete, and nothing is left")
    assert names() == {THEIRS} and not (tmp_path / "live" / RECORD).exists()
    assert made["momento.CreateCache"] == 1 and made["momento.DeleteCache"] == 2
    arrived = {name[4:]: count for name, count in made.items() if re.match(r"aws\.\w", name)}
    assert report["calls"]["Secrets Manager"] == arrived
    planned = int(re.search(r"CALLS = (\d+)", str(CELLS))[1])
    assert sum(arrived.values()) <= planned
    cost = float(report["cost of the calls, at most"].strip("$"))
    assert cost >= round(sum(arrived.values()) * API_CALL.amount, 12)  # without the noise of binary fractions
    assert [step["outcome"] for step in report["steps"]] == ["ok"] * len(CELLS)
    assert {r"tutorial/go-live-", "tutorial-go-live-"} == {n[:-12] for n in report["removed"]}
    assert set(report["reads"]) == {"asked each time", "the token source"}
    assert all(0 < read["p50_ms"] <= read["p99_ms"] for read in report["reads"].values())
    assert report["region"] == "us-west-2" and set(report["versions"]) >= {"boto3", "momento"}
    said = capsys.readouterr()
    assert accounts.api_key not in json.dumps(report) + said.out + said.err


@pytest.mark.again
def test_a_listing_that_lags_changes_nothing(between, theirs, tmp_path):
    between.rules["ListSecrets"] = lambda _: {"SecretList": []}
    code, report = run(tmp_path, "--yes")
    between.rules.clear()
    assert (code, report["outcome"]) == (0, "complete, and nothing is left")
    assert names() == {THEIRS}


@pytest.mark.parametrize(
    "number",
    [
        # A third of the steps in each `make test`, the others by `make again`: each runs the whole notebook.
        pytest.param(number, marks=[pytest.mark.again] if number % 3 else [])
        for number in range(FIRST, LAST + 1)
    ],
)
def test_each_step_that_fails_leaves_nothing(accounts, theirs, tmp_path, monkeypatch, number):
    """The step does its work, and then fails."""
    broken = nbformat.read(NOTEBOOK, as_version=4)
    cell = [cell for cell in broken.cells if cell.cell_type == "code"][number]
    cell.source += "\nraise RuntimeError(os.environ.get('MOMENTO_API_KEY', 'on purpose'))"
    (tmp_path / "broken.ipynb").write_text(nbformat.writes(broken))
    monkeypatch.setattr(go_live, "NOTEBOOK", tmp_path / "broken.ipynb")
    code, report = run(tmp_path, "--yes")
    assert code == 1 and re.fullmatch("failed at '.*', and nothing is left", report["outcome"])
    assert report["steps"][-1]["outcome"].startswith("failed: RuntimeError")
    assert len(report["removed"]) == (2 if number >= CACHE else 1)
    assert names() == {THEIRS} and not (tmp_path / "live" / RECORD).exists()
    assert accounts.api_key not in json.dumps(report)


# Those of the second row fail as a step does that fails: they are tried by `make again`.
@pytest.mark.parametrize("service, operation", [
    ("aws", "CreateSecret"), ("momento", "DeleteCache"),
    *(pytest.param(*call.split("."), marks=pytest.mark.again)
      for call in ("aws.DescribeSecret", "aws.DeleteSecret", "aws.GetSecretValue", "aws.ListSecrets", "momento.CreateCache", "momento.Set", "momento.Get")),
])  # fmt: skip
def test_each_call_that_is_refused_leaves_nothing_unsaid(
    between, accounts, theirs, tmp_path, monkeypatch, service, operation
):
    """Refused from when the check is over: what is left then is said, and gone as soon as it is allowed again."""
    run_notebook = go_live._run

    def refuse_and_run(*arguments):
        error = "AccessDeniedException" if service == "aws" else "PERMISSION_DENIED"
        accounts.ask("add_fault", service=service, operation=operation, error=error)
        run_notebook(*arguments)

    monkeypatch.setattr(go_live, "_run", refuse_and_run)
    code, report = run(tmp_path, "--yes")
    accounts.ask("clear_faults")
    held = names() - {THEIRS}
    assert held <= {name for name, _, _ in report["left"]}
    assert code == 1 or operation == "Set"  # a response object, which the notebook prints
    assert ("nothing is left" in report["outcome"]) == (not report["left"])
    if operation in ("DescribeSecret", "DeleteSecret"):
        assert held and "describe-secret --secret-id" in str(report["left"])
    removal = Resources(connect(), True, tmp_path / "live" / RECORD).clean_up()
    assert removal.left == [] and names() == {THEIRS}


def wait_until_something_is_there(folder: Path) -> None:
    end = time.monotonic() + 90  # seconds: with all that it starts, on a busy machine
    while not (folder / "live" / RECORD).exists() or names() == {THEIRS}:
        assert time.monotonic() < end, "nothing was created"
        time.sleep(0.05)


def test_killed_in_the_middle_and_run_again(accounts, theirs, tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--yes", "--into", str(tmp_path)], stdout=subprocess.DEVNULL
    )
    wait_until_something_is_there(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / "live" / RECORD).exists()
    code, report = run(tmp_path, "--yes")
    assert code == 0 and names() == {THEIRS} and len(report["removed"]) >= 3


def test_interrupted_in_the_middle_it_cleans_up(accounts, theirs, tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), "--yes", "--into", str(tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_until_something_is_there(tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) != 0
    report = json.loads((tmp_path / "live.json").read_text())
    assert names() == {THEIRS}, report
    recorded = {entry.name for entry in Record(tmp_path / "live" / RECORD).entries()}
    # Interrupted between a record and its creation, it can't know yet that nothing came of it, and says so.
    assert recorded == {name for name, _, _ in report["left"]}, report
    assert report["outcome"].startswith("interrupted, and ")


def test_two_at_once_do_not_take_each_other_s(accounts, tmp_path, capsys):
    with go_live._alone(tmp_path / "live"):
        assert run(tmp_path, "--yes") == (1, {})
    assert "Another `make live` is running here" in capsys.readouterr().out


def test_it_asks_before_it_creates_and_takes_silence_for_a_no(accounts, tmp_path, capsys):
    before = accounts.ask("seen")
    assert run(tmp_path) == (1, {})
    said = capsys.readouterr().out
    assert "at most" in said and "Nothing was created" in said
    assert "aws.CreateSecret" not in calls_since(before, accounts.ask("seen"))


def test_what_is_missing_ends_it_before_anything_is_created(accounts, tmp_path, capsys):
    accounts.ask("add_fault", service="aws", operation="ListSecrets", error="AccessDeniedException")
    assert run(tmp_path, "--yes") == (1, {})
    said = capsys.readouterr().out
    assert '"secretsmanager:TagResource"' in said and "Not ready" in said


def test_in_the_sandbox_it_is_refused(accounts, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("TUTORIAL_CLOUD")
    assert run(tmp_path, "--yes") == (1, {})
    assert "set TUTORIAL_CLOUD=live" in capsys.readouterr().out


def test_without_a_key_or_an_endpoint_it_says_so(accounts, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("MOMENTO_API_KEY")
    assert run(tmp_path, "--yes") == (1, {})
    monkeypatch.delenv("MOMENTO_ENDPOINT")
    go_live_again = run(tmp_path, "--yes")
    said = capsys.readouterr().out
    assert go_live_again == (1, {}) and "MOMENTO_API_KEY is not set" in said


SETS_UP = next(cell.source for cell in CELLS if "TokenSource(secret_name" in cell.source)


@pytest.fixture
def config_of_the_notebook():
    source, space = SETS_UP, {}
    exec(re.search(r"config = Config\(.*?^\)", source, re.S | re.M)[0], {**_config()}, space)
    return space["config"]


def _config() -> dict:
    from botocore.config import Config

    return {"Config": Config}


def test_the_notebook_s_own_config_keeps_the_deadline_of_notebook_08(cloud, config_of_the_notebook):
    cloud.ensure_secret("tutorial/deadline")
    note = check_timeouts(cloud, "tutorial/deadline", config_of_the_notebook, deadline=3)
    assert note.title.startswith("Solved"), note


def test_a_service_as_the_notebook_builds_it_stands_the_trials_of_notebook_12(cloud, config_of_the_notebook):
    from datetime import timedelta

    from momento import CacheClient, Configurations

    from momento_token import SharedClient, TokenSource

    cloud.ensure_secret("tutorial/trial")

    class Service:
        def __init__(self, ttl: float = 300):
            exec(re.search(r"^logging.+", SETS_UP, re.M)[0], {"logging": logging})
            new_sm = partial(boto3.client, "secretsmanager", config=config_of_the_notebook)
            source = TokenSource("tutorial/trial", new_sm, ttl=ttl, max_age=3600)
            self.clients = SharedClient(
                source,
                lambda token: CacheClient(
                    Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares),
                    cloud.credentials_from(token),
                    timedelta(minutes=10),
                ),
            )

        def serve(self, user: str):
            return self.clients.call(lambda client: client.increment("tutorial", user))

    assert check_service(cloud, "tutorial/trial", Service).title == "Solved."
