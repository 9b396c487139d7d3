"""What the notebooks show, as HTML and as text."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import pytest

from helpers.charts import MANY, Span, latency_dots, shares, spans
from helpers.display import Note, PlainError, Table, dollars, duration, share


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


THREADS = {str(number): [Span(0, 1, "calls" if number == 3 else "waits")] for number in range(MANY + 1)}
CHARTS = {
    "shares": (shares({"time": {"one": 3, "two": 4}}, {"time": str}, "A <title>"), "time: one 3, two 4"),
    "spans": (spans({"": {"one": [Span(0, 3, "a"), Span(3, 4, "b")]}}, "A <title>"), "one a 3.00 s, b 1.00 s"),
    "threads": (spans({"one cache": THREADS}, "A <title>"), f"one cache: 1 calls; {MANY} waits"),
    "dots": (latency_dots({"one": (3, 5), "two": (4, 5)}, "A <title>"), "one 3.00 s, two 4.00 s"),
}


@pytest.mark.parametrize(("chart", "numbers"), CHARTS.values(), ids=CHARTS)
def test_a_chart_is_svg_with_a_text_that_has_its_numbers(chart, numbers):
    assert "A <title>" in repr(chart) and numbers in repr(chart).replace("\N{NARROW NO-BREAK SPACE}", " ")
    picture = re.fullmatch(r'<img src="data:image/svg\+xml,([^"<>]*)" alt="(.*?)" style=.*>', chart._repr_html_())
    assert "A <title>" in "".join(ElementTree.fromstring(unquote(picture[1])).itertext())
    assert unescape(picture[2]) == repr(chart)


def test_a_share_is_written_as_the_sanitizer_knows_it():
    assert share(18, 25) == "72\N{WORD JOINER}%"
