"""`make live`: notebook 10 on your own accounts without JupyterLab, and what it did in build/live.json.

It checks and says what it costs, and creates nothing before you say yes. Whatever happens to the notebook's cells, it
cleans up after them. The record stays in build/live/: after a crash, the next run removes what the last one left.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from contextlib import chdir
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

import boto3
import nbformat

import momento_token
from helpers.cloud import Cloud, connect
from helpers.display import PlainError, dollars
from helpers.ledger import Page
from helpers.live import Resources, check_live, cost_line
from helpers.timing import percentile

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = ROOT / "notebooks" / "10_go_live.ipynb"


def main(arguments: list[str] | None = None) -> int:
    """Return 0 if every cell ran and nothing is left, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--yes", action="store_true", help="create things without asking")
    parser.add_argument("--into", type=Path, default=ROOT / "build", help="where to write")
    options = parser.parse_args(arguments)
    try:
        return _go_live(options.yes, options.into.absolute())
    except (PlainError, momento_token.PlainError) as error:
        print(f"✗ {error}")
        return 1


def _go_live(yes: bool, into: Path) -> int:
    cloud = connect()
    if cloud.mode != "live":
        raise PlainError("This is the sandbox: set TUTORIAL_CLOUD=live, as `make live` does.")
    cells, checked = nbformat.read(NOTEBOOK, as_version=4).cells, check_live(cloud)
    calls = int(re.search(r"^CALLS = (\d+)", "\n".join(cell.source for cell in cells), re.M)[1])
    print(f"{cloud}\n\n{checked.as_columns()}\n\n{cost_line(calls)}\n")
    if checked.caption != "Ready" or not (yes or _says_yes()):
        raise PlainError("Nothing was created.")
    (into / "live").mkdir(parents=True, exist_ok=True)
    seen: dict[str, Any] = {}
    with chdir(into / "live"), cloud.ledger.page("make live") as page:
        resources = Resources(cloud, True)
        try:
            outcome = _run(cells, seen).replace(cloud.api_key, "<hidden>")
        except KeyboardInterrupt:
            outcome = "interrupted"
        finally:
            removal = resources.clean_up()
    report = {"outcome": outcome, "left": removal.left, **_report(cloud, page, seen)}
    (into / "live.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if removal.left:
        print(f"\n{removal}")
    print(f"\n{outcome}, and {len(removal.left) or 'nothing'} left: see {into / 'live.json'}")
    return 0 if outcome == "complete" and not removal.left else 1


def _run(cells: list[nbformat.NotebookNode], seen: dict[str, Any]) -> str:
    """Run the code cells until one fails, with your yes in its place; return how it ended. Their names are `seen`."""
    sys.path.append(str(NOTEBOOK.parent))  # for the plain file that a cell imports
    section = ""
    for cell in cells:
        if cell.cell_type == "markdown":
            for section in re.findall(r"^#+ (.*)$", cell.source, re.M):
                print(f"• {section}", flush=True)
            continue
        try:
            exec("go_ahead = True" if cell.source.startswith("go_ahead =") else cell.source, seen)
        except Exception as error:
            return f"failed at {section!r}: {type(error).__name__}: {error}"
    return "complete"


def _report(cloud: Cloud, page: Page, seen: dict[str, Any]) -> dict[str, Any]:
    aws, ms = boto3.client("secretsmanager").meta, 1e3
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "aws": aws.endpoint_url,
        "region": aws.region_name,
        "momento": cloud.momento_endpoint,
        "versions": {"python": python_version()} | {name: version(name) for name in ("boto3", "botocore", "momento")},
        "reads": {
            name: {f"p{round(part * 100)}_ms": round(percentile(taken, part) * ms, 4) for part in (0.5, 0.99)}
            for name, taken in seen.get("times", {}).items()
        },
        "calls": dict(Counter(f"{call.service} {call.operation}" for call in page.calls)),
        "cost of the calls": dollars(page.dollars),
    }


def _says_yes() -> bool:
    if not sys.stdin.isatty():
        print("This is no terminal, so you can't be asked: run it in one, or with `make live YES=1`.")
        return False
    return input("Create this secret and this cache, and remove them again? yes/no: ") == "yes"


if __name__ == "__main__":
    sys.exit(main())
