"""What the notebooks show, as HTML and as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.charts import bars_side_by_side, cost_lines, latency_dots, stacked_bars
from helpers.display import Note, Table, dollars, duration, masked


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (2.5, "2.50 s"),
        (0.0123, "12.3 ms"),
        (0.456, "456 ms"),
        (4.5e-6, "4.50 µs"),
        (1e-7, "0.10 µs"),
        (0, "0.00 µs"),
        (1234, "1,234 s"),
    ],
)
def test_durations_have_three_digits_and_a_unit(seconds, text):
    assert duration(seconds).replace("\N{NARROW NO-BREAK SPACE}", " ") == text


def test_the_sanitizer_knows_every_measured_duration_and_no_other_number():
    lines = (Path(__file__).parent / "sanitize.cfg").read_text().splitlines()
    pattern = re.compile(next(line for line in lines if line.startswith("regex:")).removeprefix("regex:").strip())
    for seconds in (1e-7, 3e-6, 0.0012, 0.9999, 1, 61.2, 12_345):
        assert pattern.sub("", duration(seconds)) == ""
    assert pattern.sub("", "a TTL of 600 s and $3,888.00 for 30 reads") == "a TTL of 600 s and $3,888.00 for 30 reads"


@pytest.mark.parametrize(
    ("amount", "text"), [(0.000005, "$0.000005"), (3888, "$3,888.00"), (0, "$0.00"), (0.4, "$0.40")]
)
def test_dollars(amount, text):
    assert dollars(amount) == text


def test_a_masked_secret_tells_its_length_only():
    assert masked("abc") == "<hidden, 3 characters>"


def test_a_table_escapes_and_aligns():
    table = Table(("Name", "Calls"), [("<b>", 1_000)], "Title & more")
    html = table._repr_html_()
    assert "&lt;b&gt;" in html and "Title &amp; more" in html
    assert '<td style="text-align: right; padding: 0.2em 0.6em">1,000</td>' in html
    assert repr(table) == "Title & more\nName | Calls\n<b> | 1,000"


def test_a_note_has_a_sign_and_not_only_a_colour():
    assert repr(Note("Done", "more", mood="good")) == "✓ Done\n  more"
    assert "✗" in Note("Bad", mood="bad")._repr_html_()


def test_a_chart_has_a_text_with_all_its_numbers_and_a_clear_background():
    chart = bars_side_by_side({"calls": {"one": 3, "two": 4}}, {"calls": str})
    assert repr(chart) == "Bar chart. calls: one 3, two 4."
    assert 'alt="Bar chart. calls: one 3, two 4."' in chart._repr_html_()
    assert re.search(r"data:image/png;base64,[A-Za-z0-9+/=\s]{1000,}", chart._repr_html_())


def test_every_kind_of_chart_tells_its_numbers_in_words():
    stacked = stacked_bars({"one": {"a": 0.001, "b": 0.002}, "two": {"a": 0.0, "b": 0.001}}, "Title")
    dots = latency_dots({"one": (1e-6, 2e-6), "two": (1e-3, 2e-3)}, "Title")
    lines = cost_lines({"no cache": [(1, 2), (10, 20)]}, here=5, throttled_from=8, break_even=0.03)
    assert "one 3.00" in stacked.alt and "two 1.00" in stacked.alt
    assert "one 1.00" in dots.alt and "two 1.00" in dots.alt
    assert "no cache" in lines.alt and "5 requests per second" in lines.alt
