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

from helpers.pricing import AWS_LIBRARY, MONTH, NO_CACHE, Fleet
from helpers.widgets import cost_panel, prices

HELPERS = Path(__file__).resolve().parent.parent / "helpers"
NODE = shutil.which("node")


def random_fleet(chosen: random.Random) -> Fleet:
    return Fleet(
        requests_per_second=chosen.choice([0, 1, 100, 10 ** chosen.uniform(-3, 6)]),
        processes=chosen.choice([1, 10, chosen.randint(1, 1_000_000)]),
        lifetime=chosen.choice([1, 60, MONTH, chosen.uniform(1, MONTH)]),
        ttl=chosen.choice([0, 1, 3600, chosen.uniform(0, MONTH)]),
        way=chosen.choice([NO_CACHE, AWS_LIBRARY]),
        customer_key=chosen.random() < 0.5,
    )


@pytest.mark.skipif(NODE is None, reason="there is no Node.js to run the panels' script")
def test_the_panels_script_computes_what_pricing_py_computes():
    chosen = random.Random(20)
    fleets = [random_fleet(chosen) for _ in range(5_000)]
    program = """
        const { cost } = require(process.argv[1]);
        const { fleets, library, prices } = JSON.parse(require("fs").readFileSync(0));
        console.log(JSON.stringify(fleets.map((fleet) => Object.values(cost(fleet, fleet.way === library, prices)))));
    """
    given = {"fleets": list(map(asdict, fleets)), "library": AWS_LIBRARY, "prices": prices()}
    command = [NODE, "-e", program, HELPERS / "pricing.js"]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True)
    for fleet, got in zip(fleets, json.loads(done.stdout), strict=True):
        expected = [
            fleet.calls_per_month,
            fleet.dollars_for_calls,
            fleet.dollars_for_keeping,
            fleet.dollars_per_month,
            fleet.share_of_quota,
        ]
        assert got == pytest.approx(expected, rel=1e-12), fleet
    assert {fleet.way for fleet in fleets if fleet.misses_per_life > 1} == {NO_CACHE, AWS_LIBRARY}
    assert any(fleet.share_of_quota > 1 for fleet in fleets)


def test_without_a_script_a_panel_is_a_table_and_every_step_is_a_value_that_the_model_takes():
    panel = cost_panel()
    assert "$1,296.00" in panel.start and "$1,296.00" in panel._repr_html_()
    for name, _, steps, _ in panel.data["controls"]:
        assert all(Fleet(**{name: value}) for _, value in steps)


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
