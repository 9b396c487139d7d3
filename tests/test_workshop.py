"""The teacher's plans leave a class the time it needs, and the slides need no network and can be read from the last row."""

from __future__ import annotations

import re
from pathlib import Path

import make_plans
import make_slides
import nbformat
import pytest
from names import CHROMIUM
from test_notebooks import LINK, NOTEBOOKS, texts

WORKSHOP = Path(__file__).resolve().parent.parent / "workshop"
GUIDE = (WORKSHOP / "README.md").read_text()


@pytest.mark.parametrize(("name", "most"), [("An hour and a half", 90), ("Half a day", 240)])
def test_a_plan_fits_and_no_slot_is_shorter_than_a_class_needs(name, most):
    plan = make_plans.PLANS[name]
    short = [
        (slot.what, slot.minutes, least) for slot in plan if slot.minutes < (least := make_plans.least(slot, plan))
    ]
    assert not short
    assert sum(slot.minutes for slot in plan) <= most
    assert sum(slot.minutes for slot in plan if slot.what == "Slack") >= 0.07 * most


def test_half_a_day_has_a_break_every_75_minutes_and_practice_in_every_hour():
    clock, last_break, practised = 0, 0, set()
    for slot in make_plans.PLANS["Half a day"]:
        if slot.what == "Break":
            assert clock - last_break <= 75
            last_break = clock + slot.minutes
        practised |= {clock // 60} if slot.exercise else set()
        clock += slot.minutes
    assert clock - last_break <= 75 and practised == set(range(clock // 60 + 1))


def test_the_guide_and_the_sheet_are_up_to_date():
    assert make_plans.with_plans(GUIDE) == GUIDE, "run: python workshop/make_plans.py"
    assert make_plans.sheet() == make_plans.SHEET.read_text(), "run: python workshop/make_plans.py"


def test_every_notebook_has_notes_and_a_question_with_one_right_choice_of_four():
    titles = [f"{one.path.stem[:2]} {title}" for title, one in make_plans.notebooks().items()]
    assert list(make_slides.speaker_notes()) == titles
    for title, text in make_plans.about().items():
        letters, _, shown = zip(*make_plans.choices(text), strict=True)
        assert letters == tuple("ABCD") and shown.count("**right**") == 1, title


def test_notes_say_how_to_show_what_a_plan_shows():
    known = make_plans.notebooks()
    shown = {slot.what for plan in make_plans.PLANS.values() for slot in plan if slot.what in known and slot.shown}
    assert {title[3:] for title, text in make_plans.about().items() if "- **Show:**" in text} == shown


def test_links_of_its_pages_lead_to_files_and_headings():
    for page in WORKSHOP.rglob("*.md"):
        for _, text, target in LINK.findall(page.read_text()):
            path, _, heading = target.partition("#")
            if target.startswith("https://"):
                continue
            assert (page.parent / path).exists(), target
            if path.endswith(".ipynb"):
                notebook = texts(nbformat.read(page.parent / path, as_version=4))
                assert re.search(rf"^#+ {re.escape(heading.replace('-', ' ') or text[3:])}$", notebook, re.M), target


@pytest.mark.slow
@pytest.mark.skipif(not CHROMIUM, reason="a Chromium prints")
@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_the_questions_need_one_side_or_two_and_the_feedback_one(paper):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        for (_, html), sides in zip(make_slides.sheets(), (2, 3), strict=True):
            page.set_content(html)
            assert len(re.findall(rb"/Type\s*/Page\b", page.pdf(format=paper))) == sides
        browser.close()


# The smallest text of a slide in pixels, how far its parts reach beyond the screen, and its headings.
SHOWN = """() => {
  const slide = Reveal.getCurrentSlide(), scale = Reveal.getScale(), range = document.createRange();
  const texts = document.createTreeWalker(slide, NodeFilter.SHOW_TEXT), boxes = [], sizes = [];
  while (texts.nextNode()) {
    range.selectNodeContents(texts.currentNode);
    const box = range.getBoundingClientRect();
    if (!texts.currentNode.textContent.trim() || !box.width) continue;
    sizes.push(parseFloat(getComputedStyle(texts.currentNode.parentElement).fontSize) * scale);
    boxes.push(box);
  }
  for (const part of slide.querySelectorAll("img, table")) boxes.push(part.getBoundingClientRect());
  const headings = [...slide.querySelectorAll("h1, h2")].filter((one) => !one.closest("aside")).length;
  const beyond = Math.max(...boxes.map((box) => Math.max(box.right - innerWidth, box.bottom - innerHeight)));
  return [Math.min(...sizes), beyond, headings];
}"""


@pytest.mark.slow
@pytest.mark.skipif(not (CHROMIUM and make_slides.REVEAL.exists()), reason="slides need a Chromium and reveal.js")
def test_the_slides_need_no_network_and_can_be_read_from_the_last_row():
    from playwright.sync_api import sync_playwright

    make_slides.main()
    asked, errors = [], []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1920, "height": 1080})
        page.on("request", lambda request: asked.append(request.url))
        page.on("requestfailed", lambda request: errors.append(request.url))
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto((make_slides.TARGET / "index.html").as_uri())
        page.wait_for_function("window.Reveal && Reveal.isReady()")
        page.evaluate("Reveal.configure({transition: 'none', backgroundTransition: 'none'})")
        slides = []
        for _ in range(page.evaluate("Reveal.getTotalSlides()")):
            slides.append(page.evaluate(SHOWN))
            page.evaluate("Reveal.next()")
        browser.close()
    assert errors == [] and not [url for url in asked if not url.startswith(("file:", "data:", "blob:"))]
    assert len(slides) > 2 * len(NOTEBOOKS)
    for number, (smallest, beyond, headings) in enumerate(slides):
        assert smallest >= 24 and beyond <= 0 and headings == 1, (number, smallest, beyond, headings)
