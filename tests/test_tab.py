"""The core in a browser tab: every notebook of the built site, from its first cell to its last, in a headless Chromium.

Needs a Chromium (Debian's package `chromium`) and npm's Pyodide (`make .venv/browser`); without one these tests skip.
"""

from __future__ import annotations

import base64
import functools
import http.server
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from answers import code, exercises_of, shown
from names import CHROMIUM
from nbformat import NotebookNode
from playwright.sync_api import BrowserContext, Page, TimeoutError, sync_playwright

from helpers.needs_a_machine import SENTENCE

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "browser"))
import build  # noqa: E402

NOTEBOOKS = [ROOT / "notebooks" / name for name in build.names()]
SANITIZED = re.findall(r"^regex: (.*)\nreplace: (.*)$", (ROOT / "tests/sanitize.cfg").read_text("utf-8"), re.M)
CHROMIUMS_OWN = re.compile(r"(accounts|clients\d)\.google|(content-autofill|optimizationguide-pa|update)\.googleapis")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium"),
    pytest.mark.skipif(not build.packages.PYODIDE.exists(), reason="there is no Pyodide: make .venv/browser"),
    pytest.mark.timeout(300),
]


class Host(http.server.SimpleHTTPRequestHandler):
    """A plain static host, and the browser's proxy: it refuses and notes what the page would fetch from elsewhere."""

    protocol_version = "HTTP/1.1"  # which keeps connections open
    outside: list[str] = []

    def do_GET(self) -> None:
        return super().do_GET() if self.path.startswith("/") else self.do_CONNECT()

    def do_CONNECT(self) -> None:
        if not CHROMIUMS_OWN.search(self.path):
            self.outside.append(self.path)
        self.send_error(403)

    def log_message(self, *_: object) -> None: ...


class Tab(NamedTuple):
    context: BrowserContext
    address: str

    def open(self, name: str, width: int = 1280) -> Page:
        """Open a notebook and wait until a cell can run."""
        page = self.context.new_page()
        page.set_viewport_size({"width": width, "height": 800})
        page.set_default_timeout(120_000)
        page.goto(f"{self.address}?path={name}.ipynb")
        wait(page)
        return page


def wait(page: Page) -> None:
    """Wait until a cell can run. Raises AssertionError with what the page says instead."""
    try:
        page.wait_for_selector("#bar button")
    except TimeoutError as late:
        where = "[document.body.className, window.jupyterapp?.shell.currentWidget?.title.label]"
        raise AssertionError(page.inner_text("#bar") + str(page.evaluate(where))) from late


@pytest.fixture(scope="module")
def tab(tmp_path_factory) -> Iterator[Tab]:
    """The site in a folder of a host, and a browser that has never been there."""
    folder = tmp_path_factory.mktemp("host")
    build.build(folder / "a/book/try")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Host, directory=folder)) as host:
        threading.Thread(target=host.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{host.server_port}"
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=CHROMIUM,
                args=["--no-sandbox", "--disable-background-networking"],
                proxy={"server": address, "bypass": "127.0.0.1"},
            )
            yield Tab(browser.new_context(), f"{address}/a/book/try/lab/index.html")
            browser.close()
        host.shutdown()
    assert Host.outside == []


def notebook_of(page: Page) -> NotebookNode:
    return nbformat.from_dict(page.evaluate("jupyterapp.shell.currentWidget.content.model.sharedModel.toJSON()"))


def sources(notebook: NotebookNode) -> list[str]:
    return [cell.source for cell in notebook.cells]


def run_all(page: Page, notebook: Path) -> NotebookNode:
    """Run the notebook in view, with the solutions in its exercises, and return it."""
    solved = {one.blank: f"{one.blank}\n{one.solution}" for one in exercises_of(notebook).values()}
    page.evaluate(
        """async solved => {
            const { content, context } = jupyterapp.shell.currentWidget;
            for (const { sharedModel: cell } of content.model.cells)
                if (cell.getSource() in solved) cell.setSource(solved[cell.getSource()]);
            await jupyterapp.commands.execute('notebook:run-all-cells');
            await context.save();
        }""",
        solved,
    )
    return notebook_of(page)


def lines(cell: NotebookNode) -> list[str]:
    """Return what a cell shows, sanitized, in an order that doesn't depend on how a kernel sends it."""
    text = shown(cell.outputs)
    for pattern, replacement in SANITIZED:
        text = re.sub(pattern, replacement, text)
    return sorted(line for line in text.splitlines() if line.strip())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_as_on_a_machine(tab, path):
    """Every cell runs and shows what is stored, and each exercise is solved by its solution."""
    page = tab.open(path.stem)
    cells, stored = code(run_all(page, path)), code(nbformat.read(path, as_version=4))
    page.close()
    assert [output.evalue for cell in cells for output in cell.outputs if output.output_type == "error"] == []
    assert [cell.source for cell in cells if not cell.execution_count] == []
    exercises = exercises_of(path).values()
    for cell, there in zip(cells, stored, strict=True):
        if there.source in [one.check for one in exercises]:
            assert "Solved." in shown(cell.outputs)
        elif build.needs_a_machine(there):
            assert set(lines(cell)) == {SENTENCE, *lines(there)}
        elif not {"exercise", "nbval-ignore-output"} & set(there.metadata.get("tags", [])):
            assert lines(cell) == lines(there), there.source


def test_work_is_kept_and_a_fresh_copy_keeps_it_beside(tab):
    first = NOTEBOOKS[0]
    page = tab.open(first.stem)
    ran = run_all(page, first)
    page.reload()
    wait(page)
    assert [cell.outputs for cell in code(notebook_of(page))] == [cell.outputs for cell in code(ran)]
    record = page.evaluate("jupyterapp.serviceManager.contents.get('.progress.jsonl', { content: true })")
    assert b'"exercise": "ledger", "solved": true' in base64.b64decode(record["content"])
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == first.name
    assert sources(nbformat.read(download.value.path(), as_version=4)) == sources(ran)
    page.on("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Fresh copy").click()
    page.get_by_text(f"yours is {first.stem} (mine).ipynb").wait_for()
    assert not any(cell.outputs for cell in code(notebook_of(page)))
    page.close()
    page = tab.open(f"{first.stem} (mine)")
    assert sources(notebook_of(page)) == sources(ran)
    page.close()


def test_on_a_phone_the_notebook_is_wide_and_its_links_lead_to_the_book(tab):
    page = tab.open(NOTEBOOKS[-1].stem, width=390)
    assert page.locator(".jp-Notebook").evaluate("notebook => notebook.clientWidth") > 340
    page.evaluate(
        "jupyterapp.shell.currentWidget.content.scrollToItem(jupyterapp.shell.currentWidget.model.cells.length - 1)"
    )
    link = page.locator(".jp-Notebook a", has_text="rotate without downtime")
    link.hover()
    assert link.get_attribute("href").endswith("/a/book/notebooks/07_rotate_without_downtime.html")
    page.close()
