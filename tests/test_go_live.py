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
import pytest
from fakes import until
from live_accounts import calls_since

from helpers.cloud import TAGS, connect
from helpers.live import RECORD, Resources

pytestmark = pytest.mark.slow

THEIRS = "of-a-colleague"


def names() -> set[str]:
    return {secret["Name"] for secret in boto3.client("secretsmanager").list_secrets()["SecretList"]}


@pytest.fixture(autouse=True)
def theirs(accounts) -> None:
    """A colleague runs the notebook in the same account."""
    boto3.client("secretsmanager").create_secret(Name=THEIRS, SecretString="theirs", Tags=TAGS)


def run(folder: Path, *arguments: str) -> tuple[int, dict]:
    code = go_live.main(["--into", str(folder), *arguments])
    report = folder / "live.json"
    return code, json.loads(report.read_text()) if report.exists() else {}


def test_a_whole_run_leaves_nothing_and_reports_what_it_did(accounts, tmp_path, capsys):
    before = accounts.ask("seen")
    code, report = run(tmp_path, "--yes")
    made = calls_since(before, accounts.ask("seen"))
    assert (code, report["outcome"], report["left"], names()) == (0, "complete", [], {THEIRS})
    counted = sum(count for name, count in report["calls"].items() if name.startswith("Secrets Manager"))
    assert report["calls"]["Secrets Manager CreateSecret"] == made["aws.CreateSecret"] == 1
    cells = str(nbformat.read(go_live.NOTEBOOK, as_version=4).cells)
    assert counted + 31 <= int(re.search(r"CALLS = (\d+)", cells)[1])  # a confirmation may take 30 calls more
    assert report["reads"] and all(0 < read["p50_ms"] <= read["p99_ms"] for read in report["reads"].values())
    shown = capsys.readouterr()
    assert accounts.api_key not in json.dumps(report) + shown.out + shown.err


def test_a_cell_that_fails_leaves_nothing(accounts, tmp_path, monkeypatch, capsys):
    broken = nbformat.read(go_live.NOTEBOOK, as_version=4)
    (cell,) = [cell for cell in broken.cells if "create_cache(" in cell.source and cell.cell_type == "code"]
    cell.source += f"\nraise RuntimeError('{accounts.api_key}')"
    (tmp_path / "broken.ipynb").write_text(nbformat.writes(broken))
    monkeypatch.setattr(go_live, "NOTEBOOK", tmp_path / "broken.ipynb")
    monkeypatch.syspath_prepend(go_live.ROOT / "notebooks")
    code, report = run(tmp_path, "--yes")
    assert code == 1 and re.fullmatch("failed at '.*': RuntimeError: <hidden>", report["outcome"])
    assert report["left"] == [] and names() == {THEIRS}
    assert accounts.api_key not in json.dumps(report) + capsys.readouterr().out


def test_what_cannot_be_removed_is_reported_and_removed_by_the_next_run(between, tmp_path):
    between.rules["DeleteSecret"] = lambda _: ("AccessDeniedException", 400)
    code, report = run(tmp_path, "--yes")
    (held,) = names() - {THEIRS}
    assert code == 1 and report["left"] == [held]
    between.rules.clear()
    assert run(tmp_path, "--yes")[0] == 0 and names() == {THEIRS}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run(accounts, tmp_path, how):
    with (tmp_path / "said").open("w") as said:
        command = [sys.executable, go_live.__file__, "--yes", "--into", str(tmp_path)]
        process = subprocess.Popen(command, stdout=said, stderr=said)
    until(lambda: names() != {THEIRS} or process.poll() is not None, 90)
    assert process.poll() is None, (tmp_path / "said").read_text()
    process.send_signal(how)
    assert process.wait(60) != 0
    if how == signal.SIGINT:
        assert json.loads((tmp_path / "live.json").read_text())["outcome"] == "interrupted"
    else:
        assert len(Resources(connect(), True, tmp_path / "live" / RECORD).clean_up().removed) >= 1
    assert names() == {THEIRS}


def test_what_is_missing_ends_it_before_anything_is_created(accounts, tmp_path, monkeypatch, capsys):
    before = accounts.ask("seen")

    def refusal(*arguments: str) -> str:
        assert run(tmp_path, *arguments) == (1, {})
        return capsys.readouterr().out

    said = refusal()  # pytest's input is no terminal
    assert "at most" in said and "Nothing was created" in said
    accounts.ask("add_fault", service="momento", operation="ListCaches", error="PERMISSION_DENIED")
    assert "the role of this API key" in refusal("--yes")
    accounts.ask("clear_faults")
    monkeypatch.delenv("MOMENTO_API_KEY")
    assert "MOMENTO_API_KEY is not set" in refusal("--yes")
    monkeypatch.delenv("TUTORIAL_CLOUD")
    assert "set TUTORIAL_CLOUD=live" in refusal("--yes")
    assert calls_since(before, accounts.ask("seen")).get("aws.CreateSecret", 0) == 0
