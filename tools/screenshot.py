"""`make screenshot`: the picture in the README, of notebook 02 in JupyterLab with its stored outputs. Needs a Chromium."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path

from lab_server import lab_server
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURE = ROOT / "notebooks/images/notebook.png"
NOTEBOOK, FIRST_CELL = "work/02_retrieve_it_naively.ipynb", "ten requests, naively"
SIZE = {"width": 1000, "height": 1010}
SHOW = """async ([path, text]) => {
    await jupyterapp.restored;
    await jupyterapp.commands.execute('application:set-mode', {mode: 'single-document'});
    if (!jupyterapp.shell.leftCollapsed) jupyterapp.shell.collapseLeft();
    const {content, revealed} = await jupyterapp.commands.execute('docmanager:open', {path});
    await revealed;
    const cell = content.widgets.findIndex(one => one.model.sharedModel.getSource().includes(text));
    content.activeCellIndex = cell;
    await content.scrollToItem(cell, 'start');
}"""


def take(picture: Path = PICTURE) -> None:
    """Write the picture. Raises what Playwright raises if there is no Chromium, or JupyterLab doesn't show the cell."""
    with tempfile.TemporaryDirectory() as name:
        folder, home = Path(name, "project"), Path(name, "home")
        shutil.copytree(ROOT / "notebooks", folder / "work", ignore=shutil.ignore_patterns("__pycache__"))
        home.mkdir()
        variables = ("JUPYTER_CONFIG_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR")
        environment = {**os.environ, **{variable: str(home / variable) for variable in variables}}
        command = [sys.executable, "-m", "jupyter", "lab", "--expose-app-in-browser"]
        with lab_server(command, folder, environment, home / "log") as server, sync_playwright() as playwright:
            chromium = playwright.chromium.launch(
                executable_path=shutil.which("chromium") or shutil.which("chromium-browser"), args=["--no-sandbox"]
            )
            tab = chromium.new_page(viewport=SIZE)
            tab.goto(f"{server.address}/lab")
            tab.wait_for_function("() => window.jupyterapp")
            tab.evaluate(SHOW, [NOTEBOOK, FIRST_CELL])
            tab.wait_for_selector(".jp-OutputArea img")
            tab.wait_for_timeout(1_000)  # until it has scrolled
            tab.locator(".jp-NotebookPanel .jp-WindowedPanel-outer").screenshot(path=picture)
            chromium.close()


if __name__ == "__main__":
    take()
    print(f"Look at {PICTURE.relative_to(ROOT)}, and commit it.")
