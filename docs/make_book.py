"""`make book`: the web book, a static site in build/book, from the stored outputs. Nothing is executed.

Lays out a source tree for Sphinx: the notebooks, the pages, and for each file that one of them links to a page with its
source. Parts and order come from notebooks/MAP.md, titles and minutes from each notebook's first cell.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)([^)\s]*\))")
CODE = re.compile(r"(^```.*?^```$)", re.M | re.S)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".tf": "terraform", ".j2": "jinja"}
PAGES = "docs/ten_minutes.md", "docs/production.md", "docs/runbook.md"  # those that are in the contents
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"]["Repository"]


def binder(notebook: str) -> str:
    """The address that opens a notebook on Binder."""
    owner_and_name = "/".join(REPOSITORY.split("/")[-2:])
    in_the_working_copy = notebook.replace("notebooks/", "work/", 1)
    return f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?urlpath=lab/tree/{in_the_working_copy}"


class Book:
    """The source tree: `add(path)` lays out one file of the repository, and whatever that links to."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.added: set[str] = set()

    def add(self, path: str) -> None:
        if path in self.added:
            return
        self.added.add(path)
        if (ROOT / path).is_dir():
            self.write(f"{path}/index.md", self.with_its_links(listing(path), f"{path}/index.md"))
        elif path.endswith(".ipynb"):
            self.write(path, self.notebook(path))
        elif path.endswith(".md"):
            orphan = "" if path in PAGES else "---\norphan: true\n---\n\n"
            self.write(path, orphan + self.with_its_links(text_of(path), path))
        else:
            self.write(f"{path}.md", source_page(path))
            self.copy(path)

    def write(self, path: str, text: str) -> None:
        place = self.source / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def copy(self, path: str) -> None:
        (self.source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, self.source / path)

    def with_its_links(self, text: str, page: str) -> str:
        """The text of `page` with links that lead to pages of the book; lays these out, too."""

        def follow(found: re.Match[str]) -> str:
            start, target, end = found.groups()
            path = posixpath.normpath(posixpath.join(posixpath.dirname(page), target))
            if ":" in target or path.startswith("..") or not (ROOT / path).exists():
                return found[0]
            if start.startswith("!"):
                self.copy(path)
                return found[0]
            if path == "README.md":  # the book's first page is made of it
                return start + posixpath.relpath("index.md", posixpath.dirname(page)) + end
            self.add(path)
            if (ROOT / path).is_dir():
                target = target.rstrip("/") + "/index.md"
            elif target.endswith(".ipynb"):
                end = end.lower()  # JupyterLab's name of a heading keeps its capitals, the book's doesn't
            elif not target.endswith(".md"):
                target += ".md"
            return start + target + end

        parts = CODE.split(text)
        return "".join(part if part.startswith("```") else LINK.sub(follow, part) for part in parts)

    def notebook(self, path: str) -> str:
        """Return the stored notebook, with sentences that say where it can be run."""
        notebook = nbformat.read(ROOT / path, as_version=4)
        cells = []
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.with_its_links(cell.source, path)
            if "exercise" in cell.metadata.get("tags", []):
                cells.append(said(f"Your answer is checked where a kernel runs: {on_binder(path)}."))
            cells.append(cell)
        cells[1:1] = [said(f"You read what a run printed. To run it yourself, {on_binder(path)}.")]
        notebook.cells = cells
        return nbformat.writes(notebook)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def on_binder(notebook: str) -> str:
    return f"[open this notebook on Binder]({binder(notebook)})"


def said(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(f"*{text}*")


def source_page(path: str) -> str:
    name = posixpath.basename(path)
    language = LANGUAGES.get(Path(path).suffix, "text")
    return (
        f"---\norphan: true\n---\n\n# `{path}`\n\n{{download}}`Download it <{name}>`\n\n"
        f"````{language}\n{text_of(path).rstrip()}\n````\n"
    )


def listing(folder: str) -> str:
    """A page with the files of a folder, each with the first line of its documentation."""
    lines = []
    for file in sorted((ROOT / folder).glob("*.py")):
        first = re.match(r'"""(.*?)(?:"""|\n|$)', file.read_text(encoding="utf-8"))
        lines.append(f"- [`{file.name}`]({file.name})" + (f": {first[1]}" if first else ""))
    return f"---\norphan: true\n---\n\n# `{folder}/`\n\n" + "\n".join(lines) + "\n"


def contents() -> str:
    """The book's contents: the parts of the map, with titles and minutes as the notebooks give them."""
    parts = [("Without a notebook", [path.removesuffix(".md") for path in PAGES])]
    for line in text_of("notebooks/MAP.md").splitlines():
        if part := re.match(r"\*\*(.*?)\*\*", line):
            parts.append((part[1], []))
        elif notebook := re.match(r"- \[.*?\]\((.*?)\.ipynb\)", line):
            parts[-1][1].append(entry(notebook[1]))
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {part}\n\n" + "\n".join(entries) + "\n```\n" for part, entries in parts
    )


def entry(name: str) -> str:
    first = nbformat.read(ROOT / f"notebooks/{name}.ipynb", as_version=4).cells[0].source
    title = first.splitlines()[0].removeprefix("# ")
    minutes = re.search(r"\*\*Time:\*\* (\d+) minutes", first)[1]
    number = f"{name[:2]} " if name[0].isdigit() else ""
    return f"{number}{title}, {minutes} min <notebooks/{name}>"


def lay_out(source: Path) -> None:
    shutil.rmtree(source, ignore_errors=True)
    book = Book(source)
    readme = text_of("README.md")
    head, rest = readme.split("## Start\n", 1)
    table = rest.split("## Where to go\n", 1)[1].split("[The map]", 1)[0]
    kept = f"{head}## Start\n\n## Where to go\n{table}"
    book.write("README.md", book.with_its_links(kept, "README.md"))
    for path in sorted((ROOT / "notebooks").rglob("[!.]*.ipynb")):
        book.add(path.relative_to(ROOT).as_posix())
    index = text_of("docs/index.md").replace("BINDER", binder("notebooks/00_start_here.ipynb"))
    index = index.replace("REPOSITORY", REPOSITORY)
    book.write("index.md", book.with_its_links(index, "index.md") + contents())


def build(target: Path, source: Path) -> None:
    """Lay the source tree out in `source`, and build the site in `target`. Raises if Sphinx has a warning."""
    lay_out(source)
    shutil.rmtree(target, ignore_errors=True)
    options = ["-q", "-W", "--keep-going", "-c", ROOT / "docs", "-d", f"{source}-doctrees"]
    subprocess.run([sys.executable, "-m", "sphinx", *options, source, target], check=True)


if __name__ == "__main__":
    build(ROOT / "build/book", ROOT / "build/book-source")
    print("Open build/book/index.html")
