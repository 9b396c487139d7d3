"""Interactive panels and the progress bar. Each has a plain form for where no kernel runs, and works by keyboard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets
from IPython.display import display

from .charts import cost_lines
from .display import Note, Table, dollars
from .pricing import (
    MONTH,
    NO_CACHE,
    WAYS,
    Around,
    Fleet,
    PricingError,
    break_even,
    throttled_from,
)

_VIEW = "application/vnd.jupyter.widget-view+json"


def show_live_only(widget: ipywidgets.Widget) -> None:
    """Show a widget while the notebook runs, and nothing in the stored notebook."""
    display({_VIEW: widget._repr_mimebundle_()[_VIEW]}, raw=True)


class Progress:
    """A progress bar for a long measurement; `step(text)` says what comes next. Gone when the `with` block ends."""

    def __init__(self, steps: int) -> None:
        self._bar = ipywidgets.IntProgress(value=0, max=steps, layout={"width": "22em"})
        self._text = ipywidgets.Label()
        self._box = ipywidgets.HBox([self._bar, self._text])

    def __enter__(self) -> Callable[[str], None]:
        show_live_only(self._box)
        return self.step

    def step(self, text: str) -> None:
        self._text.value = text
        self._bar.value += 1

    def __exit__(self, *_) -> None:
        self._box.close()


class Panel:
    """Controls, and below them HTML that `draw(**values)` makes anew for every change.

    Where no kernel runs, the HTML for the values at the start stands in its place.
    """

    def __init__(self, draw: Callable[..., str], controls: dict[str, ipywidgets.Widget], plain: str) -> None:
        self._draw, self._controls, self._plain = draw, controls, plain
        self._html = ipywidgets.HTML()
        for control in controls.values():
            control.observe(self._redraw, names="value")
        self._redraw()
        self._start = self._html.value
        grid = ipywidgets.GridBox(
            list(controls.values()),
            layout={"grid_template_columns": "repeat(auto-fit, minmax(22em, 1fr))"},
        )
        self.widget = ipywidgets.VBox([grid, self._html])

    def _redraw(self, _: Any = None) -> None:
        self._html.value = self._draw(**{name: control.value for name, control in self._controls.items()})

    def _repr_mimebundle_(self, **_) -> dict[str, Any]:
        view = self.widget._repr_mimebundle_()[_VIEW]
        return {_VIEW: view, "text/html": self._start, "text/plain": self._plain}


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
RATES = [10 ** (power / 8) for power in range(-16, 41)]  # 0.01 to 100,000 requests per second


def cost_panel() -> Panel:
    """Sliders for everything that the cost model takes; the chart and the table follow."""
    style, layout = {"description_width": "11em"}, {"width": "98%"}

    def control(kind: type, description: str, **what: Any) -> ipywidgets.Widget:
        return kind(description=description, style=style, layout=layout, **what)

    slider, choice = ipywidgets.IntSlider, ipywidgets.SelectionSlider
    controls = {
        "requests_per_second": control(
            ipywidgets.FloatLogSlider,
            "requests per second",
            value=100,
            min=-2,
            max=5,
            step=0.25,
            readout_format=",.4g",
        ),
        "processes": control(choice, "processes", options=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000], value=10),
        "lifetime": control(choice, "a process lives", options=list(DURATIONS.items())[1:], value=86_400),
        "ttl": control(choice, "time to live of a copy", options=list(DURATIONS.items())[:-1], value=3_600),
        "secrets": control(slider, "secrets", value=1, min=1, max=20),
        "replicas": control(slider, "replicas of each", value=0, min=0, max=5),
        "customer_key": control(ipywidgets.Checkbox, "with a customer managed KMS key", value=False, indent=False),
    }
    for one in controls.values():
        if hasattr(one, "continuous_update"):
            one.continuous_update = False
    return Panel(
        draw_costs,
        controls,
        "A panel of sliders: requests, processes, TTL; a chart and a table of dollars per month.",
    )


def draw_costs(**values: Any) -> str:
    """HTML of the chart and of the table beside it, for the fields of `Fleet`; for a bad value a sentence instead."""
    try:
        fleets = {way: Fleet(way=way, **values) for way in WAYS}
    except (PricingError, TypeError) as error:
        return Note(str(error), mood="bad")._repr_html_()
    naive = fleets[NO_CACHE]
    curves = {
        way: [(rate, replace(fleet, requests_per_second=rate).dollars_per_month) for rate in RATES]
        for way, fleet in fleets.items()
    }
    chart = cost_lines(curves, naive.requests_per_second, throttled_from(naive), break_even(naive))
    return chart._repr_html_() + cost_table(fleets.values())._repr_html_() + f"<p>{escape(_in_words(naive))}</p>"


def forgotten_panel(fleet: Fleet) -> Panel:
    """What stands around the calls of this fleet, all of it off at first; the table follows."""
    style, layout = {"description_width": "16em"}, {"width": "98%"}

    def slider(description: str, most: int, step: int = 1) -> ipywidgets.IntSlider:
        return ipywidgets.IntSlider(
            description=description,
            max=most,
            step=step,
            style=style,
            layout=layout,
            continuous_update=False,
        )

    controls = {
        "nat_gateways": slider("zones with a NAT gateway", 3),
        "endpoint_zones": slider("zones with an endpoint", 3),
        "trail_copies": slider("further copies of CloudTrail", 3),
        "extension_megabytes": slider("MB for a Lambda extension", 512, 64),
    }
    return Panel(
        lambda **chosen: forgotten_table(fleet, {"as chosen": Around(**chosen)})._repr_html_(),
        controls,
        "A panel of sliders: NAT gateways, endpoints, copies of CloudTrail, an extension's memory.",
    )


def forgotten_table(fleet: Fleet, around: Mapping[str, Around]) -> Table:
    """Dollars a month: the fleet's own, and for each row what stands around its calls."""
    parts = list(Around().bill(fleet))
    rows = []
    for name, one in around.items():
        bill = one.bill(fleet)
        total = fleet.dollars_per_month + sum(bill.values())
        rows.append(
            (
                name,
                dollars(fleet.dollars_per_month),
                *(dollars(bill[part]) for part in parts),
                dollars(total),
            )
        )
    columns = ("Around it", "Secrets Manager", *parts, "Sum")
    return Table(columns, rows, f"Dollars a month, {fleet.calls_per_month:,.0f} calls")


def cost_table(fleets) -> Table:
    """One row for each fleet: what it calls and costs in a month."""
    rows = [
        (
            fleet.way,
            f"{fleet.calls_per_month:,.0f}",
            *(
                dollars(fleet.bill().get(part, 0.0))
                for part in ("API calls", "keeping the secrets", "customer managed key")
            ),
            dollars(fleet.dollars_per_month),
            f"{fleet.share_of_quota:.2%}" + (" – throttled" if fleet.share_of_quota > 1 else ""),
        )
        for fleet in fleets
    ]
    columns = (
        "Way",
        "Calls a month",
        "API calls",
        "Keeping the secrets",
        "KMS key",
        "Sum",
        "Of the quota",
    )
    return Table(columns, rows, "Dollars per month")


def _in_words(naive: Fleet) -> str:
    return (
        f"Without a cache, calls cost more than keeping the secret from {break_even(naive):,.3g} requests per second on; "
        f"AWS throttles from {throttled_from(naive):,.0f} on, and calls that it refuses are not billed here."
    )


def lab_panel(failures: Sequence[Any], outcomes: Mapping[str, Mapping[str, Any]]) -> Panel:
    """A slider over the troubles of the fault lab: what each way did in this run, what is right, and why.

    No drop-down menu: in a notebook JupyterLab takes its arrow keys and moves to another cell.
    """
    troubles = {trouble.title: trouble for trouble in failures}

    def draw(title: str) -> str:
        trouble = troubles[title]
        rows = [
            (way, outcome.text, "yes" if outcome.kind == trouble.right else "no")
            for way, outcome in outcomes[title].items()
        ]
        table = Table(("Way", "What it did", "Right"), rows)
        said = f"Right is: {trouble.right}. {trouble.why}"
        return f"<p>{escape(said)}</p>{table._repr_html_()}"

    slider = ipywidgets.SelectionSlider(options=list(troubles), description="Failure", layout={"width": "98%"})
    return Panel(draw, {"title": slider}, f"A slider over {len(troubles)} troubles")
