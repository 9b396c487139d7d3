"""Notebooks in a real browser: the first screen, panels by keyboard, and what the W3C's rules find in both themes.

Needs a Chromium (Debian's package `chromium`); without one these tests skip. SCREENSHOTS=1 keeps pictures in build/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab_server import lab_server
from names import CHROMIUM
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import TimeoutError, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
LOOKED_AT = NOTEBOOKS[0], NOTEBOOKS[3]  # text and the plainest outputs, tables and charts; `make again` looks at all
PANELS = [
    """from helpers.widgets import cost_panel
cost_panel()""",
    """from drills.fault_lab import FAILURES, Outcome
from helpers.widgets import lab_reasons
outcomes = {failure.title: {"a way": Outcome("error", "error")} for failure in FAILURES}
lab_reasons(FAILURES, outcomes)""",
]
TABS = ".lm-DockPanel .lm-TabBar-tabLabel"
# What is open, which is in front, and how their kernels are.
STATE = """() => JSON.stringify({
    front: window.jupyterapp?.shell.currentWidget?.title.label,
    open: [...(window.jupyterapp?.shell.widgets('main') ?? [])].map(one => [
        one.title.label, one.context?.isReady, one.sessionContext?.session?.kernel?.status, one.content?.widgets?.length]),
    dialogs: [...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(one => one.innerText),
})"""
OVERFLOWING = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.outerHTML.slice(0, 200))"
SCREEN, TALL = {"width": 1280, "height": 900}, 30_000  # pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the project, arranged as `make lab` arranges it."""
    folder, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    # As the working copy is named; with the stored outputs, which are looked at here.
    shutil.copytree(ROOT / "notebooks", folder / "work", ignore=shutil.ignore_patterns("__pycache__"))
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    panels = new_notebook(cells=list(map(new_code_cell, PANELS)), metadata={"kernelspec": kernel})
    nbformat.write(panels, folder / "work" / "panels.ipynb")
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    settings = home / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"windowingMode": "none"}')  # every cell in the page, not only those in view
    command = [sys.executable, "-m", "jupyter", "lab", "--expose-app-in-browser"]
    with lab_server(command, folder, environment, home / "log") as server:
        yield server.address


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


class Page:
    """One tab with JupyterLab as it is arranged, and what went wrong in it."""

    def __init__(self, browser, lab: str) -> None:
        self.errors: list[str] = []
        self.tab = browser.new_page(viewport=SCREEN)
        self.tab.set_default_timeout(60_000)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on("console", lambda said: self.errors.append(said.text) if said.type == "error" else None)
        arrangement = json.loads((ROOT / "binder/workspace.json").read_text())["data"]
        workspace = {"data": arrangement, "metadata": {"id": "arranged"}}
        self.tab.request.put(f"{lab}/lab/api/workspaces/arranged", data=workspace)
        self.tab.goto(f"{lab}/lab/workspaces/arranged/tree/work/00_start_here.ipynb")
        # When its tabs are restored, the address doesn't come to the front once more, as it does a little later.
        self.tab.wait_for_selector(".jp-FileBrowser:not(.jp-mod-restoring)", state="attached")
        self.wait_for("00_start_here")

    def open(self, name: str) -> None:
        self.command("docmanager:open", path=f"work/{name}.ipynb")
        self.wait_for(name)

    def close_notebooks(self) -> None:
        """Close them one after the other, as JupyterLab shows the next one then, without a question whether to save."""
        self.tab.evaluate(
            """async () => {
                for (const one of [...jupyterapp.shell.widgets('main')].filter(one => one.sessionContext)) {
                    one.dispose();
                    await new Promise(done => requestAnimationFrame(() => setTimeout(done)));
                }
            }"""
        )

    def wait_for(self, name: str) -> None:
        """Wait until that notebook is in front, and its kernel idle. Raises AssertionError with what is seen instead."""
        try:
            self.tab.wait_for_function(
                """path => {
                    const current = window.jupyterapp?.shell.currentWidget;
                    return current?.context?.path === path && current.content.widgets.length
                        && current.sessionContext.session?.kernel?.status === 'idle';
                }""",
                arg=f"work/{name}.ipynb",
            )
        except TimeoutError as late:
            raise AssertionError(f"{name}: {self.tab.evaluate(STATE)}") from late

    def run_all(self) -> None:
        self.command("notebook:run-all-cells")
        self.tab.wait_for_function(
            "() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
        )

    def command(self, name: str, **arguments) -> None:
        self.tab.evaluate(
            "async ([name, args]) => { await jupyterapp.commands.execute(name, args); }", [name, arguments]
        )

    def go_to(self, cell: int) -> None:
        self.tab.evaluate(
            """async cell => {
                const content = jupyterapp.shell.currentWidget.content;
                content.activeCellIndex = cell < 0 ? content.widgets.length + cell : cell;
                await content.scrollToItem(content.activeCellIndex, 'start');
            }""",
            cell,
        )

    def go_to_cell_with(self, text: str) -> None:
        found = self.tab.evaluate(
            """text => jupyterapp.shell.currentWidget.content.widgets.findIndex(
                cell => cell.model.sharedModel.getSource().includes(text))""",
            text,
        )
        assert found >= 0
        self.go_to(found)

    def wear(self, theme: str) -> None:
        self.command("apputils:change-theme", theme=theme)
        light = "true" if theme == "JupyterLab Light" else "false"
        self.tab.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")

    def keep_a_picture(self, name: str) -> None:
        if os.environ.get("SCREENSHOTS"):
            (ROOT / "build").mkdir(exist_ok=True)
            self.tab.screenshot(path=ROOT / "build" / f"{name}.png")


@pytest.fixture(scope="module")
def one_page(browser, lab) -> Page:
    """A tab for all tests, as it takes JupyterLab seconds to load."""
    return Page(browser, lab)


@pytest.fixture
def page(one_page) -> Iterator[Page]:
    one_page.errors.clear()
    yield one_page
    assert one_page.errors == []
    assert one_page.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    one_page.close_notebooks()


def from_the_map(page: Page) -> str:
    page.tab.locator(TABS, has_text="MAP.md").click()
    page.tab.locator(".jp-MarkdownViewer a", has_text="02 Retrieve it naively").click()
    return "02_retrieve_it_naively"


def from_next(page: Page) -> str:
    page.go_to(-1)
    page.tab.locator(".jp-Notebook:visible a", has_text="cache it on the client").last.click()
    return "03_cache_it_on_the_client"


def from_the_file_browser(page: Page) -> str:
    page.command("filebrowser:activate")
    page.tab.locator(".jp-DirListing-item", has_text="04_reuse").dblclick()
    return "04_reuse_your_clients"


def test_every_first_click_opens_a_notebook_in_the_wide_area_also_at_800_pixels(page):
    """The first test, as it looks at what `make lab` opens."""
    page.tab.wait_for_selector(".jp-tocItem-content:visible >> text=What Momento advises")
    page.tab.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown >> text=You will")
    assert page.tab.locator(TABS).all_inner_texts() == ["00_start_here.ipynb", "MAP.md"]
    page.keep_a_picture("workspace")
    for click in (from_the_map, from_next, from_the_file_browser):
        page.wait_for(click(page))
        assert shown_width(page) >= 0.6 * SCREEN["width"], click.__name__
    page.tab.set_viewport_size({**SCREEN, "width": 800})
    page.open("03_cache_it_on_the_client")
    page.go_to_cell_with("watch_a_copy")
    page.keep_a_picture("narrow")
    right = "all => Math.max(...all.map(image => image.getBoundingClientRect().right))"
    assert shown_width(page) >= 440 and page.tab.locator(".jp-Notebook img").evaluate_all(right) <= 800
    page.tab.set_viewport_size(SCREEN)


def shown_width(page: Page) -> int:
    return page.tab.evaluate("jupyterapp.shell.currentWidget.node.clientWidth")


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in LOOKED_AT else pytest.mark.again) for name in NOTEBOOKS]
)
def test_it_reads_well_in_both_themes(page, name):
    """As it is stored, with the outputs that nbval compares with those of a run."""
    page.open(name)
    page.keep_a_picture(name)
    assert violations(page) == []
    page.wear("JupyterLab Dark")
    # A theme changes colours alone, and JupyterLab decides on those of the text.
    assert violations(page, ".jp-OutputArea", rules=("color-contrast",)) == []
    page.wear("JupyterLab Light")


def violations(page: Page, *of: str, rules: tuple[str, ...] = ("wcag2a", "wcag2aa")) -> list[str]:
    """Return what axe-core, the W3C's rules as tests, finds wrong in all cells, or in these parts of them.

    Left out is what JupyterLab decides: the colours of code, and links known by their colour alone.
    """
    # axe-core passes over what is clipped, and the body of JupyterLab has no height: show everything at once.
    page.tab.add_style_tag(content="html, body { height: 100vh; }")
    page.tab.set_viewport_size({**SCREEN, "height": TALL})
    page.go_to(0)
    cells = page.tab.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")
    assert page.tab.locator(".jp-Notebook .jp-Cell:visible").count() == cells
    parts = of or (".jp-RenderedMarkdown", ".jp-OutputArea")
    found = Axe().run(
        page.tab,
        context={"include": [[f".jp-Notebook {part}"] for part in parts], "exclude": [["pre > code"]]},
        options={
            "runOnly": {"type": "rule" if "color-contrast" in rules else "tag", "values": list(rules)},
            "rules": {} if "color-contrast" in rules else {"link-in-text-block": {"enabled": False}},
            "resultTypes": ["violations"],
        },
    )
    page.tab.set_viewport_size(SCREEN)
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def cost_panel_by_keyboard(page: Page) -> None:
    """Type into the fields: sentence, chart and table follow. At each width nothing is cut off."""
    page.go_to_cell_with("cost_panel")
    panel = page.tab.locator(".jp-OutputArea:has(.panel-live)")
    chart, sentence, still = panel.locator(".panel-live img"), panel.get_by_role("alert"), panel.locator(".panel-still")
    page.tab.evaluate("jupyterapp.shell.collapseLeft()")  # beside it, no phone has room for a notebook
    for width in (390, 800, 1366, 1920):
        page.tab.set_viewport_size({**SCREEN, "width": width})
        assert panel.locator("input, label, img, table").evaluate_all(OVERFLOWING) == [], width
        assert chart.evaluate("one => one.clientWidth") >= (240 if width == 390 else 380), width
        page.keep_a_picture(f"cost_panel_{width}")
    page.tab.evaluate("jupyterapp.shell.expandLeft()")
    page.tab.set_viewport_size(SCREEN)
    panel.get_by_label("requests a second").focus()
    for key in ("Control+a", *"100000", "Enter"):
        page.tab.keyboard.press(key)
    said = "At 100,000 requests a second: AWS throttles 90% of the reads without a cache, $0.40 a month"
    expect(sentence).to_contain_text(said)
    expect(chart).to_have_attribute("alt", re.compile(re.escape(said)))
    for _ in range(4):
        page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Space")
    expect(sentence).to_contain_text("$1.40 a month with AWS's library")
    expect(panel.locator(".panel-live tbody")).to_contain_text("$1.40")
    expect(still).to_be_hidden()
    page.keep_a_picture("cost_panel_throttled")


def lab_reasons_by_keyboard(page: Page) -> None:
    page.go_to_cell_with("lab_reasons(FAILURES, outcomes)")
    failure = page.tab.locator("details", has_text="A timeout says nothing about the token.")
    expect(failure.locator("ul")).to_be_hidden()
    failure.locator("summary").focus()
    page.tab.keyboard.press("Space")
    expect(failure.locator("ul")).to_be_visible()
    page.keep_a_picture("lab_reasons")


def without_its_kernel_the_last_state_is_shown(page: Page) -> None:
    """A saved notebook that is opened again has another kernel, which knows of no field."""
    page.tab.evaluate(
        """async () => {
            await jupyterapp.commands.execute('docmanager:save');
            await jupyterapp.shell.currentWidget.sessionContext.shutdown();
        }"""
    )
    page.close_notebooks()
    page.open("panels")
    expect(page.tab.locator(".panel-still")).to_contain_text("At 100,000 requests a second")
    expect(page.tab.get_by_text("Error displaying widget")).to_be_hidden()
    expect(page.tab.locator(".jp-OutputArea-output").first).to_be_hidden()
    page.keep_a_picture("cost_panel_saved")
    page.errors[:] = [error for error in page.errors if "widget model not found" not in error]


def test_the_panels_work_by_keyboard(page):
    page.open("panels")
    page.run_all()
    cost_panel_by_keyboard(page)
    lab_reasons_by_keyboard(page)
    assert violations(page) == []
    without_its_kernel_the_last_state_is_shown(page)
