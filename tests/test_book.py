"""The web book: its links lead somewhere, it asks nobody else, and it can be read on a phone and at night.

Built once. The tests with a browser need a Chromium (Debian's package `chromium`), and skip without one.
"""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from bs4 import BeautifulSoup
from make_book import REPOSITORY, binder, build
from test_collection import OPENINGS
from test_notebooks import NOTEBOOKS

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ROOT = Path(__file__).resolve().parent.parent
WIDTHS, THEMES = (1280, 390), ("light", "dark")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def book(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    build(folder / "site", folder / "source")
    return folder / "site"


@pytest.fixture(scope="module")
def pages(book) -> dict[str, BeautifulSoup]:
    """Every page by its path; not the theme's parts of pages."""
    return {
        path.relative_to(book).as_posix(): BeautifulSoup(path.read_text("utf-8"), "html.parser")
        for path in sorted(book.rglob("*.html"))
        if "_static" not in path.parts
    }


def of_a_notebook(path: Path) -> str:
    return f"notebooks/{path.stem}.html"


def test_every_internal_link_and_picture_leads_somewhere(book, pages):
    ids = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    for name, page in pages.items():
        for tag in page.find_all(["a", "img", "link", "script"]):
            target = tag.get("href") or tag.get("src") or ""
            if not target or re.match(r"(https?|data|mailto):", target):
                continue
            path, _, anchor = unquote(target.split("?")[0]).partition("#")
            found = (book / name).parent / path if path else book / name
            assert found.is_file(), f"{name}: {target}"
            other = found.resolve().relative_to(book.resolve()).as_posix()
            assert not anchor or other not in ids or anchor in ids[other], f"{name}: {target}"


def test_its_contents_are_the_maps(pages):
    parts = re.findall(r"^\*\*(.*?)\*\*", (ROOT / "notebooks/MAP.md").read_text(), re.M)
    sidebar = pages["index.html"].select_one(".bd-sidebar-primary")
    captions = [one.get_text(strip=True) for one in sidebar.select(".caption")]
    assert captions[1:] == parts
    entries = [one.get_text(strip=True) for one in sidebar.select("li.toctree-l1 > a")]
    wanted = [f"{title}, {minutes} min" for title, minutes in OPENINGS]
    assert [entry for entry in entries if re.match(r"\d\d ", entry)] == wanted


def test_every_page_has_one_title(pages):
    assert {name: len(page.find_all("h1")) for name, page in pages.items()} == dict.fromkeys(pages, 1)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_all_its_cells_folded_solutions_and_a_way_to_run_it(pages, path):
    notebook, page = nbformat.read(path, as_version=4), pages[of_a_notebook(path)]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(page.select("div.cell")) == len(code)
    solutions = page.find_all("summary", string="Solution")
    exercises = sum("exercise" in cell.metadata.get("tags", []) for cell in code)
    assert len(solutions) == sum("<summary>Solution" in cell.source for cell in notebook.cells)
    assert not page.select("details[open]")
    here = page.select(f"article a[href='{binder(f'notebooks/{path.name}')}']")
    assert len(here) == 1 + exercises
    assert page.select(f".article-header-buttons a[href*='{path.stem}']")


def test_the_repositorys_address_comes_from_one_place(pages):
    text = "".join(path.read_text() for path in (ROOT / "docs").glob("*.*") if path.is_file())
    assert REPOSITORY not in text and "/".join(REPOSITORY.split("/")[-2:]) not in text
    assert pages["index.html"].select(f"a[href^='{REPOSITORY}']")


def test_no_token_is_in_it(book):
    token = re.compile(r"\beyJ[\w-]{20,}\.[\w-]+")
    for path in [*book.rglob("*.html"), *book.rglob("searchindex.js")]:
        assert not token.search(path.read_text("utf-8")), path


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: install the package chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def site(book) -> Iterator[str]:
    """The address of the book, served as GitHub Pages serves it."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=book))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def one_tab(browser, site):
    """A tab that all tests use: a new one for each would read the theme's styles and fonts again."""
    tab = browser.new_page(base_url=site, reduced_motion="reduce")  # axe shall not look at colours on their way
    tab.asked, tab.errors = [], []
    tab.on("request", lambda request: tab.asked.append(request.url))
    tab.on("pageerror", lambda error: tab.errors.append(str(error)))
    tab.on("console", lambda said: tab.errors.append(said.text) if said.type == "error" else None)
    tab.on("response", lambda got: tab.errors.append(got.url) if got.status >= 400 else None)
    return tab


@pytest.fixture
def tab(one_tab, site) -> Iterator:
    """At the end, nothing went wrong in it, and it asked nobody but the site."""
    one_tab.goto("about:blank")
    one_tab.set_viewport_size({"width": 1280, "height": 900})
    one_tab.asked.clear()
    one_tab.errors.clear()
    yield one_tab
    assert one_tab.errors == []
    assert [url for url in one_tab.asked if not url.startswith((f"{site}/", "data:", "about:"))] == []


def wear(tab, theme: str) -> None:
    tab.evaluate("theme => { document.documentElement.dataset.theme = theme; }", theme)


def keep_a_picture(tab, name: str) -> None:
    if os.environ.get("SCREENSHOTS"):
        (ROOT / "build").mkdir(exist_ok=True)
        tab.screenshot(path=ROOT / "build" / f"book-{name}.png")


# Every kind of page, and of the notebooks those with charts, wide tables and panels; `make again` looks at all.
LOOKED_AT = [
    "index.html",
    "docs/ten_minutes.html",
    "momento_token/token_source.py.html",
    *(
        pytest.param(
            of_a_notebook(path),
            marks=() if path.stem[:2] in ("00", "03", "05", "09") else pytest.mark.again,
        )
        for path in NOTEBOOKS
    ),
]


@pytest.mark.parametrize("name", LOOKED_AT)
def test_a_page_reads_well_on_a_laptop_and_a_phone_by_day_and_by_night(tab, name):
    tab.goto(f"/{name}")
    pictures = tab.locator("article img")
    assert all(len(alt or "") > 20 for alt in pictures.evaluate_all("all => all.map(one => one.alt)"))
    for width in WIDTHS:
        tab.set_viewport_size({"width": width, "height": 900})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width
        for theme in THEMES:
            wear(tab, theme)
            keep_a_picture(tab, f"{Path(name).stem}-{width}-{theme}")
            if width == 1280 and theme == "light":
                assert violations(tab) == []
            elif width == 1280:
                # A theme changes colours alone, and those of the prose on all pages alike.
                everything = name == "index.html"
                assert violations(tab, ["color-contrast"], "body" if everything else ".cell_output") == []


def violations(tab, rules=("wcag2a", "wcag2aa"), of: str = "body") -> list[str]:
    """What axe-core, the W3C's rules as tests, finds wrong on the whole page, the theme's parts included.

    Of code it looks at a first block: there are thousands of coloured words, of the same few colours.
    """
    if not tab.locator(of).count():
        return []
    tab.evaluate("document.querySelectorAll('pre').forEach((one, at) => one.classList.toggle('more', at > 0))")
    found = Axe().run(
        tab,
        context={"include": [[of]], "exclude": [["pre.more"]]},
        # `preload` would fetch styles from wrong addresses
        options={"runOnly": list(rules), "resultTypes": ["violations"], "preload": False},
    )
    return [
        f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:200]}"
        for violation in found.response["violations"]
        for node in violation["nodes"]
    ]


def test_a_violation_would_be_found(tab):
    tab.goto("/index.html")
    tab.add_style_tag(content="article p { color: #888 !important; background: #999; }")
    tab.evaluate("document.querySelector('article img').removeAttribute('alt')")
    assert {one.split(":")[0] for one in violations(tab)} == {"color-contrast", "image-alt"}


def test_the_search_finds_a_label(tab):
    tab.goto("/search.html?q=AWSPENDING")
    tab.wait_for_selector("#search-results a >> text=Rotate without downtime")


def test_it_works_from_a_folder_too(browser, book):
    tab = browser.new_page()
    tab.goto((book / "search.html").as_uri() + "?q=AWSPENDING")
    tab.wait_for_selector("#search-results a >> text=Rotate without downtime")
    tab.goto((book / "notebooks/05_count_the_cost.html").as_uri())
    tab.wait_for_selector(".live-panel input")
    tab.close()


def test_what_the_theme_would_grey_and_dim_at_night_is_as_it_is_by_day(tab):
    tab.goto("/notebooks/00_start_here.html")
    looks = {}
    for theme in THEMES:
        wear(tab, theme)
        looks[theme] = tab.evaluate(
            """() => [...document.querySelectorAll('.cell_output .text_html')].map(
                    one => getComputedStyle(one).backgroundColor).concat(
                [...document.querySelectorAll('article img')].map(one => getComputedStyle(one).filter))"""
        )
        colour = "getComputedStyle(document.body).getPropertyValue('--jp-success-color1')"
        assert tab.evaluate(colour).strip()
    assert looks["dark"] == looks["light"]


def test_the_cost_panel_works_by_keyboard(tab):
    tab.goto("/notebooks/05_count_the_cost.html")
    panel = tab.locator(".live-panel[data-panel=cost]")
    before = panel.locator("svg[role=img]").get_attribute("aria-label")
    panel.locator("input").first.focus()
    tab.keyboard.press("ArrowRight")
    moved = panel.locator("svg[role=img]").get_attribute("aria-label")
    for _ in range(6):
        tab.keyboard.press("Tab")
    tab.keyboard.press("Space")
    assert before != moved and panel.locator("input").last.is_checked()
    assert "$1.00" in panel.locator("tbody").inner_text()
    keep_a_picture(tab, "cost-panel")


def test_the_cost_panel_begins_as_the_stored_one(tab, pages):
    """What stands there without a script is the table that the notebook has stored."""
    stored = pages["notebooks/05_count_the_cost.html"].select(".live-panel tbody tr")
    tab.goto("/notebooks/05_count_the_cost.html")
    rows = tab.locator(".live-panel tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert rows == [[cell.get_text() for cell in row.select("td")] for row in stored]


def test_the_lab_panel_shows_each_recorded_outcome(tab, pages):
    name = "notebooks/09_survive_failures.html"
    recorded = {
        row[0]: row[1:]
        for line in pages[name].select("table tr")
        if len(row := [cell.get_text() for cell in line.select("td")]) == 5
    }
    tab.goto(f"/{name}")
    panel, slider = tab.locator(".live-panel"), tab.locator(".live-panel input")
    slider.focus()
    seen = set()
    for _ in range(int(slider.get_attribute("max")) + 1):
        seen.add(trouble := slider.get_attribute("aria-valuetext"))
        cells = panel.locator("tbody td").all_inner_texts()
        shown = [f"{'✓' if cells[at + 2] == 'yes' else '✗'} {cells[at + 1]}" for at in (0, 3, 6)]
        assert shown == recorded[trouble][:3]
        tab.keyboard.press("ArrowRight")
    assert seen == set(recorded) - {"right, of all"}


def test_without_a_script_the_panels_are_what_is_stored(browser, site):
    context = browser.new_context(java_script_enabled=False, base_url=site)
    tab = context.new_page()
    tab.goto("/notebooks/05_count_the_cost.html")
    assert tab.locator(".live-panel table").count() == 2
    context.close()


def test_the_book_works_by_keyboard(tab):
    """The first Tab leads to the way past the contents; a solution opens by Enter; every stop can be seen."""
    tab.goto(f"/{of_a_notebook(NOTEBOOKS[0])}")
    tab.keyboard.press("Tab")
    assert "Skip to main content" in tab.evaluate("document.activeElement.textContent")
    tab.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("details").first.get_attribute("open") is not None
    stops = set()
    for _ in range(40):
        tab.keyboard.press("Tab")
        stops.add(tab.evaluate("document.activeElement.className + document.activeElement.href"))
    assert len(stops) > 5  # nothing keeps the focus
