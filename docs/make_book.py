"""`make book`: the web book, a static site in build/book, from the stored outputs. Nothing is executed.

Lays out a source tree for Sphinx: the notebooks, the pages, and for each file that one of them links to a page with its
source. Parts and order come from notebooks/MAP.md, titles and minutes from each notebook's first cell. Beside each page lies
its text as Markdown, for readers that are programs; llms.txt lists them.
"""

from __future__ import annotations

import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from datetime import date
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(!?\[[^\]]*\]\()([^)\s#]+)([^)\s]*\))")
CODE = re.compile(r"(^```.*?^```$)", re.M | re.S)
LANGUAGES = {".py": "python", ".yaml": "yaml", ".tf": "terraform", ".j2": "jinja"}
CODE_TO_TAKE_HOME = (
    "- [momento_client.py](notebooks/momento_client.py.md): one file; the core explains it",
    "- [momento_token](momento_token/README.md): a package, for a service that must not fail",
)
FIRST = "notebooks/00_start_here.ipynb"
PAGES = "docs/ten_minutes.md", "docs/production.md", "docs/runbook.md"  # those that are in the contents
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REPOSITORY = PROJECT["urls"]["Repository"]
CORE = re.compile(r"notebooks/(0[0-6]_\w+\.ipynb)")  # what runs in a browser tab


def binder(notebook: str) -> str:
    """The address that opens a notebook on Binder."""
    owner_and_name = "/".join(REPOSITORY.split("/")[-2:])
    in_the_working_copy = notebook.replace("notebooks/", "work/", 1)
    return f"https://mybinder.org/v2/gh/{owner_and_name}/HEAD?urlpath=lab/tree/{in_the_working_copy}"


def tab(notebook: str, page: str) -> str:
    """Return the address, seen from `page`, that opens a core notebook in a browser tab.

    browser/build.py builds what is there after Sphinx; so that Sphinx doesn't miss it, there is a scheme, see conf.py.
    """
    place = posixpath.relpath("try/lab/index.html", posixpath.dirname(page))
    return f"site:{place}?path={CORE.fullmatch(notebook)[1]}"


def button(notebook: str, page: str) -> str:
    address = tab(notebook, page)
    return f"**[Run it here]({address})** Nothing to install. About 16 MB at first; your work stays in this browser."


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
                # JupyterLab's name of a heading keeps its capitals and its punctuation, the book's doesn't.
                end = re.sub(r"[^\w#)-]", "", end).lower()
            elif not target.endswith(".md"):
                target += ".md"
            return start + target + end

        parts = CODE.split(text)
        return "".join(part if part.startswith("```") else LINK.sub(follow, part) for part in parts)

    def notebook(self, path: str) -> str:
        """Return the stored notebook, with sentences that say when it ran, and where it can be run."""
        notebook = nbformat.read(ROOT / path, as_version=4)
        printed = f"You read what a run printed{when(notebook.metadata.pop('stored_outputs', None))}."
        if CORE.fullmatch(path):
            run = f"[run it here]({tab(path, path)})"
            top = f"{button(path, path)}\n\n*{printed}*"
        else:
            run = f"[open this notebook on Binder]({binder(path)})"
            top = f"*{printed} Most notebooks after the core start threads or processes, which a browser tab can't: {run}.*"
        cells = []
        for cell in notebook.cells:
            if cell.cell_type == "markdown":
                cell.source = self.with_its_links(cell.source, path)
            if "exercise" in cell.metadata.get("tags", []):
                cells.append(text_cell(f"*Your answer is checked where a kernel runs: {run}.*"))
            cells.append(cell)
        cells.insert(1, text_cell(top))
        notebook.cells = cells
        return nbformat.writes(notebook)


def text_of(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def when(stored_outputs: dict | None) -> str:
    """Return the day and the versions that `make outputs` has recorded."""
    if not stored_outputs:
        return ""
    day = date.fromisoformat(stored_outputs["day"])
    *versions, last = (" ".join(one) for one in stored_outputs["versions"].items())
    return f" on {day.day} {day:%B %Y}, with {', '.join(versions)} and {last}"


def text_cell(text: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_markdown_cell(text)


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


def parts() -> list[tuple[str, list[tuple[str, str, str]]]]:
    """Return the book's parts as the map has them; of each page its title, its first paragraph and its path."""
    found = [("Without a notebook", [(*opening(text_of(path)), path.removesuffix(".md")) for path in PAGES])]
    for line in text_of("notebooks/MAP.md").splitlines():
        if part := re.match(r"\*\*(.*?)\*\*", line):
            found.append((part[1], []))
        elif notebook := re.match(r"- \[.*?\]\((.*?)\.ipynb\)", line):
            found[-1][1].append(entry(f"notebooks/{notebook[1]}"))
    return found


def opening(text: str) -> tuple[str, str]:
    """Return the title and the paragraph after it, as plain text."""
    title, about = text.split("\n\n")[:2]
    return title.removeprefix("# "), re.sub(r"\*\*|\[(.*?)\]\(.*?\)", r"\1", about)


def entry(path: str) -> tuple[str, str, str]:
    first = nbformat.read(ROOT / f"{path}.ipynb", as_version=4).cells[0].source
    title, about = opening(first)
    minutes = re.search(r"\*\*Time:\*\* (\d+) minutes", first)[1]
    number = f"{name[:2]} " if (name := posixpath.basename(path))[0].isdigit() else ""
    return f"{number}{title}, {minutes} min", about, path


def contents() -> str:
    """Return the book's contents for Sphinx."""
    return "".join(
        f"\n```{{toctree}}\n:hidden:\n:caption: {part}\n\n"
        + "".join(f"{title} <{path}>\n" for title, _, path in pages)
        + "```\n"
        for part, pages in parts()
    )


def llms() -> str:
    """Return the book's contents for programs: llms.txt, as llmstxt.org describes it."""
    title, about = opening(text_of("README.md"))
    lines = [f"# {title}\n\n> {about}\n\nEach page of this book is also there as Markdown: `.md` instead of `.html`."]
    for part, pages in parts():
        lines.append(f"\n## {part}\n")
        lines += [f"- [{title}]({path}.md): {about}" for title, about, path in pages]
    return "\n".join([*lines, "\n## Code to take home\n", *CODE_TO_TAKE_HOME, ""])


def lay_out(source: Path) -> None:
    shutil.rmtree(source, ignore_errors=True)
    book = Book(source)
    readme = text_of("README.md")
    head, rest = readme.split("## Start\n", 1)
    table = rest.split("## Where to go\n", 1)[1].split("[The map]", 1)[0]
    head = head.replace("\n\n**Why", f"\n\n{button(FIRST, 'index.md')}\n\n**Why", 1)
    kept = f"{head}## Start\n\n## Where to go\n{table}"
    book.write("README.md", book.with_its_links(kept, "README.md"))
    for path in sorted((ROOT / "notebooks").rglob("[!.]*.ipynb")):
        book.add(path.relative_to(ROOT).as_posix())
    index = text_of("docs/index.md").replace("(BINDER)", f"({binder(FIRST)})")
    index = index.replace("(REPOSITORY)", f"({REPOSITORY})")
    book.write("index.md", book.with_its_links(index, "index.md") + contents())


def build(target: Path, source: Path) -> None:
    """Lay the source tree out in `source`, and build the site in `target`. Raises if Sphinx has a warning."""
    lay_out(source)
    as_markdown = Path(f"{source}-as-markdown")
    for builder, place in (("html", target), ("markdown", as_markdown)):
        shutil.rmtree(place, ignore_errors=True)
        options = ["-q", "-W", "--keep-going", "-b", builder, "-c", ROOT / "docs", "-d", f"{source}-doctrees"]
        subprocess.run([sys.executable, "-m", "sphinx", *options, source, place], check=True)
    for page in as_markdown.rglob("*.md"):
        path = page.relative_to(as_markdown)
        text = page.read_text(encoding="utf-8")
        text = text.replace("</summary>\n", "</summary>\n\n")  # or what follows is no Markdown
        pictures = "../" * (len(path.parts) - 1) + "_images/"  # where the other builder has put them
        text = re.sub(r"(!\[[^\]]*\]\()[^)]*/", rf"\1{pictures}", text)
        (target / path).write_text(text, encoding="utf-8")
    (target / "llms.txt").write_text(llms(), encoding="utf-8")


if __name__ == "__main__":
    build(ROOT / "build/book", ROOT / "build/book-source")
    print("Open build/book/index.html")
