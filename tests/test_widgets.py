"""The panels without a browser: they follow their controls, and say a sentence where a value can't be."""

from __future__ import annotations

import re

import pytest

from helpers.pricing import PricingError
from helpers.widgets import Progress, cost_panel, draw_costs

GOOD = {
    "requests_per_second": 100.0,
    "processes": 10,
    "lifetime": 86_400,
    "ttl": 3_600,
    "secrets": 1,
    "replicas": 0,
    "customer_key": False,
}


@pytest.mark.slow
def test_the_panel_follows_every_control():
    panel = cost_panel()
    seen = {panel._html.value}
    changes = {
        "requests_per_second": 10,
        "processes": 100,
        "lifetime": 60,
        "ttl": 60,
        "secrets": 2,
        "replicas": 1,
        "customer_key": True,
    }
    for name, value in changes.items():
        panel._controls[name].value = value
        assert panel._html.value not in seen, name
        seen.add(panel._html.value)


def test_the_panel_has_a_plain_form_with_chart_and_table():
    bundle = cost_panel()._repr_mimebundle_()
    assert "$1,296.00" in bundle["text/html"] and "<img" in bundle["text/html"] and "<table>" in bundle["text/html"]
    assert bundle["text/plain"].startswith("A panel of sliders")


@pytest.mark.slow
def test_every_control_has_a_name_and_a_range_that_the_model_takes():
    panel = cost_panel()
    for control in panel._controls.values():
        assert control.description
        values = [value for _, value in control._options_full] if hasattr(control, "_options_full") else []
        if hasattr(control, "base"):
            values = [control.base**control.min, control.base**control.max]
        elif hasattr(control, "min"):
            values = [control.min, control.max]
        for value in values:
            control.value = value
            assert "<table>" in panel._html.value


@pytest.mark.parametrize(
    "bad",
    [
        {"requests_per_second": -1},
        {"ttl": "soon"},
        {"processes": 0},
        {"secrets": 10**9},
        {"colour": "red"},
    ],
)
def test_a_bad_value_gets_a_sentence(bad):
    html = draw_costs(**{**GOOD, **bad})
    assert "✗" in html and "<table>" not in html


def test_throttling_is_said_in_the_table_and_in_words():
    html = draw_costs(**{**GOOD, "requests_per_second": 50_000.0})
    assert "throttled" in html and re.search(r"500\.00%", html)
    assert "$129,600.40" in html and "$648,000" not in html  # 10,000 calls a second, not 50,000


def test_the_progress_bar_counts_and_goes(capsys):
    progress = Progress(2)
    with progress as step:
        step("first")
        step("second")
        assert progress._bar.value == 2 and progress._text.value == "second"
    assert progress._box.comm is None


def test_a_plain_error_is_shown_as_its_sentence_only():
    assert PricingError("cause and fix.")._render_traceback_() == ["✗ cause and fix."]
