"""`make slides`: the cells tagged `slide` of all notebooks, with their stored outputs, as slides in build/slides.

They need no network: reveal.js is copied beside them. Pictures are put into the page. What the guide tells the teacher
to say and ask stands in the speaker's view.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

import nbformat
from nbconvert import SlidesExporter

ROOT = Path(__file__).resolve().parent.parent
REVEAL = ROOT / ".venv/reveal/node_modules/reveal.js"
TARGET = ROOT / "build" / "slides"
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
FOOTER = re.compile(r"\n\n\*\*(?:Back|Next):\*\*.*$")


def deck() -> nbformat.NotebookNode:
    """One notebook of all tagged cells: each is a slide, those of one notebook stand in a column."""
    cells, notes = [], speaker_notes()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        tagged = [
            cell
            for cell in nbformat.read(path, as_version=4).cells
            if "slide" in cell.metadata.get("tags", [])
        ]
        for number, cell in enumerate(tagged):
            cell.id = f"{path.stem[:2]}-{number}"
            cell.metadata["slideshow"] = {"slide_type": "subslide" if number else "slide"}
            if cell.cell_type == "markdown":
                cell.source = _for_a_slide(cell.source, path.stem)
            elif "<img" in str(
                cell.outputs
            ):  # of a figure the picture, without the code that draws it
                cell.metadata["transient"] = {"remove_source": True}
        title = tagged[0].source.splitlines()[0].removeprefix(f"# {path.stem[:2]} ")
        note = nbformat.v4.new_markdown_cell(notes[title], id=f"{path.stem[:2]}-notes")
        note.metadata["slideshow"] = {"slide_type": "notes"}
        cells += [tagged[0], note, *tagged[1:]]
    return nbformat.v4.new_notebook(
        cells=cells, metadata={"title": "A Momento token in AWS Secrets Manager"}
    )


def speaker_notes() -> dict[str, str]:
    """What the guide has about each notebook, by the notebook's title."""
    guide = (ROOT / "workshop" / "README.md").read_text(encoding="utf-8")
    sections = re.findall(r"^### \d\d (.*?)\n\n(.*?)(?=^##|\Z)", guide, re.M | re.S)
    return {title: LINK.sub(r"\1", text) for title, text in sections}


def _for_a_slide(text: str, notebook: str) -> str:
    """Without the links to the next notebook, and with the number of this one before its title."""
    return re.sub(r"\A# ", f"# {notebook[:2]} ", FOOTER.sub("", text))


def main() -> None:
    if not REVEAL.exists():
        sys.exit("reveal.js is not installed: run `make slides`, which needs npm")
    exporter = SlidesExporter(
        template_name="slides", extra_template_basedirs=[str(ROOT / "workshop")], embed_images=True
    )
    exporter.reveal_url_prefix, exporter.reveal_theme = (
        "reveal.js",
        "white",
    )  # white has its fonts beside it
    resources = {"metadata": {"path": str(ROOT / "notebooks"), "name": "A Momento token"}}
    page, _ = exporter.from_notebook_node(deck(), resources)
    TARGET.mkdir(parents=True, exist_ok=True)
    for part in ("dist", "plugin/notes"):
        shutil.copytree(REVEAL / part, TARGET / "reveal.js" / part, dirs_exist_ok=True)
    (TARGET / "index.html").write_text(page, encoding="utf-8")
    print(f"Open {TARGET.relative_to(ROOT) / 'index.html'}; the key S shows the speaker's view.")


if __name__ == "__main__":
    main()
