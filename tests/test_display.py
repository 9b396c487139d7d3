"""What the notebooks show, as HTML and as text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers.charts import bars_side_by_side, latency_dots, stacked_bars
from helpers.display import Note, PlainError, Table, dollars, duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(2.5, "2.50 s"), (0.0123, "12.3 ms"), (0.456, "456 ms"), (4.5e-6, "4.50 µs"), (0, "0.00 µs"), (1234, "1,234 s")],
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


def test_a_table_escapes_and_aligns():
    table = Table(("Name", "Calls"), [("<b>", 1_000)], "Title & more")
    html = table._repr_html_()
    assert "&lt;b&gt;" in html and "Title &amp; more" in html
    assert '<td style="text-align: right; padding: 0.2em 0.6em">1,000</td>' in html
    assert repr(table) == "Title & more\nName | Calls\n<b> | 1,000"
    assert table.as_columns() == "Name  Calls\n<b>   1,000"


def test_a_note_has_a_sign_and_not_only_a_colour():
    assert repr(Note("Done", "more", mood="good")) == "✓ Done\n  more"
    assert "✗" in Note("Bad", mood="bad")._repr_html_()


def test_a_plain_error_is_shown_as_its_sentence_only():
    assert PlainError("cause and fix.")._render_traceback_() == ["✗ cause and fix."]


@pytest.mark.parametrize(
    "chart",
    [
        bars_side_by_side({"calls": {"one": 3, "two": 4}}, {"calls": str}),
        stacked_bars({"one": {"a": 3, "b": 0}, "two": {"a": 1, "b": 3}}, "Title"),
        latency_dots({"one": (3, 5), "two": (4, 5)}, "Title"),
    ],
    ids=["bars", "stacked", "dots"],
)
def test_a_chart_has_a_text_with_its_numbers(chart):
    assert re.search(r"\bone 3\b.*\btwo 4\b", repr(chart))
    picture = re.fullmatch(r'<img src="data:image/png;base64,[\w+/=\s]{1000,}" alt="(.*?)".*>', chart._repr_html_())
    assert picture[1] == repr(chart)
