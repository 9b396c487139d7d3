"""The rules, run on what a learner wrote in the exercises: the last cell of 06, let only the right identity read it."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from helpers.display import Note

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "ast-grep-cli==0.51.1"


def find_mistakes(folder: Path | None = None) -> Note:
    """Run the rules on the exercises that a learner has written, in the saved notebooks of a folder, by default the kernel's.

    Each notebook is searched whole, as one cell may call what another one defines; findings in our own cells are dropped.
    """
    places = (Path(sys.prefix, "rules", "bin"), Path(sys.executable).parent, os.environ.get("PATH", ""))
    if not (program := shutil.which("ast-grep", path=os.pathsep.join(map(str, places)))):
        if sys.platform == "emscripten":
            return Note(
                "A browser tab can't run the rules.", "On your machine, the command above runs them on your code."
            )
        cure = f"Run `%pip install -q {PACKAGE}` in a new cell (it downloads 9 MB), then run this one again."
        return Note("The rules need the program ast-grep, which isn't installed.", cure)
    blank = {cell.get("id"): _source(cell) for path in (ROOT / "notebooks").rglob("*.ipynb") for cell in _cells(path)}
    yours: dict[str, list[bool]] = {}  # for each notebook and line: did the learner write it?
    unread: list[str] = []
    with TemporaryDirectory() as copies:
        for path in sorted((folder or Path.cwd()).glob("*.ipynb")):
            try:
                cells = list(_code(path, blank))
            except (OSError, ValueError, LookupError):
                unread.append(f"{path.name} could not be read as a notebook.")
                continue
            broken = [source for source, written in cells if written and not _parses(source)]
            unread += [f"{path.stem}: a cell has a syntax error."] * len(broken)
            yours[path.stem] = [written for source, written in cells for _ in range(source.count("\n"))]
            Path(copies, f"{path.stem}.py").write_text("".join(source for source, _ in cells), encoding="utf-8")
        command = [program, "scan", "--config", str(ROOT / "rules" / "sgconfig.yml"), "--min-severity", "warning"]
        # From within: the rules leave out what lies in a folder called `tests`, wherever that is.
        done = subprocess.run([*command, "--json=compact"], capture_output=True, encoding="utf-8", cwd=copies)
    if not done.stdout.startswith("["):
        return Note("ast-grep could not run the rules.", *done.stderr.splitlines()[:5], mood="bad")
    mistakes = []
    for found in json.loads(done.stdout):
        name = Path(found["file"]).stem
        if yours[name][found["range"]["start"]["line"]]:
            *instead, _where = found["note"].strip().splitlines()
            mistakes.append((f"{name}: {found['text'].splitlines()[0]}", " ".join([found["message"], *instead])))
    if mistakes:
        lines = [line for one in sorted(mistakes) for line in one]
        return Note("The rules find mistakes in your exercises.", *lines, *unread, mood="bad")
    if unread:
        return Note("Not everything could be read.", *unread)
    if not any(map(any, yours.values())):
        return Note("Nothing to read yet: write an exercise, and save its notebook.")
    return Note("The rules find no mistake in your exercises.", mood="good")


def _code(notebook: Path, blank: dict[str | None, str]) -> Iterator[tuple[str, bool]]:
    """Yield each code cell as Python, and whether it is an exercise that the learner has changed."""
    for cell in _cells(notebook):
        if cell["cell_type"] == "code":
            is_exercise = "exercise" in cell["metadata"].get("tags", [])
            without_magics = re.sub(r"^(?=[%!])", "# ", _source(cell), flags=re.M)
            yield f"{without_magics}\n", is_exercise and _source(cell) != blank.get(cell.get("id"))


def _cells(notebook: Path) -> list[dict[str, Any]]:
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _parses(source: str) -> bool:
    try:
        compile(source, "a cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return False
    return True
