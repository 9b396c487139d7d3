"""`make slides`: make the slides that a teacher projects, build/slides, from the stored outputs of cells tagged `slide`,
and the questions to print beside them, a page for each plan.

A slide has a heading, one claim, and at most one table or picture. What its notebook and notebooks.md say about it
is in the speaker's view. The slides need no network: reveal.js is copied beside them, and pictures are put into the page.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import yaml
from bs4 import BeautifulSoup
from make_plans import SHEET, about
from nbconvert import SlidesExporter
from nbconvert.filters import markdown2html

ROOT = Path(__file__).resolve().parent.parent
REVEAL = ROOT / ".venv/reveal/node_modules/reveal.js"
TARGET = ROOT / "build" / "slides"
CLAIMS = yaml.safe_load((ROOT / "workshop/slides/claims.yaml").read_text(encoding="utf-8"))
ROWS = 8
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
FOOTER = re.compile(r"\n\n\*\*(?:Back|Next):\*\*.*$")
SENTENCE = re.compile(r"(?s)\A(.*?[.!?])(?:\s|\Z)")
PRINTED = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Questions and feedback</title><style>
  @page { margin: 13mm; } body { font: 11pt/1.3 sans-serif; margin: 0 auto; max-width: 190mm; }
  h1 { font-size: 16pt; margin: 0 0 3mm; } h2 { font-size: 14pt; margin: 3mm 0 2mm; } p { margin: 0 0 2mm; }
  section { columns: 2; column-gap: 9mm; break-after: page; } ul { margin: 0 0 4mm; padding-left: 6mm; }
  section:last-child { columns: 1; break-after: auto; } ol li { margin-bottom: 38mm; }
  h2, h2 ~ p { break-after: avoid; } p, ul, li { break-inside: avoid; }
  ul li::marker { content: "☐ "; } .anchor-link { display: none; }
</style>"""


def deck() -> nbformat.NotebookNode:
    """Return one notebook with all slides: a column for each notebook, its speaker's notes with the first slide."""
    notes = speaker_notes()
    cells = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        number, notebook = path.stem[:2], nbformat.read(path, as_version=4)
        title = f"{number} {notebook.cells[0].source.splitlines()[0].removeprefix('# ')}"
        said = [
            notes.get(title, ""),
            _plain(notebook.cells[0].source),
            _plain(notebook.cells[-1].source),
        ]
        for at, text in enumerate(slides_of(title, notebook)):
            kind = "subslide" if at else "slide"
            cells.append(_cell(text, f"{number}-{at}", kind))
            if not at:
                cells.append(_cell("\n\n".join(said), f"{number}-notes", "notes"))
    return nbformat.v4.new_notebook(cells=cells, metadata={"title": "A Momento token in AWS Secrets Manager"})


def slides_of(title: str, notebook: nbformat.NotebookNode) -> Iterator[str]:
    """Yield the slides of a notebook as Markdown: its title, each tagged result, and what to take away."""
    first, last = notebook.cells[0].source, notebook.cells[-1].source
    knows = re.search(r"\*\*You will know\*\* (.*)", first)
    yield _slide("#", title, _first_sentence(f"You will know {knows[1]}" if knows else ""))
    heading = title
    for cell in notebook.cells[1:-1]:
        if cell.cell_type == "markdown":
            heading = (re.findall(r"^#+ (.*)$", cell.source, re.M) or [heading])[-1]
        elif "slide" in cell.metadata.get("tags", []):
            shown = CLAIMS.get(cell.id, {})
            pictures = [_picture_of(output, shown) for output in cell.outputs]
            yield _slide("##", heading, shown.get("claim", ""), next(filter(None, pictures), ""))
    summary = _plain(last.split("## Summary\n")[-1])
    closing = CLAIMS.get(title[3:], {}).get("claim") or _first_sentence(summary)
    yield _slide("##", "Take with you", closing)


def speaker_notes() -> dict[str, str]:
    """Return what notebooks.md says about each notebook, by the notebook's number and title."""
    return {title: LINK.sub(r"\1", text) for title, text in about().items()}


def _picture_of(output: nbformat.NotebookNode, shown: dict) -> str:
    """Return the table or the picture of an output, as HTML without its styles; nothing for other outputs."""
    found = BeautifulSoup(output.get("data", {}).get("text/html", ""), "html.parser")
    if image := found.find("img"):
        return str(image)
    table = found.find("table")
    return _fitted(table, shown) if table else ""


def _fitted(table, shown: dict) -> str:
    for part in table.find_all(True):
        part.attrs.pop("style", None)
    if caption := table.find("caption"):
        caption.decompose()
    body = [row for row in table.find_all("tr") if row.find("td")]
    wanted = shown.get("rows")
    kept = [row for row in body if not wanted or row.find(["th", "td"]).get_text(strip=True) in wanted]
    for row in body:
        if row not in kept[: shown.get("most", ROWS)]:
            row.decompose()
    for row in table.find_all("tr") if "columns" in shown else []:
        for at, cell in enumerate(row.find_all(["th", "td"])):
            if at not in shown["columns"]:
                cell.decompose()
    return str(table)


def _slide(level: str, heading: str, claim: str, picture: str = "") -> str:
    return "\n\n".join(filter(None, (f"{level} {heading}", claim, picture)))


def _cell(text: str, name: str, kind: str) -> nbformat.NotebookNode:
    cell = nbformat.v4.new_markdown_cell(text, id=name)
    cell.metadata["slideshow"] = {"slide_type": kind}
    return cell


def sheets() -> Iterator[tuple[str, str]]:
    """Yield each page to print, name and HTML: a plan's questions, then the feedback, each part on a side of its own."""
    core, production = re.split("(?m)^(?=## Production)", SHEET.read_text(encoding="utf-8"))
    feedback = (SHEET.parent / "feedback.md").read_text(encoding="utf-8")
    production = f"My word: ______\n\n{production}"  # the sides may come apart
    for name, sides in {"90_minutes": (core, feedback), "half_a_day": (core, production, feedback)}.items():
        parts = (f"<section>{markdown2html(side)}</section>" for side in sides)
        yield f"questions_{name}.html", PRINTED + "\n".join(parts)


def _plain(text: str) -> str:
    return LINK.sub(r"\1", FOOTER.sub("", text)).strip()


def _first_sentence(text: str) -> str:
    found = SENTENCE.match(text.strip())
    return found[1] if found else text.strip()


def main() -> None:
    TARGET.mkdir(parents=True, exist_ok=True)
    for name, page in sheets():
        (TARGET / name).write_text(page, encoding="utf-8")
    if not REVEAL.exists():
        sys.exit("reveal.js is not installed: run `make slides`, which needs npm")
    exporter = SlidesExporter(
        template_name="slides", extra_template_basedirs=[str(ROOT / "workshop")], embed_images=True
    )
    exporter.reveal_url_prefix = "reveal.js"
    exporter.reveal_theme = "white"  # it has its fonts beside it
    resources = {"metadata": {"path": str(ROOT / "notebooks"), "name": "A Momento token"}}
    page, _ = exporter.from_notebook_node(deck(), resources)
    for part in ("dist", "plugin/notes"):
        shutil.copytree(REVEAL / part, TARGET / "reveal.js" / part, dirs_exist_ok=True)
    (TARGET / "index.html").write_text(page, encoding="utf-8")
    print(f"Open {TARGET.relative_to(ROOT) / 'index.html'}; the key S shows the speaker's view. To print: questions_*.")


if __name__ == "__main__":
    main()
