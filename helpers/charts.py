"""Charts: readable in light and dark themes, each with a text for those who can't see it.

A PNG shows everywhere: on a code-hosting site, in an editor, in JupyterLab without internet.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from .display import duration

# Middle tones, with a contrast of at least 3 to 1 on white and on JupyterLab's dark grey.
INK = "#7c7c7c"
COLOURS = ORANGE, BLUE, *_ = "#d9663b", "#3d8fbf", "#4b9b5f", "#a877bd", "#b08a2e"
STYLE: dict[Any, Any] = {
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "axes.titlecolor"), INK),
    **dict.fromkeys(("xtick.color", "ytick.color", "grid.color", "legend.labelcolor"), INK),
    **dict.fromkeys(("axes.spines.top", "axes.spines.right", "legend.frameon"), False),
    "axes.titlelocation": "left",
    "axes.titleweight": "bold",
    "axes.titlesize": 12,
    "font.size": 11,
    "grid.alpha": 0.25,
}
BOLD = {"color": INK, "fontweight": "bold", "fontsize": 10}


class Chart:
    """A figure as a picture, and the text that stands for it."""

    def __init__(self, figure: Figure, alt: str) -> None:
        self.alt = alt
        self._width = round(figure.get_figwidth() * 80)
        png = io.BytesIO()
        figure.savefig(png, format="png", dpi=160, transparent=True)
        # Broken into lines: a scanner for secrets would take one long line for a token.
        self._png = base64.encodebytes(png.getvalue()).decode()

    def _repr_html_(self) -> str:
        source = f"data:image/png;base64,{self._png}"
        return f'<img src="{source}" alt="{escape(self.alt)}" style="width: {self._width}px; max-width: 100%">'

    def __repr__(self) -> str:
        return self.alt


def _figure(height: float, columns: int = 1) -> tuple[Figure, Any]:
    """Return a figure, `height` inches high, and its axes side by side."""
    figure = Figure(figsize=(9, height), layout="constrained")
    return figure, figure.subplots(1, columns, squeeze=False)[0]


@rc_context(STYLE)
def bars_side_by_side(panels: Mapping[str, Mapping[str, float]], texts: Mapping[str, Callable[[float], str]]) -> Chart:
    """Draw horizontal bars with the same rows in each panel: `texts` says how a panel's values are written."""
    rows = list(next(iter(panels.values())))
    figure, axes = _figure(0.9 + 0.45 * len(rows), len(panels))
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        colours = [COLOURS[place % len(COLOURS)] for place in range(len(rows))]
        bars = axis.barh(rows, [values[row] for row in rows], color=colours)
        axis.bar_label(bars, [texts[title](values[row]) for row in rows], padding=4, **BOLD)
        axis.set_title(title)
        axis.invert_yaxis()
        axis.margins(x=0.25)
        axis.xaxis.set_visible(False)
        axis.yaxis.set_visible(axis is axes[0])
        axis.spines["bottom"].set_visible(False)
        axis.tick_params(left=False)
    said = (
        f"{title}: " + ", ".join(f"{row} {texts[title](value)}" for row, value in values.items())
        for title, values in panels.items()
    )
    return Chart(figure, f"Bar chart. {'. '.join(said)}.")


@rc_context(STYLE)
def stacked_bars(rows: Mapping[str, Mapping[str, float]], title: str) -> Chart:
    """Draw a bar for each row, made of its parts in seconds; every row has the same parts."""
    figure, (axis,) = _figure(1.3 + 0.5 * len(rows))
    ends = [0.0] * len(rows)
    for colour, part in zip(COLOURS, next(iter(rows.values())), strict=False):
        widths = [values[part] * 1e3 for values in rows.values()]
        axis.barh(list(rows), widths, left=ends, color=colour, label=part)
        ends = [end + width for end, width in zip(ends, widths, strict=True)]
    for number, (values, end) in enumerate(zip(rows.values(), ends, strict=True)):
        axis.annotate(duration(sum(values.values())), (end, number), (6, -4), textcoords="offset points", **BOLD)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set(xlabel="milliseconds", title=title)
    axis.tick_params(left=False)
    axis.legend(loc="lower right")
    said = (
        f"{row} {duration(sum(values.values()))} ({', '.join(f'{part} {duration(v)}' for part, v in values.items())})"
        for row, values in rows.items()
    )
    return Chart(figure, f"Stacked bar chart. {title}: {'; '.join(said)}.")


@rc_context(STYLE)
def latency_dots(values: Mapping[str, tuple[float, float]], title: str) -> Chart:
    """Draw the median and the 99th percentile of each name, in seconds, on a logarithmic axis."""
    figure, (axis,) = _figure(1.1 + 0.36 * len(values))
    for row, (median, high) in enumerate(values.values()):
        colour, end = BLUE if median < 1e-3 else ORANGE, max(high, median)
        axis.plot([median, end], [row, row], color=colour, linewidth=2, alpha=0.7)
        axis.plot(median, row, "o", color=colour, markersize=9)
        axis.plot(high, row, "|", color=colour, markersize=12, markeredgewidth=2)
        axis.annotate(duration(median), (end, row), (8, -4), textcoords="offset points", **BOLD)
    axis.set_yticks(range(len(values)), list(values))
    axis.set_ylim(len(values) - 0.5, -0.5)  # the first row on top, and no dot on an edge
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(EngFormatter("s"))  # 10 µs, 1 ms
    axis.minorticks_off()
    axis.grid(axis="x")
    axis.tick_params(left=False)
    axis.margins(x=0.12)
    axis.set(title=title, xlabel="time of one read, logarithmic; dot: median, bar: 99th percentile")
    said = ", ".join(f"{name} {duration(median)}" for name, (median, _) in values.items())
    return Chart(figure, f"Chart on a logarithmic axis. {title}, medians: {said}.")


@rc_context(STYLE)
def drill_timelines(drills: Sequence[Any], bins: int = 40) -> Chart:
    """Draw each drill's operations over time, failed ones in another colour, with a line at each rotation.

    A drill is what `drills.rotation_drill.run_drill` returns.
    """
    figure, axes = _figure(2.8, len(drills))
    for axis, drill in zip(axes, drills, strict=True):
        parts = [[when for when, succeeded in drill.finished if succeeded is wanted] for wanted in (True, False)]
        axis.hist(parts, bins, stacked=True, color=[BLUE, ORANGE], label=["succeeded", "failed"])
        for rotation in drill.rotations:
            axis.axvline(rotation, color=INK, linewidth=1, linestyle="--")
        axis.set(title=drill.name, xlabel="seconds; a dashed line is a rotation", ylabel="operations")
        axis.legend(loc="upper left", bbox_to_anchor=(0, -0.25), ncols=2)
    said = "; ".join(f"{drill.name} {len(drill.finished):,}, of which {drill.failed:,} failed" for drill in drills)
    return Chart(figure, f"Operations over time, with {len(drills[0].rotations)} rotations: {said}.")
