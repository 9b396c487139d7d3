"""The web book: its links lead somewhere, it asks no other site, and it can be read on a phone, at night and by programs.

It is built once. The tests with a browser need a Chromium (Debian's package `chromium`), and skip without one.
"""

from __future__ import annotations

import re
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
from make_book import CORE, binder, build
from names import CHROMIUM
from test_notebooks import LINK, NOTEBOOKS, TOKEN

ROOT = Path(__file__).resolve().parent.parent
PANEL = "notebooks/05_count_the_cost.html"

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


def test_every_page_has_one_title_and_every_internal_link_and_picture_leads_somewhere(book, pages):
    ids = {name: {tag["id"] for tag in page.find_all(id=True)} for name, page in pages.items()}
    for name, page in pages.items():
        assert len(page.find_all("h1")) == 1, name
        for tag in page.find_all(["a", "img", "link", "script"]):
            target = tag.get("href") or tag.get("src") or ""
            if not target or re.match(r"(https?|data|mailto):", target):
                continue
            path, _, anchor = unquote(target.split("?")[0]).partition("#")
            found = (book / name).parent / path if path else book / name
            if found.resolve() == book / "try/lab/index.html":  # `make browser` builds it afterwards
                assert (ROOT / "notebooks" / target.partition("?path=")[2]).is_file()
                continue
            assert found.is_file(), f"{name}: {target}"
            other = found.resolve().relative_to(book.resolve()).as_posix()
            assert not anchor or other not in ids or anchor in ids[other], f"{name}: {target}"


def test_its_contents_are_the_maps(pages):
    text = (ROOT / "notebooks/MAP.md").read_text()
    sidebar = pages["index.html"].select_one(".bd-sidebar-primary")
    captions = [caption.get_text(strip=True) for caption in sidebar.select(".caption")]
    assert captions[1:] == re.findall(r"^\*\*(.*?)\*\*", text, re.M)
    entries = [entry.get_text(strip=True) for entry in sidebar.select("li.toctree-l1 > a")]
    wanted = [", ".join(found) for found in re.findall(r"^- \[(.*?)\]\(.*?\), (\d+ min)", text, re.M)]
    assert entries[-len(wanted) :] == wanted


def test_a_notebook_has_all_its_cells_folded_solutions_and_a_way_to_run_it(pages):
    assert pages["index.html"].select("article strong > a[href='try/lab/index.html?path=00_start_here.ipynb']")
    for path in NOTEBOOKS:
        name = path.relative_to(ROOT).as_posix()
        notebook, page = nbformat.read(path, as_version=4), pages[name.replace(".ipynb", ".html")]
        code = [cell for cell in notebook.cells if cell.cell_type == "code"]
        assert len(page.select("div.cell")) == len(code)
        solutions = sum("<summary>Solution" in cell.source for cell in notebook.cells)
        assert len(page.find_all("summary", string="Solution")) == solutions and not page.select("details[open]")
        exercises = sum("exercise" in cell.metadata.get("tags", []) for cell in code)
        core = CORE.fullmatch(name)
        address = f"../try/lab/index.html?path={core[1]}" if core else binder(name)
        assert len(page.select(f"article a[href='{address}']")) == 1 + exercises
        assert len(page.select("article strong > a", string="Run it here")) == bool(core)
        if made := notebook.metadata.get("stored_outputs"):
            assert f"boto3 {made.versions['boto3']}" in page.article.get_text()


def test_programs_find_every_page_as_markdown_with_code_and_outputs_and_without_tokens(book, pages):
    twins = {path.relative_to(book).as_posix(): path.read_text("utf-8") for path in book.rglob("*.md")}
    assert twins.keys() == {name.replace(".html", ".md") for name in pages.keys() - {"genindex.html", "search.html"}}
    for name, text in [*twins.items(), ("llms.txt", (book / "llms.txt").read_text("utf-8"))]:
        assert not TOKEN.search(text) and not re.search(r"<(div|table|span|svg|img)\b", text), name
        for _, _, target in LINK.findall(re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)):
            path = target.partition("#")[0].partition("?")[0]
            assert ":" in path or "try/lab" in path or (book / name).parent.joinpath(path).exists(), f"{name}: {target}"
    text = twins["notebooks/00_start_here.md"]
    assert "\n```python\ncloud = connect()" in text.replace("from helpers.cloud import connect\n\n", "")
    assert "\n```text\nLedger: a hundred reads\n" in text


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

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=book)) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_pages_read_well_on_a_laptop_and_a_phone_by_day_and_by_night(browser, site):
    """The first page, one with code, and a notebook with tables and a panel; nothing goes wrong, and no other site is asked."""
    tab = browser.new_page(base_url=site, reduced_motion="reduce")  # axe must not look at colours that are changing
    asked, errors = [], []
    tab.on("request", lambda request: asked.append(request.url))
    tab.on("pageerror", lambda error: errors.append(str(error)))
    tab.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    tab.on("response", lambda got: errors.append(got.url) if got.status >= 400 else None)
    for name in ("index.html", "docs/ten_minutes.html", PANEL):
        tab.goto(f"/{name}")
        for width in (390, 1280):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") <= width, name
        assert violations(tab) == []
        tab.evaluate("document.documentElement.dataset.theme = 'dark'")
        # A theme changes colours alone, and those of the prose on all pages alike.
        assert violations(tab, ["color-contrast"], "body" if name == "index.html" else ".cell_output") == []
    assert errors == [] and not [url for url in asked if not url.startswith((f"{site}/", "data:"))]


def violations(tab, rules=("wcag2a", "wcag2aa"), of: str = "body") -> list[str]:
    """Return what axe-core, the W3C's rules as tests, finds wrong on the page, the theme's parts included.

    Of code it looks at the first block: there are thousands of coloured words, of the same few colours.
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


def test_search_and_solutions_work_from_a_folder_and_by_keyboard(browser, book):
    tab = browser.new_page()
    tab.goto((book / "search.html").as_uri() + "?q=AWSPENDING")
    tab.wait_for_selector("#search-results a >> text=Rotate without downtime")
    tab.goto((book / PANEL).as_uri())
    tab.locator("summary").first.focus()
    tab.keyboard.press("Enter")
    assert tab.locator("details").first.get_attribute("open") is not None
    tab.close()


def test_a_panel_is_its_first_state_and_needs_no_script(browser, site):
    with browser.new_context(
        java_script_enabled=False, base_url=site, viewport={"width": 390, "height": 900}
    ) as context:
        tab = context.new_page()
        tab.goto(f"/{PANEL}")
        panel = tab.locator(".panel-still")
        assert (
            "$1,296.40 a month without a cache" in panel.inner_text() and panel.locator("tbody tr").first.is_visible()
        )
        assert panel.locator("img").evaluate("one => one.complete && one.clientWidth >= 300")
