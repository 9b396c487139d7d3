"""The teacher's material says what the notebooks say, and the slides need no network."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import make_plans
import make_slides
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
    assert make_plans.with_plans(GUIDE) == GUIDE, "run: python workshop/make_plans.py"
    assert int(PLANS[0][1]) <= 270 and int(PLANS[1][1]) <= 90


def test_a_plan_has_slack_and_half_a_day_two_breaks():
    for (_, _, plan), breaks, slack in zip(PLANS, (2, 0), (20, 10), strict=True):
        rows = [(what, int(minutes)) for _, _, minutes, what in ROW.findall(plan)]
        assert [what for what, _ in rows].count("Break") == breaks
        assert dict(rows)["Slack"] >= slack


@pytest.mark.parametrize(("name", "minutes", "plan"), PLANS, ids=lambda value: str(value)[:12])
def test_a_plan_adds_up_and_gives_each_notebook_its_minutes(name, minutes, plan):
    clock, known = 0, dict(OPENINGS)
    for hour, minute, length, what in ROW.findall(plan):
        assert (int(hour), int(minute)) == divmod(clock, 60), what
        for _, title, _ in LINK.findall(what):
            assert known.get(title, length) == length, what
        clock += int(length)
    assert clock == int(minutes)


def test_it_says_how_long_all_notebooks_take():
    hours = round(sum(int(minutes) for _, minutes in OPENINGS) / 60)
    words = {3: "three", 4: "four", 5: "five", 6: "six"}
    assert f"work through the notebooks once yourself ({words[hours]} hours)" in GUIDE


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


@pytest.mark.slow
def test_the_slides_need_no_network():
    if not (shutil.which("npm") and (ROOT / ".venv/reveal").exists()):
        pytest.skip("slides are shown by reveal.js, which npm installs")
    done = subprocess.run([sys.executable, WORKSHOP / "make_slides.py"], capture_output=True, text=True)
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


def test_each_claim_belongs_to_a_slide():
    cells = [cell for path in NOTEBOOKS for cell in nbformat.read(path, as_version=4).cells]
    slides = {cell.get("id") for cell in cells if "slide" in cell.metadata.get("tags", [])}
    titles = {title[3:] for title, _ in OPENINGS}
    assert set(make_slides.CLAIMS) <= slides | titles
    for shown in make_slides.CLAIMS.values():
        assert len(shown["claim"].split()) <= 20


FITS = """() => {
  const slide = Reveal.getCurrentSlide(), scale = Reveal.getScale();
  const said = {smallest: Infinity, right: 0, bottom: 0, headings: 0, rows: 0, scrolls: 0, pictures: 0};
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT);
  const reach = (box) => {
    said.right = Math.max(said.right, box.right / innerWidth);
    said.bottom = Math.max(said.bottom, box.bottom / innerHeight);
  };
  while (texts.nextNode()) {
    const text = texts.currentNode, range = document.createRange();
    range.selectNodeContents(text);
    const box = range.getBoundingClientRect();
    if (!text.textContent.trim() || !box.width) continue;
    said.smallest = Math.min(said.smallest, parseFloat(getComputedStyle(text.parentElement).fontSize) * scale);
    reach(box);
  }
  for (const part of slide.querySelectorAll("img, table")) { said.pictures += 1; reach(part.getBoundingClientRect()); }
  for (const part of slide.querySelectorAll("*")) {
    const way = getComputedStyle(part).overflowY;
    if (part.getBoundingClientRect().height && (way === "auto" || way === "scroll") && part.scrollHeight > part.clientHeight + 1) said.scrolls += 1;
  }
  said.headings = [...slide.querySelectorAll("h1, h2")].filter((one) => !one.closest("aside")).length;
  said.rows = slide.querySelectorAll("tbody tr").length;
  return said;
}"""


@pytest.mark.slow
def test_every_slide_can_be_read_from_the_last_row():
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not (chromium and shutil.which("npm") and (ROOT / ".venv/reveal").exists()):
        pytest.skip("slides are looked at in Chromium, and shown by reveal.js, which npm installs")
    from playwright.sync_api import sync_playwright

    make_slides.main()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.goto((make_slides.TARGET / "index.html").as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        page.evaluate("Reveal.configure({transition: 'none', backgroundTransition: 'none'})")
        seen = []
        for _ in range(page.evaluate("Reveal.getTotalSlides()")):
            seen.append(page.evaluate(FITS))
            page.evaluate("Reveal.next()")
            page.wait_for_timeout(20)
        browser.close()
    assert len(seen) > 2 * len(NOTEBOOKS)
    for number, said in enumerate(seen):
        assert said["smallest"] >= 24, (number, said)  # pixels on a full HD projector
        assert max(said["right"], said["bottom"]) <= 1 and not said["scrolls"], (number, said)
        assert said["headings"] == 1 and said["rows"] <= 8 and said["pictures"] <= 1, (number, said)


def test_each_notebook_gives_slides_and_what_is_shown_there_was_run():
    for path in NOTEBOOKS:
        cells = nbformat.read(path, as_version=4).cells
        tagged = [cell for cell in cells if "slide" in cell.metadata.get("tags", [])]
        assert tagged[0] == cells[0] and "## Summary" in tagged[-1].source
        for cell in tagged[1:-1]:
            assert cell.cell_type == "code" and cell.outputs, (path, cell.source)


def test_the_values_for_kubernetes_are_those_of_one_machine():
    values = yaml.safe_load((WORKSHOP / "hub/kubernetes/values.yaml").read_text())
    config = (WORKSHOP / "hub/jupyterhub_config.py").read_text()
    assert values["singleuser"]["defaultUrl"] in config
    assert f"--timeout={values['cull']['timeout']}" in config
    assert all(argument in config for argument in values["hub"]["config"]["KubeSpawner"]["args"])
    assert values["hub"]["config"]["JupyterHub"]["authenticator_class"] == "shared-password"
