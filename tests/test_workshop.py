"""The teacher's material says what the notebooks say, and the slides need no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml
from test_collection import OPENINGS
from test_notebooks import LINK, NOTEBOOKS, texts

ROOT = Path(__file__).resolve().parent.parent
WORKSHOP = ROOT / "workshop"
GUIDE = (WORKSHOP / "README.md").read_text()
PLANS = re.findall(r"^## ([^\n:]*): (\d+) minutes\n(.*?)(?=^## )", GUIDE, re.M | re.S)
ROW = re.compile(r"^\| (\d+):(\d\d) \| (\d+) \| (.*?) \|", re.M)
PAGES = sorted(WORKSHOP.rglob("*.md"))


def test_there_is_a_plan_for_half_a_day_and_one_for_ninety_minutes():
    assert [name for name, _, _ in PLANS] == ["Half a day", "An hour and a half"]
    assert PLANS[1][1] == "90"


@pytest.mark.parametrize(("name", "minutes", "plan"), PLANS, ids=lambda value: str(value)[:12])
def test_a_plan_adds_up_and_gives_each_notebook_its_minutes(name, minutes, plan):
    clock, known = 0, dict(OPENINGS)
    for hour, minute, length, what in ROW.findall(plan):
        assert (int(hour), int(minute)) == divmod(clock, 60), what
        for _, title, _ in LINK.findall(what):
            assert known.get(title, length) == length, what
        clock += int(length)
    assert clock == int(minutes)


def test_each_notebook_has_its_section_in_order():
    sections = re.findall(r"^### (.*?)\n\n(.*?)(?=^##|\Z)", GUIDE, re.M | re.S)
    assert [title for title, _ in sections] == [title for title, _ in OPENINGS]
    for title, text in sections:
        parts = re.findall(r"^- \*\*(.*?):\*\* ", text, re.M)
        assert parts == ["Say", "Ask", "Stuck", "Joining late"], title


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(WORKSHOP).as_posix())
def test_links_resolve_to_files_and_headings(page):
    for _, text, target in LINK.findall(page.read_text()):
        if target.startswith("https://"):
            continue
        path, _, heading = target.partition("#")
        assert (page.parent / path).exists(), target
        if path.endswith(".ipynb"):
            notebook = texts(nbformat.read(page.parent / path, as_version=4))
            wanted = heading.replace("-", " ") or text[3:]
            assert re.search(rf"^#+ {re.escape(wanted)}$", notebook, re.M), target


def test_the_slides_need_no_network():
    if not (shutil.which("npm") and (ROOT / ".venv/reveal").exists()):
        pytest.skip("slides are shown by reveal.js, which npm installs")
    done = subprocess.run(
        [sys.executable, WORKSHOP / "make_slides.py"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    folder = ROOT / "build" / "slides"
    page = (folder / "index.html").read_text()
    sources = re.findall(r'<(?:script|link|img)[^>]* (?:src|href)="([^"]*)"', page)
    assert sources and not [one for one in sources if re.match(r"(https?:)?//", one)]
    for source in sources:
        assert source.startswith("data:") or (folder / source).exists(), source
    for title, _ in OPENINGS:
        assert title in page
    assert "Traceback" not in page
    assert page.count('<aside class="notes">') == len(NOTEBOOKS)


def test_each_notebook_gives_slides_with_a_result():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        tagged = [cell for cell in cells if "slide" in cell.metadata.get("tags", [])]
        assert tagged[0] == cells[0] and "## Summary" in tagged[-1].source
        assert any(cell.cell_type == "code" and cell.outputs for cell in tagged), path


def test_the_values_for_kubernetes_are_those_of_one_machine():
    values = yaml.safe_load((WORKSHOP / "hub/kubernetes/values.yaml").read_text())
    config = (WORKSHOP / "hub/jupyterhub_config.py").read_text()
    assert values["singleuser"]["defaultUrl"] in config
    assert f"--timeout={values['cull']['timeout']}" in config
    assert all(argument in config for argument in values["hub"]["config"]["KubeSpawner"]["args"])
    assert values["hub"]["config"]["JupyterHub"]["authenticator_class"] == "shared-password"


def test_on_kubernetes_the_notebooks_lie_where_the_server_looks_and_the_volume_keeps_them():
    values = yaml.safe_load((WORKSHOP / "hub/kubernetes/values.yaml").read_text())
    guide = (WORKSHOP / "hub/README.md").read_text()
    (image,) = re.findall(r"--target-repo-dir (\S+)", guide)
    (user,) = re.findall(r"--user-name (\S+)", guide)
    opened = values["hub"]["config"]["KubeSpawner"]["notebook_dir"]
    assert opened == f"/home/{user}"  # where Zero to JupyterHub mounts the volume
    copy = values["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"][-1]
    assert copy == f"cp -rn {image}/notebooks {image}/helpers {opened}/"
    assert (ROOT / values["singleuser"]["defaultUrl"].removeprefix("/lab/tree/")).exists()
