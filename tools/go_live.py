"""`make live`: notebook 10 on your own accounts without JupyterLab, and what it did in build/live.json.

It checks and says what it costs, and creates nothing before you say yes. Whatever happens to the notebook, this process
cleans up after it from the record, which stays in build/live/ until AWS and Momento confirm that everything is gone.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

import momento_token
from helpers.account import check_live, cost_table, dollars_at_most, policy_to_paste
from helpers.cloud import Cloud, connect
from helpers.display import PlainError
from helpers.ledger import Page
from helpers.resources import RECORD, Removal, Resources

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "10_go_live.ipynb"
CELL_SECONDS = 180

WATCH = "\n_all = cloud.ledger.page('make live')\n_page = _all.__enter__()"  # beside `cloud = connect()`
# Runs in the kernel after the notebook, or after the cell that failed; what isn't there wasn't reached.
COLLECT = """
import json
_seen = globals()
_milliseconds = lambda taken, quantile: round(percentile(taken, quantile) * 1000, 4)
print(json.dumps({
    "reads": {
        name: {"reads": len(taken), "p50_ms": _milliseconds(taken, 0.5), "p99_ms": _milliseconds(taken, 0.99)}
        for name, taken in _seen.get("times", {}).items()
    },
    "calls": [[call.service, call.operation] for call in _page.calls] if "_page" in _seen else [],
    "dollars": _page.dollars if "_page" in _seen else 0,
    "removed": removal.removed if "removal" in _seen else [],
}))
"""


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every step went well and nothing is left, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--yes", action="store_true", help="create things without asking")
    parser.add_argument("--into", type=Path, default=ROOT / "build", help="where to write")
    options = parser.parse_args(arguments)
    try:
        with _alone(options.into / "live"):
            return _go_live(options.yes, options.into)
    except (PlainError, momento_token.PlainError) as error:
        print(f"✗ {error}")
        return 1


def _go_live(yes: bool, into: Path) -> int:
    cloud = connect()
    if cloud.mode != "live":
        raise PlainError("This is the sandbox: set TUTORIAL_CLOUD=live, as `make live` does.")
    print(cloud)
    with cloud.ledger.page("around the notebook") as page:
        notebook = nbformat.read(NOTEBOOK, as_version=4)
        calls = int(re.search(r"^CALLS = (\d+)", "\n".join(c.source for c in notebook.cells), re.M)[1])
        checked = check_live(cloud, calls)
        print(f"\n{checked.as_columns()}\n")
        if checked.caption != "Ready":
            print(f"{checked.caption}. The policy that it needs:\n{policy_to_paste()}")
            return 1
        print(cost_table(calls))
        if not (yes or _says_yes()):
            print("Nothing was created.")
            return 1
        work = into / "live"
        resources = Resources(cloud, True, work / RECORD)
        report = _about(cloud)
        try:
            _run(notebook, work, report)
        finally:
            removal = resources.clean_up()
            _finish(report, removal, page, cloud.api_key)
            (into / "live.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            if removal.left:
                print(f"\n{removal}")
            print(f"\n{report['outcome']}: see {into / 'live.json'}")
    return 0 if report["outcome"] == "complete, and nothing is left" else 1


def _run(notebook: nbformat.NotebookNode, work: Path, report: dict) -> None:
    """Run the notebook's code cells in a kernel until one fails; each becomes a step of the report."""
    client = NotebookClient(
        notebook,
        timeout=CELL_SECONDS,
        resources={"metadata": {"path": str(work)}},
        shutdown_kernel="immediate",  # else it might create while this process cleans up
    )
    with (work / "kernel.log").open("w") as log, client.setup_kernel(stderr=log):
        for number, section, cell in _steps(notebook):
            started, outcome = time.monotonic(), "ok"
            try:
                client.execute_cell(cell, number)
            except CellExecutionError as error:
                outcome = f"failed: {error.ename}: {error.evalue}"
            except (CellTimeoutError, DeadKernelError) as error:
                outcome = f"failed: {type(error).__name__}"
            seconds = round(time.monotonic() - started, 3)
            report["steps"].append({"step": section, "outcome": outcome, "seconds": seconds})
            print(f"{'✓' if outcome == 'ok' else '✗'} {section}", flush=True)
            if outcome != "ok":
                break
        else:
            report["outcome"] = "complete"
        with suppress(CellExecutionError, CellTimeoutError, DeadKernelError):
            _collect(client, report)


def _steps(notebook: nbformat.NotebookNode) -> Iterator[tuple[int, str, nbformat.NotebookNode]]:
    """Yield the code cells, with your yes in its place, and the section that each stands in."""
    section = ""
    for number, cell in enumerate(notebook.cells):
        for heading in re.findall(r"^#+ (.*)$", cell.source, re.M) * (cell.cell_type == "markdown"):
            section = heading
        if cell.cell_type != "code":
            continue
        if cell.source.startswith("go_ahead ="):
            cell.source = "go_ahead = True"
        if re.search(r"^cloud = connect\(\)", cell.source, re.M):
            cell.source += WATCH
        yield number, section, cell


def _collect(client: NotebookClient, report: dict) -> None:
    cell = nbformat.v4.new_code_cell(COLLECT)
    client.nb.cells.append(cell)
    client.execute_cell(cell, len(client.nb.cells) - 1)
    report |= json.loads("".join(output.text for output in cell.outputs if output.name == "stdout"))


def _about(cloud: Cloud) -> dict:
    import boto3

    secrets_manager = boto3.client("secretsmanager").meta
    return {
        "outcome": "interrupted",
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "aws": secrets_manager.endpoint_url,
        "region": secrets_manager.region_name,
        "momento": cloud.momento_endpoint,
        "versions": {"python": python_version()} | {name: version(name) for name in ("boto3", "botocore", "momento")},
        **{"steps": [], "reads": {}, "calls": [], "dollars": 0.0, "removed": [], "left": []},
    }


def _finish(report: dict, removal: Removal, page: Page, api_key: str) -> None:
    """Add what this process did, and the outcome."""
    counted = Counter(map(tuple, report["calls"])) + Counter((call.service, call.operation) for call in page.calls)
    report["calls"] = {service: {} for service, _ in sorted(counted)}
    for (service, operation), count in counted.items():
        report["calls"][service][operation] = count
    report["cost of the calls, at most"] = dollars_at_most(report.pop("dollars") + page.dollars)
    report["removed"] += removal.removed
    report["left"] = [list(map(str, row)) for row in removal.rows if row[0] in removal.left]
    failed = [step for step in report["steps"] if step["outcome"] != "ok"]
    for step in failed:  # no error holds the key; a report that is shared must not, whatever happens
        step["outcome"] = step["outcome"].replace(api_key, "<hidden>")
    if failed:
        report["outcome"] = f"failed at {failed[0]['step']!r}"
    left = f"{len(removal.left)} not confirmed as removed" if removal.left else "nothing is left"
    report["outcome"] += f", and {left}"


def _says_yes() -> bool:
    if not sys.stdin.isatty():
        print("This is no terminal, so you can't be asked: run it in one, or with `make live YES=1`.")
        return False
    return input("Create this secret and this cache, and remove them again? yes/no: ") == "yes"


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let only one run at a time: it removes what the record names, which would be the other's secret."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise PlainError("Another `make live` is running here: wait until it ends.") from None
        yield


if __name__ == "__main__":
    sys.exit(main())
