"""`make live`: it creates nothing without a yes, and whatever happens it leaves nothing behind unsaid."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import boto3
import go_live
import nbformat
import psutil
import pytest
from fakes import until
from live_accounts import calls_since
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers.account import dollars_at_most
from helpers.cloud import TAGS, connect
from helpers.pricing import API_CALL
from helpers.resources import RECORD, Resources

pytestmark = pytest.mark.slow

CELLS = [cell for cell in nbformat.read(go_live.NOTEBOOK, as_version=4).cells if cell.cell_type == "code"]
THEIRS = "tutorial/go-live-theirs"


def names() -> set[str]:
    return {secret["Name"] for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]}


@pytest.fixture
def theirs(accounts) -> None:
    """A colleague runs the notebook in the same account."""
    boto3.client("secretsmanager").create_secret(Name=THEIRS, SecretString="theirs", Tags=TAGS)


def run(folder: Path, *arguments: str) -> tuple[int, dict]:
    code = go_live.main(["--into", str(folder), *arguments])
    report = folder / "live.json"
    return code, json.loads(report.read_text()) if report.exists() else {}


def nothing_is_left(folder: Path) -> bool:
    return names() == {THEIRS} and not (folder / "live" / RECORD).exists()


def test_the_notebook_creates_nothing_without_a_yes(accounts, tmp_path):
    before = accounts.ask("seen")
    notebook = nbformat.read(go_live.NOTEBOOK, as_version=4)
    with pytest.raises(CellExecutionError, match="Nothing was created"):
        NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    made = calls_since(before, accounts.ask("seen"))
    assert not [name for name in made if "Create" in name] and not list(tmp_path.iterdir())


def test_a_whole_run_leaves_nothing_and_reports_what_it_did(accounts, theirs, tmp_path, capsys):
    before = accounts.ask("seen")
    code, report = run(tmp_path, "--yes")
    made = calls_since(before, accounts.ask("seen"))
    assert (code, report["outcome"]) == (0, "complete, and nothing is left")
    assert {name[:-12] for name in report["removed"]} == {"tutorial/go-live-", "tutorial-go-live-"}
    assert nothing_is_left(tmp_path)
    assert [step["outcome"] for step in report["steps"]] == ["ok"] * len(CELLS)
    arrived = {name[4:]: count for name, count in made.items() if re.match(r"aws\.\w", name)}
    assert report["calls"]["Secrets Manager"] == arrived
    assert sum(arrived.values()) <= int(re.search(r"CALLS = (\d+)", str(CELLS))[1])
    assert report["cost of the calls, at most"] == dollars_at_most(sum(arrived.values()) * API_CALL.amount)
    assert report["reads"] and all(0 < read["p50_ms"] <= read["p99_ms"] for read in report["reads"].values())
    assert report["region"] == "us-west-2" and set(report["versions"]) >= {"boto3", "momento"}
    shown = capsys.readouterr()
    assert accounts.api_key not in json.dumps(report) + shown.out + shown.err


def test_a_step_that_fails_leaves_nothing(accounts, theirs, tmp_path, monkeypatch):
    """The step creates the cache, and then fails."""
    broken = nbformat.read(go_live.NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in broken.cells if "create_cache(" in cell.source and cell.cell_type == "code"]
    cell.source += f"\nraise RuntimeError('{accounts.api_key}')"
    (tmp_path / "broken.ipynb").write_text(nbformat.writes(broken))
    monkeypatch.setattr(go_live, "NOTEBOOK", tmp_path / "broken.ipynb")
    code, report = run(tmp_path, "--yes")
    assert code == 1 and re.fullmatch("failed at '.*', and nothing is left", report["outcome"])
    assert report["steps"][-1]["outcome"].startswith("failed: RuntimeError")
    assert len(report["removed"]) == 2 and nothing_is_left(tmp_path)
    assert accounts.api_key not in json.dumps(report)


def test_what_cannot_be_removed_is_reported_and_removed_later(accounts, theirs, tmp_path, monkeypatch):
    """The permission to delete goes when the check is over."""
    run_notebook = go_live._run

    def refuse_and_run(*arguments):
        accounts.ask("add_fault", service="aws", operation="DeleteSecret", error="AccessDeniedException")
        run_notebook(*arguments)

    monkeypatch.setattr(go_live, "_run", refuse_and_run)
    code, report = run(tmp_path, "--yes")
    accounts.ask("clear_faults")
    (held,) = names() - {THEIRS}
    assert code == 1 and [name for name, _, _ in report["left"]] == [held] and "1 not confirmed" in report["outcome"]
    assert "describe-secret --secret-id" in str(report["left"])
    assert Resources(connect(), True, tmp_path / "live" / RECORD).clean_up().left == [] and nothing_is_left(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_what_an_interrupted_run_has_created_is_in_the_record_until_it_is_removed(accounts, theirs, tmp_path, how):
    command = [sys.executable, go_live.__file__, "--yes", "--into", str(tmp_path)]
    for _ in range(2):  # on a busy machine another program may take a port that was meant for the kernel
        with (tmp_path / "said").open("w") as said:
            process = subprocess.Popen(command, stdout=said, stderr=said)
        until(lambda: names() != {THEIRS} or process.poll() is not None, 90)  # noqa: B023
        if process.poll() is None:
            break
    assert process.poll() is None, (tmp_path / "said").read_text()
    kernels = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(how)
    assert process.wait(60) != 0 and not psutil.wait_procs(kernels, 30)[1]
    if how == signal.SIGINT:
        assert json.loads((tmp_path / "live.json").read_text())["outcome"].startswith("interrupted, and ")
        assert names() == {THEIRS}
    else:
        assert (tmp_path / "live" / RECORD).exists()
    Resources(connect(), True, tmp_path / "live" / RECORD).clean_up()
    assert nothing_is_left(tmp_path)


def test_what_is_missing_ends_it_before_anything_is_created(accounts, tmp_path, monkeypatch, capsys):
    before = accounts.ask("seen")

    def refusal(*arguments: str) -> str:
        assert run(tmp_path, *arguments) == (1, {})
        return capsys.readouterr().out

    said = refusal()  # pytest's input is no terminal
    assert "at most" in said and "Nothing was created" in said
    with go_live._alone(tmp_path / "live"):
        assert "Another `make live` is running here" in refusal("--yes")
    accounts.ask("add_fault", service="aws", operation="ListSecrets", error="AccessDeniedException")
    said = refusal("--yes")
    assert '"secretsmanager:TagResource"' in said and "Not ready" in said
    accounts.ask("clear_faults")
    monkeypatch.delenv("MOMENTO_API_KEY")
    assert "MOMENTO_API_KEY is not set" in refusal("--yes")
    monkeypatch.delenv("TUTORIAL_CLOUD")
    assert "set TUTORIAL_CLOUD=live" in refusal("--yes")
    assert "aws.CreateSecret" not in calls_since(before, accounts.ask("seen"))
