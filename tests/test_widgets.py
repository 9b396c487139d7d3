"""The panels' script against the model, and the progress bar. How the panels work in a page is in test_browser.py."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from helpers.pricing import MONTH, WAYS, Around, Fleet
from helpers.widgets import cost_panel, forgotten_panel, prices

HELPERS = Path(__file__).resolve().parent.parent / "helpers"
NODE = shutil.which("node")


def random_fleet(chosen: random.Random) -> Fleet:
    return Fleet(
        requests_per_second=chosen.choice([0, 1, 100, 10 ** chosen.uniform(-3, 6)]),
        processes=chosen.choice([1, 10, chosen.randint(1, 1_000_000)]),
        lifetime=chosen.choice([1, 60, MONTH, chosen.uniform(1, MONTH)]),
        ttl=chosen.choice([0, 1, 3600, chosen.uniform(0, MONTH)]),
        way=chosen.choice(WAYS),
        secrets=chosen.choice([1, chosen.randint(1, 500_000)]),
        replicas=chosen.randint(0, 50),
        customer_key=chosen.random() < 0.5,
    )


@pytest.mark.skipif(NODE is None, reason="there is no Node.js to run the panels' script")
def test_the_panels_script_computes_what_pricing_py_computes():
    chosen = random.Random(20)
    fleets = [random_fleet(chosen) for _ in range(5_000)]
    arounds = [Around(*(chosen.randint(0, 3) for _ in range(4))) for _ in fleets]
    program = """
        const { cost, around, breakEven } = require(process.argv[1]);
        const { fleets, arounds, prices } = JSON.parse(require("fs").readFileSync(0));
        console.log(JSON.stringify(fleets.map((fleet, at) => {
            const costs = cost(fleet, prices), rate = breakEven(fleet, prices);
            const even = cost({ ...fleet, way: 0, requests_per_second: rate }, prices);
            return [...Object.values(costs), ...around(arounds[at], costs.callsPerMonth, prices), even.calls];
        })));
    """
    given = {
        "fleets": [{**asdict(fleet), "way": WAYS.index(fleet.way)} for fleet in fleets],
        "arounds": list(map(asdict, arounds)),
        "prices": prices(),
    }
    command = [NODE, "-e", program, HELPERS / "pricing.js"]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    for fleet, one, got in zip(fleets, arounds, json.loads(done.stdout), strict=True):
        bill = fleet.bill()
        expected = [
            fleet.calls_per_month,
            bill["API calls"],
            bill["keeping the secrets"],
            bill.get("customer managed key", 0.0),
            fleet.dollars_per_month,
            fleet.share_of_quota,
            *one.bill(fleet).values(),
            min(bill["keeping the secrets"], 129_600),  # what calls cost at the break-even, and at most
        ]
        assert got == pytest.approx(expected, rel=1e-12), fleet
    assert {fleet.way for fleet in fleets if fleet.fetches_per_life > 1} == set(WAYS)
    assert any(fleet.share_of_quota > 1 for fleet in fleets)


def test_without_a_script_a_panel_is_a_table_and_every_step_is_a_value_that_the_model_takes():
    panel = cost_panel()
    assert "$1,296.00" in panel.start and "$1,296.00" in panel._repr_html_()
    for name, _, steps, _ in panel.data["controls"]:
        assert all(Fleet(**{name: value}) for _, value in steps)
    assert "$0.00" in forgotten_panel(Fleet()).start


def test_of_a_progress_bar_nothing_stays():
    source = "from helpers.widgets import Progress\nwith Progress(2) as step:\n    step('first')"
    notebook = new_notebook(cells=[new_code_cell(source), new_code_cell(f"{source}\n    stop")])
    shown = []

    class Watching(NotebookClient):
        def process_message(self, msg, *rest):
            shown.append(msg["content"].get("data"))
            return super().process_message(msg, *rest)

    Watching(notebook, allow_errors=True).execute()
    assert shown.count({"text/html": '<label><progress value="1" max="2"></progress> first</label>'}) == 2
    assert [cell.outputs[0].data for cell in notebook.cells] == [{}, {}]
