"""Panels of sliders, and a progress bar.

Panels run in the page (panels.js), where they need no kernel: they work in the web book too, and when a saved notebook is
opened again. Where no script runs, they show their first state.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from html import escape
from pathlib import Path
from typing import Any

from IPython.display import DisplayHandle

from . import pricing
from .display import Table, dollars
from .pricing import MONTH, Fleet

# A step of a slider is a text and a value.
DURATIONS = {
    "5 seconds": 5,
    "1 minute": 60,
    "5 minutes": 300,
    "15 minutes": 900,
    "1 hour": 3_600,
    "6 hours": 21_600,
    "1 day": 86_400,
    "1 month": MONTH,
}
RATES = [round(step * 10.0**power, 2) for power in range(-2, 5) for step in (1, 2, 5)] + [100_000]
CURVE = [10 ** (power / 8) for power in range(-16, 41)]  # 0.01 to 100,000 requests per second
START = Fleet()
BOTH = ("without a cache", "with AWS's library")
COSTS = ("calls", "dollars for calls", "for secret and key", "sum")
SCRIPT = "\n".join((Path(__file__).parent / name).read_text("utf-8") for name in ("pricing.js", "panels.js"))


class Progress:
    """A progress bar for a long measurement; `step(text)` says what comes next. Nothing of it stays."""

    def __init__(self, steps: int) -> None:
        self._steps, self._done, self._handle = steps, 0, DisplayHandle()

    def __enter__(self) -> Callable[[str], None]:
        self._handle.display({}, raw=True)
        return self.step

    def step(self, text: str) -> None:
        self._done += 1
        bar = f'<progress value="{self._done}" max="{self._steps}"></progress>'
        self._handle.update({"text/html": f"<label>{bar} {escape(text)}</label>"}, raw=True)

    def __exit__(self, *_: object) -> None:
        self._handle.update({}, raw=True)


class Panel:
    """Controls and what they lead to: `kind` names the function of panels.js that draws it from `data`.

    A control is a name, a text, the steps of a slider (none for a check box), and the first step.
    """

    def __init__(self, kind: str, controls: Sequence[tuple], data: dict[str, Any], start: str, plain: str) -> None:
        self.kind, self.data, self.start, self.plain = kind, {"controls": controls, **data}, start, plain

    def _repr_html_(self) -> str:
        # What stands between two dollar signs is no formula: JupyterLab and the book each know one of these classes.
        data = json.dumps(self.data).replace("<", "\\u003c")
        return (
            f'<div class="live-panel mathjax_ignore tex2jax_ignore" data-panel="{self.kind}">'
            f'<script type="application/json">{data}</script><div>{self.start}</div></div>'
            f"<script>(() => {{\n{SCRIPT}}})();</script>"
        )

    def __repr__(self) -> str:
        return self.plain


def cost_panel() -> Panel:
    """Return a slider for each field of the cost model; a chart and a table follow."""
    lifetimes, ttls = list(DURATIONS.items())[1:], list(DURATIONS.items())[:-1]
    controls = [
        _slider("requests_per_second", "requests a second", _numbers(RATES)),
        _slider("processes", "processes", _numbers([1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000])),
        _slider("lifetime", "a process lives", lifetimes),
        _slider("ttl", "TTL of a copy", ttls),
        ("customer_key", "with a KMS key of your own", (), 0),
    ]
    without, cached = fleets = START, replace(START, way=pricing.AWS_LIBRARY)
    title = (
        f"At {START.requests_per_second:,g} requests a second: {dollars(without.dollars_per_month)} {BOTH[0]}, "
        f"{dollars(cached.dollars_per_month)} {BOTH[1]}"
    )
    table = Table(("", *BOTH), list(zip(COSTS, *map(_costs_of, fleets), strict=True)), "A month")
    data = {"prices": prices(), "ways": BOTH, "rates": CURVE, "rows": COSTS}
    return Panel(
        "cost", controls, data, f"<strong>{title}</strong>{table._repr_html_()}", f"A panel of sliders. {title}."
    )


def _costs_of(fleet: Fleet) -> tuple[str, ...]:
    """Return a column of the table."""
    amounts = (fleet.dollars_for_calls, fleet.dollars_for_keeping, fleet.dollars_per_month)
    return f"{fleet.calls_per_month:,.0f}", *map(dollars, amounts)


def prices() -> dict[str, float]:
    """Return what pricing.js takes from pricing.py, under the same names."""
    amounts = {name: one.amount for name, one in vars(pricing).items() if isinstance(one, pricing.Price)}
    return {"MONTH": MONTH, "QUOTA_PER_SECOND": pricing.QUOTA_PER_SECOND, **amounts}


def lab_panel(failures: Sequence[Any], outcomes: Mapping[str, Mapping[str, Any]]) -> Panel:
    """Return a slider over the failures of the fault lab: what each way did in this run, what is right, and why."""
    columns, steps = ("Way", "What it did", "Right"), []
    for failure in failures:
        rows = [
            (way, outcome.text, "yes" if outcome.kind == failure.right else "no")
            for way, outcome in outcomes[failure.title].items()
        ]
        said = f"Right is: {failure.right}. {failure.why}"
        steps.append((failure.title, {"title": failure.title, "said": said, "rows": rows}))
    first = steps[0][1]
    start = f"<p>{escape(first['said'])}</p>{Table(columns, first['rows'])._repr_html_()}"
    controls = [("failure", "Failure", steps, 0)]
    return Panel("lab", controls, {"columns": columns}, start, f"A slider over {len(steps)} failures")


def _slider(field: str, text: str, steps: Sequence[tuple[str, float]]) -> tuple:
    """Return a slider that starts at the value of START."""
    return field, text, steps, [value for _, value in steps].index(asdict(START)[field])


def _numbers(values: Any) -> list[tuple[str, float]]:
    return [(f"{value:,g}", value) for value in values]
