"""Figures: they read in light and dark, say their unit, and carry a text for those who can't see them.

Matplotlib, because a PNG shows everywhere: on a code-hosting site, in JupyterLab without internet, in an editor.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
        self._png = base64.b64encode(png.getvalue()).decode()

    def _repr_html_(self) -> str:
        source = f"data:image/png;base64,{self._png}"
        return f'<img src="{source}" alt="{escape(self.alt)}" style="width: {self._width}px; max-width: 100%">'

    def __repr__(self) -> str:
        return self.alt


def new_figure(columns: int = 1, height: float = 2.6):
    """A transparent figure with `columns` axes side by side, in our colours; height in inches."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    style = {
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
            rows, [values[row] for row in rows], color=[COLOURS[i % len(COLOURS)] for i in range(len(rows))]
        )
        axis.bar_label(bars, [texts[title](values[row]) for row in rows], padding=4, color=INK, fontweight="bold")
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
