"""Every notebook in a real browser: JupyterLab shows it in both themes, and nothing is wrong on the screen.

Needs a Chromium (Debian's package `chromium`); without one these tests skip. SCREENSHOTS=1 keeps pictures in build/.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from lab_server import lab_server
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import TimeoutError, expect, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
NEXT = dict(pairwise(NOTEBOOKS))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PANELS = [
    """from helpers.pricing import Fleet
from helpers.widgets import cost_panel, forgotten_panel
display(cost_panel(), forgotten_panel(Fleet()))""",
    """from drills.fault_lab import TROUBLES, Outcome
from helpers.widgets import lab_panel
outcomes = {trouble.title: {"a way": Outcome("works", "works")} for trouble in TROUBLES}
lab_panel(TROUBLES, outcomes)""",
]
TABS = ".lm-DockPanel .lm-TabBar-tabLabel"
# What is open, which is in front, and how their kernels are.
STATE = """() => JSON.stringify({
    front: window.jupyterapp?.shell.currentWidget?.title.label,
    open: [...(window.jupyterapp?.shell.widgets('main') ?? [])].map(one => [
        one.title.label, one.context?.isReady, one.sessionContext?.session?.kernel?.status,
        one.sessionContext?.session?.kernel?.connectionStatus, one.content?.widgets?.length]),
    dialogs: [...document.querySelectorAll('.jp-Dialog, .Toastify__toast')].map(one => one.innerText),
})"""
SCREEN, TALL = {"width": 1280, "height": 900}, 30_000  # pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium"),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the project, opened as `make lab` opens it."""
    folder, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    # As the working copy is named; with the stored outputs, which are looked at here.
    parts = {"notebooks": "work", **{part: part for part in ("drills", "exercises", "helpers", "sandbox", "binder")}}
    for part, place in parts.items():
        shutil.copytree(ROOT / part, folder / place, ignore=shutil.ignore_patterns("__pycache__"))
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
    jupyter = [sys.executable, "-m", "jupyter"]
    subprocess.run(
        [*jupyter, "lab", "workspaces", "import", "binder/workspace.json"],
        cwd=folder,
        env=environment,
        check=True,
        capture_output=True,
    )
    command = [*jupyter, "lab", "--expose-app-in-browser"]
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
    """One tab with JupyterLab, and what went wrong in it."""

    def __init__(self, browser, lab: str, workspace: str) -> None:
        self.errors: list[str] = []
        self.tab = browser.new_page(viewport=SCREEN)
        self.tab.set_default_timeout(60_000)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )
        self.go_to_address(f"{lab}/lab/workspaces/{workspace}", "00_start_here")

    def go_to_address(self, workspace: str, name: str) -> None:
        """Load JupyterLab at the address of a notebook, until a click leads elsewhere for good.

        Its tabs are restored then, and the address won't come to the front once more, as it does a little later.
        """
        self.tab.goto(f"{workspace}/tree/work/{name}.ipynb")
        self.tab.wait_for_selector(".jp-FileBrowser:not(.jp-mod-restoring)", state="attached")
        self.wait_for(name)

    def open(self, name: str) -> None:
        self.command("docmanager:open", path=f"work/{name}.ipynb")
        self.wait_for(name)

    def close_notebooks(self) -> None:
        """Without a question whether to save them."""
        self.tab.evaluate(
            """() => { [...jupyterapp.shell.widgets('main')].filter(one => one.context).forEach(one => one.dispose()); }"""
        )

    def wait_for(self, name: str) -> None:
        """Until that notebook is in front, and its kernel idle."""
        self.wait_until(name, "current?.sessionContext.session?.kernel?.status === 'idle'")

    def wait_until_shown(self, name: str) -> None:
        self.wait_until(name, "current?.content.widgets?.length")

    def wait_until(self, name: str, condition: str) -> None:
        """Until that notebook is in front and the condition holds. Raises AssertionError that says what is seen instead."""
        try:
            self.tab.wait_for_function(
                f"""path => {{
                    const current = window.jupyterapp?.shell.currentWidget;
                    return current?.context?.path === path && {condition};
                }}""",
                arg=f"work/{name}.ipynb",
            )
        except TimeoutError as late:
            raise AssertionError(f"{name}: {condition}: {self.tab.evaluate(STATE)}") from late

    def run_all(self) -> list[dict]:
        """Run all cells, and return the notebook's code cells as they are then."""
        self.command("notebook:run-all-cells")
        self.tab.wait_for_function(
            """() => jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"""
        )
        model = self.tab.evaluate("jupyterapp.shell.currentWidget.content.model.toJSON()")
        return [cell for cell in model["cells"] if cell["cell_type"] == "code"]

    def command(self, name: str, **arguments) -> None:
        self.tab.evaluate(
            "async ([name, args]) => { await jupyterapp.commands.execute(name, args); }",
            [name, arguments],
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
    """A tab for most tests, as it takes JupyterLab seconds to load."""
    return Page(browser, lab, "tests")


@pytest.fixture
def page(one_page) -> Iterator[Page]:
    one_page.errors.clear()
    yield one_page
    one_page.close_notebooks()


def cost_panel_by_keyboard(page: Page) -> None:
    """Move the first slider, then tab on to the last control, a check box: the chart follows both."""
    page.go_to_cell_with("cost_panel")
    panel = page.tab.locator(".live-panel[data-panel=cost]")
    chart, rate = panel.locator("svg[role=img]"), panel.locator("input").first
    for width in (800, 1366, 1920):
        page.tab.set_viewport_size({**SCREEN, "width": width})
        widths = panel.locator("input[type=range]").evaluate_all("all => all.map(one => one.clientWidth)")
        assert min(widths) >= 200, width
    page.tab.set_viewport_size(SCREEN)
    rate.focus()
    page.tab.keyboard.press("ArrowRight")
    expect(rate).to_have_attribute("aria-valuetext", "200")
    expect(chart).to_have_attribute("aria-label", re.compile("no cache \\$2,592.40"))
    for _ in range(6):
        page.tab.keyboard.press("Tab")
    page.tab.keyboard.press("Space")
    expect(panel.locator("tbody")).to_contain_text("$1.00")
    # The one below it: a first zone gets a NAT gateway, and the table has its price.
    other = page.tab.locator(".live-panel[data-panel=forgotten]")
    price = other.locator("tbody td").nth(2)
    expect(price).to_have_text("$0.00")
    other.locator("input").first.focus()
    page.tab.keyboard.press("ArrowRight")
    expect(price).not_to_have_text("$0.00")


def lab_panel_by_keyboard(page: Page) -> None:
    """Move on to the second trouble: the table follows."""
    page.go_to_cell_with("lab_panel(TROUBLES, outcomes)")
    panel = page.tab.locator(".live-panel[data-panel=lab]")
    panel.locator("input").focus()
    page.tab.keyboard.press("ArrowRight")
    expect(panel).to_contain_text("A timeout says nothing about the token.")
    page.keep_a_picture("lab_panel")


def the_panels_outlive_their_kernel(page: Page) -> None:
    page.tab.evaluate(
        """async () => {
            await jupyterapp.commands.execute('docmanager:save');
            await jupyterapp.shell.currentWidget.sessionContext.shutdown();
        }"""
    )
    page.close_notebooks()
    page.open("panels")
    cost_panel_by_keyboard(page)


# `make again` looks at all of them.
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=() if name == NOTEBOOKS[0] else pytest.mark.again) for name in NOTEBOOKS],
)
def test_it_reads_well_in_both_themes_and_leads_to_the_next(page, name):
    """As it is stored, with the outputs that nbval compares with those of a run."""
    page.open(name)
    look_at(page, name)


@pytest.mark.again
@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_in_jupyterlab(page, name):
    page.open(name)
    cells = page.run_all()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output["output_type"] for cell in cells for output in cell["outputs"]]
    assert "error" not in kinds
    look_at(page, name)


def test_the_panels_work_by_keyboard(page):
    page.open("panels")
    page.run_all()
    cost_panel_by_keyboard(page)
    lab_panel_by_keyboard(page)
    assert violations(page) == []
    the_panels_outlive_their_kernel(page)
    assert page.errors == []


def look_at(page: Page, name: str) -> None:
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        page.wear(theme)
        page.go_to(0)
        page.keep_a_picture(f"{name}-{theme.split()[1].lower()}")
        # Structure and texts are the same in both.
        assert violations(page, *(["color-contrast"] if "Dark" in theme else [])) == []
    assert page.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    assert page.errors == []
    if name in NEXT:
        page.go_to(-1)
        page.tab.locator(f".jp-Notebook a[href*='{NEXT[name]}']").last.click()
        page.tab.wait_for_function(
            "name => jupyterapp.shell.currentWidget?.context?.path === `work/${name}.ipynb`",
            arg=NEXT[name],
        )


def violations(page: Page, *rules: str) -> list[str]:
    """What axe-core, the W3C's rules as tests, finds wrong in the text and outputs of all cells; by these rules alone, if any.

    Left out is what JupyterLab decides: the colours of code, and links known by their colour alone.
    """
    # axe-core passes over what is clipped, and the body of JupyterLab has no height: show everything at once.
    page.tab.add_style_tag(content="html, body { height: 100vh; }")
    page.tab.set_viewport_size({**SCREEN, "height": TALL})
    page.go_to(0)
    cells = page.tab.evaluate("jupyterapp.shell.currentWidget.content.widgets.length")
    assert page.tab.locator(".jp-Notebook .jp-Cell:visible").count() == cells
    found = Axe().run(
        page.tab,
        context={
            "include": [[".jp-Notebook .jp-RenderedMarkdown"], [".jp-Notebook .jp-OutputArea"]],
            "exclude": [["pre > code"]],
        },
        options={
            "runOnly": list(rules) or ["wcag2a", "wcag2aa"],
            **({} if rules else {"rules": {"link-in-text-block": {"enabled": False}}}),
            "resultTypes": ["violations"],
        },
    )
    page.tab.set_viewport_size(SCREEN)
    return [
        f"{violation['id']}: {node['html'][:200]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def test_a_violation_would_be_found(page):
    page.open("00_start_here")
    style = page.tab.add_style_tag(content=".jp-RenderedHTMLCommon p { color: #888; background: #999; }")
    page.tab.evaluate("document.querySelector('.jp-Notebook img').removeAttribute('alt')")
    assert {found.split(":")[0] for found in violations(page)} == {"color-contrast", "image-alt"}
    style.evaluate("style => style.remove()")


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


def by_address_from_the_map(page: Page) -> str:
    """The workspace is left with the focus on the map."""
    with page.tab.expect_response(
        lambda answer: answer.request.method == "PUT" and "MAP.md" in current_tab(answer.request)
    ):
        page.tab.locator(TABS, has_text="MAP.md").click()
    page.go_to_address(page.tab.url.split("/tree/")[0], NOTEBOOKS[-1])
    return NOTEBOOKS[-1]


def current_tab(saved) -> str:
    data = json.loads(saved.post_data or "{}").get("data", {})
    return data.get("layout-restorer:data", {}).get("main", {}).get("current") or ""


@pytest.fixture(scope="module")
def arranged(browser, lab) -> Page:
    """A tab with JupyterLab as `make lab` arranges it."""
    arrangement = json.loads((ROOT / "binder/workspace.json").read_text())["data"]
    with browser.new_context() as context:
        context.request.put(
            f"{lab}/lab/api/workspaces/arranged",
            data={"data": arrangement, "metadata": {"id": "arranged"}},
        )
    return Page(browser, lab, "arranged")


def test_every_first_click_opens_a_notebook_in_the_wide_area(arranged):
    page = arranged
    page.tab.wait_for_selector(".jp-tocItem-content:visible >> text=What you will")
    page.tab.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown >> text=You will")
    assert page.tab.locator(TABS).all_inner_texts() == ["00_start_here.ipynb", "MAP.md"]
    assert page.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    page.keep_a_picture("workspace")
    for click in (from_the_map, from_next, from_the_file_browser, by_address_from_the_map):
        page.wait_until_shown(click(page))
        page.keep_a_picture(click.__name__)
        assert shown_width(page) >= 0.6 * SCREEN["width"], click.__name__
    assert page.errors == []


def test_it_can_be_read_at_800_pixels(arranged):
    page, width = arranged, 800
    page.tab.set_viewport_size({**SCREEN, "width": width})
    page.wait_until_shown(from_the_map(page))
    page.keep_a_picture("narrow")
    assert shown_width(page) >= 0.55 * width
    page.open("03_cache_it_on_the_client")
    page.go_to_cell_with("latency_dots")
    right = page.tab.evaluate(
        """() => Math.max(...[...document.querySelectorAll('.jp-Notebook img')].map(
            image => image.getBoundingClientRect().right))"""
    )
    assert right <= width
    assert page.errors == []


def shown_width(page: Page) -> int:
    return page.tab.evaluate("jupyterapp.shell.currentWidget.node.clientWidth")
