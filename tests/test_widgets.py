"""The cost panel's numbers, a panel in a kernel, and the progress bar. How a panel works in a page is in test_browser.py."""

from __future__ import annotations

from itertools import product

import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from test_notebooks import NOTEBOOKS

from helpers.pricing import MONTH
from helpers.widgets import costs


@pytest.mark.parametrize(
    ("values", "said", "shown"),
    [
        (
            (100, 1, MONTH / 60, 60, False),
            "At 100 requests a second: $1,296.40 a month without a cache, $0.40 a month with AWS's library.",
            ["259,200,000", "961", "$1,296.00", "$0.004805"],
        ),
        (
            (100_000, 200, 1, 60, True),
            "At 100,000 requests a second: AWS throttles 90% of the reads without a cache, "
            "$113.72 a month with AWS's library.",
            ["$1.40", "17,280,000", "lifetime 1, TTL 60."],
        ),
        ((1, 1, 60, 60, False), "At 1 request a second: $13.36 a month without a cache, $0.41 a month", ["$12.96"]),
    ],
)
def test_the_panel_says_and_shows_what_the_model_computes(values, said, shown):
    sentence, html = costs(*values)
    assert sentence.startswith(said) and all(text in html for text in shown)
    assert f"logarithmic. {sentence}".replace("'", "&#x27;") in html  # what stands for the chart


def test_whatever_the_fields_allow_can_be_drawn():
    for values in product((0.01, 100_000), (1, 1_000), (1, MONTH / 60), (0.1, MONTH / 60), (False, True)):
        sentence, html = costs(*values)
        assert "e+" not in sentence and "nan" not in html, values


def test_the_kernel_draws_again_at_each_change_and_an_error_is_a_sentence():
    cells = [
        "from helpers.widgets import panel\nfrom ipywidgets import BoundedIntText\nfield = BoundedIntText(1)",
        "panel({'number': field}, lambda number: (f'{6 / number:g} each', f'<p>{number}</p>'))",
        "field.value = 2",
        "field.value = 0",
    ]
    seen = []
    notebook = new_notebook(cells=list(map(new_code_cell, cells)))
    note = lambda **_: seen.append(notebook.cells[1].outputs[1].data["text/html"])  # noqa: E731
    NotebookClient(notebook, on_cell_executed=lambda cell, cell_index, **_: note() if cell_index else None).execute()
    for text, html in zip(("6 each", "3 each", "can&#x27;t be drawn. ZeroDivisionError: division"), seen, strict=True):
        assert text in html
    assert "<p>2</p>" in seen[1] and "<p>" not in seen[2].partition("</strong></p>")[2]


def test_no_stored_output_needs_a_kernel():
    assert [path.name for path in NOTEBOOKS if "widget-view+json" in path.read_text(encoding="utf-8")] == []


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
