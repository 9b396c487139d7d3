"""A panel that follows what is typed into it, reasons to fold out, and a progress bar."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from html import escape
from typing import Any

import ipywidgets
from IPython.display import DisplayHandle, display

from .charts import cost_curves
from .display import NO_FORMULA, Table, dollars
from .pricing import AWS_LIBRARY, MONTH, Fleet


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


# What a panel shows is stored as HTML, too: for a saved notebook, the book, and code-hosting sites. With a kernel the style
# hides it. Without one, the style hides the widget, in whose place JupyterLab has "Error displaying widget: model not found".
STILL = """<div class="panel-still {}">{}</div><style>
:has(.panel-live) ~ * .panel-still,
.jp-OutputArea-child:has(+ * .panel-still):not(:has(> .jp-OutputArea-output > *)) {{ display: none }}
</style>"""


def panel(fields: Mapping[str, Any], draw: Callable[..., tuple[str, str]]) -> None:
    """Show fields, and what `draw` makes of their values: a sentence, and HTML. The kernel draws it again at each change."""
    live, still = ipywidgets.HTML(), DisplayHandle()

    def drawn() -> dict[str, str]:
        try:
            said, html = draw(**{name: field.value for name, field in fields.items()})
        except Exception as error:  # outside a cell, it would only reach a log that nobody reads
            said, html = f"This can't be drawn. {type(error).__name__}: {error}", ""
        sentence = f"<strong>{escape(said)}</strong>"
        # The sentence is a new element at each change; a screen reader reads such a one out only if it is an alert.
        live.value = f'<div class="panel-live jp-RenderedHTMLCommon"><p role="alert">{sentence}</p>{html}</div>'
        return {"text/plain": said, "text/html": STILL.format(NO_FORMULA, f"<p>{sentence}</p>{html}")}

    columns = ipywidgets.Layout(grid_template_columns="repeat(auto-fit, min(100%, 17rem))", grid_gap="0 2rem")
    for field in fields.values():
        field.style.description_width, field.layout.width = "11rem", "100%"
        field.observe(lambda _: still.update(drawn(), raw=True), "value")
    first = drawn()
    view = ipywidgets.VBox([ipywidgets.GridBox([*fields.values()], layout=columns), live])._repr_mimebundle_()
    display({kind: data for kind, data in view.items() if kind != "text/plain"}, raw=True)
    still.display(first, raw=True)


def cost_panel() -> None:
    """Show a field for each number of the cost model; a chart and a table follow what is typed.

    Fields for numbers: JupyterLab takes the keys from a list, and a slider tells a screen reader its position.
    """
    start = Fleet()

    def number(text: str, value: float, least: float, most: float, kind: Any = ipywidgets.BoundedFloatText) -> Any:
        return kind(value, min=least, max=most, description=text)

    fields = {
        "rate": number("requests a second", start.requests_per_second, 0.01, 100_000),
        "processes": number("processes", start.processes, 1, 1_000, ipywidgets.BoundedIntText),
        "lifetime": number("a process lives, in minutes", start.lifetime / 60, 1, MONTH / 60),
        "ttl": number("TTL of a copy, in minutes", start.ttl / 60, 0.1, MONTH / 60),
        "customer_key": ipywidgets.Checkbox(description="a KMS key of your own", indent=False),
    }
    panel(fields, costs)


def costs(rate: float, processes: int, lifetime: float, ttl: float, customer_key: bool) -> tuple[str, str]:
    """Return the message of a month's costs, and the chart and the table that show it."""
    naive = Fleet(rate, processes, lifetime * 60, ttl * 60, customer_key=customer_key)
    ways = {"without a cache": naive, "with AWS's library": replace(naive, way=AWS_LIBRARY)}

    def cost(fleet: Fleet) -> str:
        throttled = round(100 - 100 / max(1, fleet.share_of_quota))
        return (
            f"AWS throttles {throttled}% of the reads" if throttled else f"{dollars(fleet.dollars_per_month)} a month"
        )

    requests = "request" if rate == 1 else "requests"
    said = f"At {rate:,.9g} {requests} a second: " + ", ".join(f"{cost(one)} {way}" for way, one in ways.items())
    amounts = {
        "calls": lambda one: f"{one.calls_per_month:,.0f}",
        "dollars for calls": lambda one: dollars(one.dollars_for_calls),
        "for secret and key": lambda one: dollars(one.dollars_for_keeping),
        "sum": lambda one: dollars(one.dollars_per_month),
    }
    rows = [(name, *map(amount, ways.values())) for name, amount in amounts.items()]
    given = f"Processes: {processes:,}. Minutes: lifetime {lifetime:,.9g}, TTL {ttl:,.9g}."
    table = Table(("", *ways), rows, f"A month. {given}")
    chart = cost_curves(ways, f"{said}.")
    parts = f"{chart._repr_html_()}<div>{table._repr_html_()}</div>"
    return f"{said}.", f'<div style="display: flex; flex-wrap: wrap; gap: 0 2rem; align-items: center">{parts}</div>'


def lab_reasons(failures: Sequence[Any], outcomes: Mapping[str, Mapping[str, Any]]) -> None:
    """Show the failures of the fault lab to fold out: what is right, why, and what each way did in this run."""
    plain, parts = [], []
    for failure in failures:
        of_ways = outcomes[failure.title].items()
        did = [f"{'✓' if one.kind == failure.right else '✗'} {way}: {one.text}" for way, one in of_ways]
        plain.append(f"{failure.title}: {failure.right}. {failure.why} {', '.join(did)}")
        summary = f"<summary><strong>{escape(failure.title)}</strong>: {escape(failure.right)}</summary>"
        items = "".join(f"<li>{escape(one)}</li>" for one in did)
        parts.append(f"<details>{summary}{escape(failure.why)}<ul>{items}</ul></details>")
    display({"text/plain": "\n".join(plain), "text/html": "".join(parts)}, raw=True)
