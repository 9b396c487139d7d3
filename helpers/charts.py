"""Figures: they read in light and dark, say their unit, and carry a text for those who can't see them.

Matplotlib, because a PNG shows everywhere: on a code-hosting site, in JupyterLab without internet, in an editor.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .display import duration

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from drills.rotation_drill import Drill

# Middle tones: each has a contrast of at least 3 to 1 on white and on JupyterLab's dark grey alike.
INK = "#7c7c7c"
COLOURS = ("#d9663b", "#3d8fbf", "#4b9b5f", "#a877bd", "#b08a2e")
WIDTH = 9.0  # inches


class Chart:
    """A drawn figure and the text that stands for it."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.alt = alt
        self._width = round(figure.get_figwidth() * 80)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=160, transparent=True)
        # in lines, as MIME has it: a figure should not look like a long token to those who scan notebooks for one
        self._png = base64.encodebytes(png.getvalue()).decode()

    def _repr_html_(self) -> str:
        source = f"data:image/png;base64,{self._png}"
        return f'<img src="{source}" alt="{escape(self.alt)}" style="width: {self._width}px; max-width: 100%">'

    def __repr__(self) -> str:
        return self.alt


def new_figure(columns: int = 1, height: float = 2.6):
    """A transparent figure with `columns` axes side by side, in our colours; height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style: dict[Any, Any] = {
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
        "font.size": 11,
        "axes.titlesize": 12,
        "axes.titleweight": "bold",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with rc_context(style):
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, axes


def bars_side_by_side(panels: Mapping[str, Mapping[str, float]], texts: Mapping[str, Callable[[float], str]]) -> Chart:
    """Horizontal bars with the same rows in every panel.

    `panels` maps a title, with its unit, to the value of each row; `texts` maps it to how a value is written.
    """
    rows = list(next(iter(panels.values())))
    figure, axes = new_figure(len(panels), height=0.9 + 0.45 * len(rows))
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        bars = axis.barh(
            rows,
            [values[row] for row in rows],
            color=[COLOURS[i % len(COLOURS)] for i in range(len(rows))],
        )
        axis.bar_label(
            bars,
            [texts[title](values[row]) for row in rows],
            padding=4,
            color=INK,
            fontweight="bold",
        )
        axis.set_title(title, loc="left", color=INK)
        axis.invert_yaxis()
        axis.margins(x=0.25)
        axis.xaxis.set_visible(False)
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(left=False)
    for axis in axes[1:]:
        axis.yaxis.set_visible(False)
    said = (
        f"{title}: " + ", ".join(f"{row} {texts[title](value)}" for row, value in values.items())
        for title, values in panels.items()
    )
    return Chart(figure, "Bar chart. " + ". ".join(said) + ".")


def stacked_bars(rows: Mapping[str, Mapping[str, float]], title: str) -> Chart:
    """For each row a bar made of its parts, in seconds; every row has the same parts."""
    figure, (axis,) = new_figure(height=1.3 + 0.5 * len(rows))
    parts = list(next(iter(rows.values())))
    left = dict.fromkeys(rows, 0.0)
    for colour, part in zip(COLOURS, parts, strict=False):
        widths = [values[part] * 1e3 for values in rows.values()]
        axis.barh(list(rows), widths, left=list(left.values()), color=colour, label=part)
        left = {row: start + width for (row, start), width in zip(left.items(), widths, strict=True)}
    for number, (row, end) in enumerate(left.items()):
        total = duration(sum(rows[row].values()))
        axis.annotate(total, (end, number), (6, -4), textcoords="offset points", color=INK, fontweight="bold")
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlabel("milliseconds")
    axis.set_title(title, loc="left", color=INK)
    axis.tick_params(left=False)
    axis.legend(frameon=False, loc="lower right", labelcolor=INK)
    said = (
        f"{row} {duration(sum(values.values()))} ({', '.join(f'{part} {duration(v)}' for part, v in values.items())})"
        for row, values in rows.items()
    )
    return Chart(figure, f"Stacked bar chart. {title}: {'; '.join(said)}.")


def latency_dots(values: Mapping[str, tuple[float, float]], title: str) -> Chart:
    """For each name the median and the 99th percentile, in seconds, on a logarithmic axis."""
    figure, (axis,) = new_figure(height=1.1 + 0.36 * len(values))
    for row, (name, (median, high)) in enumerate(values.items()):
        colour = COLOURS[1] if median < 1e-3 else COLOURS[0]
        axis.plot([median, max(high, median)], [row, row], color=colour, linewidth=2, alpha=0.7)
        axis.plot(median, row, "o", color=colour, markersize=9)
        axis.plot(high, row, "|", color=colour, markersize=12, markeredgewidth=2)
        axis.annotate(
            duration(median),
            (max(high, median), row),
            (8, -4),
            textcoords="offset points",
            color=INK,
            fontweight="bold",
        )
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.5, -0.5)  # the first on top, and no dot on an edge
    _time_axis(axis)
    axis.margins(x=0.12)
    axis.set_title(title, loc="left", color=INK)
    axis.set_xlabel("time of one read, logarithmic; dot: median, bar: 99th percentile")
    said = ", ".join(f"{name} {duration(median)}" for name, (median, _) in values.items())
    return Chart(figure, f"Chart on a logarithmic axis. {title}, medians: {said}.")


def _time_axis(axis) -> None:
    """A logarithmic x axis in seconds, its ticks written with a unit that fits."""
    axis.set_xscale("log")
    ticks = {
        1e-8: "10 ns",
        1e-7: "0.1 µs",
        1e-6: "1 µs",
        1e-5: "10 µs",
        1e-4: "0.1 ms",
        1e-3: "1 ms",
        1e-2: "10 ms",
        0.1: "0.1 s",
        1.0: "1 s",
    }
    axis.set_xticks(list(ticks), list(ticks.values()))
    axis.minorticks_off()
    axis.grid(axis="x", color=INK, alpha=0.25)
    axis.tick_params(left=False)


def cost_lines(
    curves: Mapping[str, Sequence[tuple[float, float]]],
    here: float,
    throttled_from: float,
    break_even: float,
) -> Chart:
    """Dollars per month over requests per second, both logarithmic; `here` marks the chosen rate."""
    figure, (axis,) = new_figure(height=3.6)
    for colour, dashes, (name, points) in zip(COLOURS, ("-", "-", (0, (2, 2))), curves.items(), strict=False):
        xs, ys = zip(*points, strict=True)
        axis.plot(xs, ys, color=colour, linestyle=dashes, linewidth=2.5, label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xlim(xs[0], xs[-1])
    axis.axvline(here, color=INK, linewidth=1.5, linestyle="--")
    axis.axvspan(min(throttled_from, xs[-1]), xs[-1], color=COLOURS[0], alpha=0.15)
    bottom, top = axis.get_ylim()
    axis.annotate(" your rate", (here, bottom * 2.5), color=INK, fontweight="bold")
    if throttled_from < xs[-1]:
        axis.annotate(
            " throttled without a cache",
            (throttled_from, top),
            color=INK,
            va="top",
            ha="right",
            fontweight="bold",
        )
    axis.set_xlabel("requests per second")
    axis.set_ylabel("US dollars per month")
    axis.yaxis.set_major_formatter(lambda value, _: f"${value:,.0f}" if value >= 1 else f"${value:g}")
    axis.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.grid(color=INK, alpha=0.25)
    axis.minorticks_off()
    axis.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, 0.9), labelcolor=INK)
    ranges = "; ".join(f"{name} from ${points[0][1]:,.2f} to ${points[-1][1]:,.2f}" for name, points in curves.items())
    said = (
        f"Lines on logarithmic axes: US dollars per month over {xs[0]:,g} to {xs[-1]:,g} requests per second: {ranges}. "
        f"Your rate is {here:,g} requests per second. Without a cache, calls cost more than the secret itself from "
        f"{break_even:,.3g}, and AWS throttles from {throttled_from:,.0f}."
    )
    return Chart(figure, said)


def drill_timelines(drills: Sequence[Drill], bins: int = 40) -> Chart:
    """For each drill its operations over time, those that failed in another colour, and a line at each rotation."""
    figure, axes = new_figure(columns=len(drills), height=2.8)
    for axis, drill in zip(axes, drills, strict=True):
        parts = {
            name: [when for when, succeeded in drill.finished if succeeded is wanted]
            for name, wanted in (("succeeded", True), ("failed", False))
        }
        axis.hist(
            list(parts.values()),
            bins,
            stacked=True,
            color=[COLOURS[1], COLOURS[0]],
            label=list(parts),
        )
        for rotation in drill.rotations:
            axis.axvline(rotation, color=INK, linewidth=1, linestyle="--")
        axis.set_title(drill.name, loc="left", color=INK)
        axis.set_xlabel("seconds; a dashed line is a rotation")
        axis.set_ylabel("operations")
        axis.legend(frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(0, -0.25), ncols=2)
    said = "; ".join(f"{drill.name} {len(drill.finished):,}, of which {drill.failed:,} failed" for drill in drills)
    return Chart(figure, f"Operations over time, with {len(drills[0].rotations)} rotations: {said}.")
