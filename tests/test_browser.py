"""Every notebook in a real browser: JupyterLab runs it, in both themes, and nothing is wrong on the screen.

Needs a Chromium (Debian's package `chromium`); without one these tests skip. SCREENSHOTS=1 keeps pictures in build/.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from lab_server import lab_server

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path.stem for path in (ROOT / "notebooks").glob("*.ipynb"))
NEXT = dict(pairwise(NOTEBOOKS))
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SCREEN, TALL = {"width": 1280, "height": 900}, 30_000  # pixels

pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="there is no Chromium: install the package chromium"
    ),
    pytest.mark.timeout(180),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a JupyterLab on a copy of the project, opened as `make lab` opens it."""
    folder, home = tmp_path_factory.mktemp("project"), tmp_path_factory.mktemp("home")
    for part in ("notebooks", "helpers", "binder"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
    }
    settings = home / "settings/@jupyterlab/notebook-extension/tracker.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text(
        '{"windowingMode": "none"}'
    )  # every cell in the page, not only those in view
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
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


class Page:
    """One tab with JupyterLab, and what went wrong in it."""

    def __init__(self, browser, lab: str, width: int = SCREEN["width"]) -> None:
        self.lab, self.errors = lab, []
        self.tab = browser.new_page(viewport={**SCREEN, "width": width})
        self.tab.set_default_timeout(60_000)
        self.tab.on("pageerror", lambda error: self.errors.append(str(error)))
        self.tab.on(
            "console",
            lambda message: self.errors.append(message.text) if message.type == "error" else None,
        )

    def open(self, name: str) -> None:
        self.tab.goto(f"{self.lab}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb")
        self.tab.wait_for_function(
            """name => window.jupyterapp?.shell.currentWidget?.context?.path === `notebooks/${name}.ipynb`
                && jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'""",
            arg=name,
        )

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
            "([name, args]) => jupyterapp.commands.execute(name, args)", [name, arguments]
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


@pytest.fixture
def page(browser, lab) -> Iterator[Page]:
    page = Page(browser, lab)
    yield page
    page.tab.close()


def cost_panel_by_keyboard(page: Page) -> None:
    """Move the first slider, then tab on to the last control, a check box: the chart follows both."""
    page.go_to_cell_with("cost_panel")
    page.tab.locator(".jupyter-widgets .noUi-handle").first.focus()
    with chart_follows(page):
        page.tab.keyboard.press("ArrowRight")
    for _ in range(20):
        page.tab.keyboard.press("Tab")
        if page.tab.evaluate("document.activeElement.type") == "checkbox":
            break
    with chart_follows(page):
        page.tab.keyboard.press("Space")


@contextmanager
def chart_follows(page: Page) -> Iterator[None]:
    """The text of the panel's chart, which tells its figures, is another one afterwards."""
    before = page.tab.locator(".jupyter-widgets img").get_attribute("alt")
    yield
    page.tab.wait_for_function(
        "before => document.querySelector('.jupyter-widgets img').alt !== before", arg=before
    )


def lab_panel_by_keyboard(page: Page) -> None:
    """Move on to the second trouble: the table follows."""
    page.go_to_cell_with("lab_panel(outcomes)")
    page.tab.locator(".jupyter-widgets .noUi-handle").first.focus()
    page.tab.keyboard.press("ArrowRight")
    page.tab.wait_for_selector(".jupyter-widgets >> text=A timeout says nothing about the token.")
    page.keep_a_picture("lab_panel")


BY_KEYBOARD = {
    "06_count_the_cost": cost_panel_by_keyboard,
    "08_survive_failures": lab_panel_by_keyboard,
}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_it_runs_in_both_themes_and_leads_to_the_next(page, name):
    page.open(name)
    cells = page.run_all()
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    kinds = [output["output_type"] for cell in cells for output in cell["outputs"]]
    assert "error" not in kinds
    for theme in ("JupyterLab Dark", "JupyterLab Light"):
        page.wear(theme)
        page.go_to(0)
        page.keep_a_picture(f"{name}-{theme.split()[1].lower()}")
        assert violations(page) == []
    BY_KEYBOARD.get(name, lambda page: None)(page)
    assert page.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    assert page.errors == []
    if name in NEXT:
        page.go_to(-1)
        page.tab.locator(f".jp-Notebook a[href*='{NEXT[name]}']").last.click()
        page.tab.wait_for_function(
            "name => jupyterapp.shell.currentWidget?.context?.path === `notebooks/${name}.ipynb`",
            arg=NEXT[name],
        )


def violations(page: Page) -> list[str]:
    """What axe-core, the W3C's rules as tests, finds wrong in the text and outputs of all cells.

    Left out is what JupyterLab and ipywidgets decide: the colours of code, links known by their colour alone, and
    the handles of sliders, which have no name of their own beside their label.
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
            "exclude": [["pre > code"], [".noUi-handle"]],
        },
        options={
            "runOnly": ["wcag2a", "wcag2aa"],
            "rules": {"link-in-text-block": {"enabled": False}},
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
    page.tab.add_style_tag(content=".jp-RenderedHTMLCommon p { color: #888; background: #999; }")
    page.tab.evaluate("document.querySelector('.jp-Notebook img').removeAttribute('alt')")
    assert {found.split(":")[0] for found in violations(page)} == {"color-contrast", "image-alt"}


def test_it_opens_arranged_on_the_first_notebook(page):
    page.tab.goto(f"{page.lab}/lab/tree/notebooks/00_start_here.ipynb")
    page.tab.wait_for_selector(".jp-tocItem-content:visible >> text=What you will")
    page.tab.wait_for_selector(".jp-MarkdownViewer >> text=The map")
    page.tab.wait_for_selector(".jp-Notebook .jp-RenderedMarkdown >> text=You will")
    assert page.tab.locator(".jp-Dialog, .Toastify__toast").count() == 0
    page.keep_a_picture("workspace")
    page.tab.locator(".jp-MarkdownViewer a", has_text="03 Retrieve it naively").click()
    page.tab.wait_for_function(
        "jupyterapp.shell.currentWidget?.context?.path === 'notebooks/03_retrieve_it_naively.ipynb'"
    )
    assert page.errors == []


def test_it_can_be_read_at_800_pixels(browser, lab):
    page = Page(browser, lab, width=800)
    page.open("04_cache_it_on_the_client")
    page.go_to_cell_with("latency_dots")
    width = page.tab.evaluate(
        """() => Math.max(...[...document.querySelectorAll('.jp-Notebook img')].map(
            image => image.getBoundingClientRect().right))"""
    )
    page.keep_a_picture("narrow")
    assert width <= 800
    page.tab.close()
