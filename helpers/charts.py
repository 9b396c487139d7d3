"""Charts as SVG, drawn by nothing but Python: readable in light and dark themes, each with a text that says the same.

A chart's title is its message, so compute it from the run. nbval passes over the drawing, and compares the text.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any, NamedTuple
from urllib.parse import quote

from .display import duration, share
from .ledger import Page
from .pricing import QUOTA_PER_SECOND, Fleet

# Middle tones, with a contrast of at least 3 to 1 on white and on JupyterLab's dark grey.
INK = "#7c7c7c"
COLOURS = ORANGE, BLUE, *_ = "#d9663b", "#3d8fbf", "#4b9b5f", "#a877bd", "#b08a2e"
WIDTH, RIGHT, LETTER = 640, 76, 8.2  # pixels: the drawing, room for what is written on its right, a letter
TOP, ROW, BAR = 62, 28, 16  # below title and legend; from row to row; a bar
MANY = 12  # more rows than this are drawn thin, without a name each
STEPS = [digit * 10.0**power for power in range(-7, 4) for digit in (1, 2, 5)]


class Chart:
    """A drawing, and the text that stands for it."""

    def __init__(self, height: float, parts: Sequence[str], alt: str, width: int = WIDTH) -> None:
        self.alt, self.width = alt, width
        self.svg = (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height:.0f}' fill='{INK}' font-size='14' "
            f"font-family='system-ui, -apple-system, Segoe UI, Helvetica, Arial, sans-serif'>{''.join(parts)}</svg>"
        )

    def _repr_html_(self) -> str:
        # As an address: what a code-hosting site or an untrusted notebook leaves of HTML has pictures, and no SVG.
        source = "data:image/svg+xml," + quote(self.svg, safe=" =:/'(),;!")
        style = f"width: 100%; min-width: {self.width * 17 // 32}px; max-width: {self.width}px"
        return f'<img src="{source}" alt="{escape(self.alt)}" style="{style}">'

    def __repr__(self) -> str:
        return self.alt


class Span(NamedTuple):
    """A stretch of time in a row of `spans`, in seconds; `kind` gives its colour, and stands in the legend."""

    start: float
    end: float
    kind: str


def shares(rows: Mapping[str, Mapping[str, float]], texts: Mapping[str, Callable[[float], str]], title: str) -> Chart:
    """Draw a bar of full length for each row, divided by the shares of its parts; `texts` writes a row's values."""
    parts = [_title(title), *_legend(next(iter(rows.values())))]
    said, left = [], _room_for(rows)
    for place, (row, values) in enumerate(rows.items()):
        y, x, total = TOP + place * 1.5 * ROW, left, sum(values.values()) or 1
        parts.append(_text(left - 10, y + 17, row, end=True))
        for colour, value in zip(COLOURS, values.values(), strict=False):
            width = value / total * (WIDTH - left - 10)
            parts.append(_bar(x, y, width - 1, colour, 24))
            if width > 60:
                parts.append(_text(x + 8, y + 17, texts[row](value), "#fff", bold=True))
            x += width
        said.append(f"{row}: " + ", ".join(f"{name} {texts[row](value)}" for name, value in values.items()))
    return Chart(TOP + len(rows) * 1.5 * ROW, parts, f"Bar chart. {title}. {'. '.join(said)}.")


def calls_and_waiting(page: Page, services: Mapping[str, str]) -> Chart:
    """Draw how a ledger page's calls, and the time waited for them, divide between services; the first is the message."""
    calls = {name: page.count(service=service) for name, service in services.items()}
    waits = {name: page.seconds(service=service) for name, service in services.items()}
    first, all_calls, all_waits = next(iter(services)), sum(calls.values()), sum(waits.values())
    half = "half the calls" if 2 * calls[first] == all_calls > 0 else f"{calls[first]:,} of {all_calls:,} calls"
    title = f"{first}: {half}, {share(waits[first], all_waits or 1)} of the waiting"
    texts: dict[str, Callable[[float], str]] = {"calls": str, "waiting": duration}
    return shares({"calls": calls, "waiting": waits}, texts, title)


def spans(groups: Mapping[str, Mapping[str, Sequence[Span]]], title: str, *, totals: bool = True) -> Chart:
    """Draw rows of spans on one axis of time, in groups that are compared: a waterfall, or a timeline.

    With `totals` a row ends with the sum of its spans. More than a dozen rows are threads, and are drawn thin.
    """
    everything = [span for rows in groups.values() for row in rows.values() for span in row]
    end = max(span.end for span in everything)
    colours = dict(zip(dict.fromkeys(span.kind for span in everything), COLOURS, strict=False))
    left = _room_for(f"{len(rows)} threads" if len(rows) > MANY else name for rows in groups.values() for name in rows)
    scale, y = (WIDTH - left - RIGHT) / end, float(TOP)
    parts, said = [_title(title), *_legend(colours)], []
    for group, rows in groups.items():
        if group:
            parts.append(_text(0, y + 12, group, bold=True))
            y += 22
        thin = len(rows) > MANY
        for name, row in rows.items():
            height = 4 if thin else BAR
            for start, stop, kind in row:
                x = left + start * scale
                parts.append(_bar(x, y, max(2, (stop - start) * scale), colours[kind], height))
            if not thin:
                parts.append(_text(left - 10, y + 13, name, end=True))
                if totals:
                    x = left + max(span.end for span in row) * scale + 6
                    parts.append(_text(x, y + 13, duration(sum(stop - start for start, stop, _ in row))))
            y += height + 1 if thin else ROW - 4
        counts = Counter(" then ".join(dict.fromkeys(span.kind for span in row)) for row in rows.values())
        if thin:
            parts.append(_text(left - 10, y - len(rows) * 2.5 + 4, f"{len(rows)} threads", end=True))
            told = [f"{number} {kinds}" for kinds, number in sorted(counts.items())]
        else:
            told = [
                f"{name} " + ", ".join(f"{one.kind} {duration(one.end - one.start)}" for one in row)
                for name, row in rows.items()
            ]
        said.append(f"{group}: {'; '.join(told)}" if group else "; ".join(told))
        y += 14
    parts[1:1] = _time_axis(end, scale, left, y - 8)
    return Chart(y + 16, parts, f"Timeline. {title}. {'. '.join(said)}.")


def latency_dots(values: Mapping[str, tuple[float, float]], title: str) -> Chart:
    """Draw the median and the 99th percentile of each name, in seconds, on a logarithmic axis."""
    low = math.floor(math.log10(min(median for median, _ in values.values())))
    high = math.ceil(math.log10(max(map(max, values.values()))) + 0.01)
    left = _room_for(values)
    scale = (WIDTH - left - RIGHT) / (high - low)
    bottom = TOP + len(values) * ROW - 4
    parts = [_title(title), _text(0, 42, "one read, logarithmic; dot: median, bar: 99th percentile")]
    for power in range(low, high + 1):
        x = left + (power - low) * scale
        parts.append(_line(x, TOP - 8, bottom))
        if scale > 55 or (power - low) % 2 == 0:  # there is room for it
            parts.append(_text(x, bottom + 18, _axis_time(10.0**power), middle=True))
    for place, (name, (median, tail)) in enumerate(values.items()):
        y = TOP + place * ROW + 8
        x, end = (left + (math.log10(value) - low) * scale for value in (median, max(tail, median)))
        colour = BLUE if median < 1e-3 else ORANGE
        parts += [
            _text(left - 10, y + 5, name, end=True),
            _bar(x, y - 1, max(1, end - x), colour, 2),
            _bar(end - 1, y - 7, 2, colour, 14),
            f"<circle cx='{x:.1f}' cy='{y}' r='5' fill='{colour}'/>",
            _text(end + 8, y + 5, duration(median)),
        ]
    said = ", ".join(f"{name} {duration(median)}" for name, (median, _) in values.items())
    return Chart(bottom + 26, parts, f"Chart on a logarithmic axis. {title}, medians: {said}.")


def drill_timelines(drills: Sequence[Any], bins: int = 90) -> Chart:
    """Draw each drill's operations over time, failed ones in another colour, with a line at each rotation.

    A drill is what `drills.rotation_drill.run_drill` returns. All share both axes.
    """
    end = max(when for drill in drills for when, _ in drill.finished) or 1
    counts = [Counter((int(when / end * (bins - 1)), good) for when, good in drill.finished) for drill in drills]
    most = max(one[place, True] + one[place, False] for one in counts for place in range(bins))
    left = _room_for(drill.name for drill in drills)
    width, height = (WIDTH - left - 10) / bins, 70
    title = "; ".join(
        f"{drill.name}: {drill.failed:,} of {len(drill.finished):,} operations failed" for drill in drills
    )
    parts = [_title("Operations over time, with a line at each rotation")]
    parts += _legend({"failed": 0, "succeeded": 0})
    for number, (drill, count) in enumerate(zip(drills, counts, strict=True)):
        bottom = TOP + (number + 1) * (height + 20) - 20
        parts.append(_text(left - 10, bottom - height / 2 + 5, drill.name, end=True))
        for place in range(bins):
            top = float(bottom)
            for good, colour in ((False, ORANGE), (True, BLUE)):
                tall = count[place, good] / most * height
                top -= tall
                if tall:
                    parts.append(_bar(left + place * width, top, width - 0.5, colour, tall))
        parts += [
            _bar(left + when / end * bins * width, bottom - height - 6, 1.5, INK, height + 6)
            for when in drill.rotations
        ]
    bottom = TOP + len(drills) * (height + 20) - 20
    parts[1:1] = _time_axis(end, bins * width / end, left, bottom)
    return Chart(bottom + 24, parts, f"Operations over time, with {len(drills[0].rotations)} rotations. {title}.")


def cost_curves(fleets: Mapping[str, Fleet], title: str) -> Chart:
    """Draw the dollars a month of two fleets over requests a second, both logarithmic, with a dot where each is.

    The first has no cache. It is narrower than other charts, to be read on a phone, and a long title stands above it.
    """
    rates = [10 ** (power / 8) for power in range(-16, 41)]  # 0.01 to 100,000
    curves = [[replace(one, requests_per_second=rate).dollars_per_month for rate in rates] for one in fleets.values()]
    low, high = math.floor(math.log10(min(map(min, curves)) / 2)), math.ceil(math.log10(max(map(max, curves))))
    width, height, left, right, top, bottom = 380, 290, 94, 370, 26, 244

    def x(rate: float) -> float:
        return left + math.log10(rate / rates[0]) / 7 * (right - left)

    def y(amount: float) -> float:
        return bottom - (math.log10(amount) - low) / (high - low) * (bottom - top)

    quota, amounts = x(QUOTA_PER_SECOND), [10.0**power for power in range(low, high + 1)]
    lines = "".join(f"M{left},{y(amount):.1f}H{right}" for amount in amounts)
    (naive, cached), risen = fleets, next(at for at, rate in enumerate(rates) if rate > 2_000)
    parts = [
        f"<path d='{lines}' stroke='{INK}' stroke-opacity='0.3'/>",
        f"<rect x='{quota:.1f}' y='{top}' width='{right - quota:.1f}' height='{bottom - top}' fill='{ORANGE}' opacity='0.2'/>",
        _text(0, 15, "dollars a month"),
        _text(right, 15, f"throttled {naive}", end=True),
        _text((left + right) / 2, height - 6, "requests a second", middle=True),
        *[_text(left - 8, y(amount) + 5, f"${amount:,.9g}", end=True) for amount in amounts],
        *[_text(x(rate), bottom + 18, f"{rate:,g}", middle=True) for rate in (0.01, 1, 100, 10_000)],
        # Left of the line that rises, and below the one that lies lower.
        _text(x(rates[risen]) - 10, y(curves[0][risen]), naive, ORANGE, end=True, bold=True),
        _text(right, y(curves[1][-1]) + 18, cached, BLUE, end=True, bold=True),
    ]
    for one, curve, colour in zip(fleets.values(), curves, COLOURS, strict=False):
        points = " ".join(f"{x(rate):.1f},{y(amount):.1f}" for rate, amount in zip(rates, curve, strict=True))
        here = f"cx='{x(one.requests_per_second):.1f}' cy='{y(one.dollars_per_month):.1f}'"
        parts.append(f"<polyline points='{points}' fill='none' stroke='{colour}' stroke-width='2.5'/>")
        parts.append(f"<circle {here} r='5' fill='{colour}'/>")
    return Chart(height, parts, f"Dollars a month over requests a second, both axes logarithmic. {title}", width)


def _room_for(names: Iterable[str]) -> float:
    """Return the pixels on the left that the longest of these names takes."""
    return max(len(name) for name in names) * LETTER + 16


def _title(title: str) -> str:
    size = min(16, WIDTH / len(title) * 1.7)  # a long one gets smaller
    return f"<text x='0' y='17' font-size='{size:.1f}' font-weight='700'>{escape(title)}</text>"


def _legend(kinds: Mapping[str, object]) -> list[str]:
    parts, x = [], 0.0
    for colour, kind in zip(COLOURS, kinds, strict=False):
        parts += [_bar(x, 32, 11, colour, 11), _text(x + 16, 42, kind)]
        x += 40 + 7.2 * len(kind)
    return parts


def _time_axis(end: float, scale: float, left: float, bottom: float) -> list[str]:
    step = next(step for step in STEPS if end / step <= 6)
    ticks = [number * step for number in range(int(end / step) + 1)]
    lines = [_line(left + tick * scale, TOP - 6, bottom) for tick in ticks]
    return lines + [_text(left + tick * scale, bottom + 17, _axis_time(tick), middle=True) for tick in ticks]


def _axis_time(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size * 0.999:
            return f"{seconds / size:g} {unit}"
    return f"{seconds * 1e9:g} ns" if seconds else "0"


def _text(x: float, y: float, text: str, fill: str = "", *, end=False, middle=False, bold=False) -> str:
    more = " text-anchor='end'" if end else " text-anchor='middle'" if middle else ""
    more += " font-weight='700'" if bold else ""
    more += f" fill='{fill}'" if fill else ""
    return f"<text x='{x:.1f}' y='{y:.1f}'{more}>{escape(text)}</text>"


def _bar(x: float, y: float, width: float, colour: str, height: float) -> str:
    return f"<rect x='{x:.1f}' y='{y:.1f}' width='{max(0, width):.1f}' height='{height:.1f}' fill='{colour}'/>"


def _line(x: float, top: float, bottom: float) -> str:
    return f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{top:.1f}' y2='{bottom:.1f}' stroke='{INK}' stroke-opacity='0.3'/>"
