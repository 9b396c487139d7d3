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
    """Run the rules on the exercises' cells of the notebooks in a folder, the kernel's by default, as they are saved.

    Each notebook is searched whole, as one cell may call what another one defines. What is found outside of the
    exercises is ours, and left out.
    """
    places = (Path(sys.prefix, "rules", "bin"), Path(sys.executable).parent, os.environ.get("PATH", ""))
    if not (program := shutil.which("ast-grep", path=os.pathsep.join(map(str, places)))):
        if sys.platform == "emscripten":
            return Note(
                "A browser tab can't run the rules.", "On your machine, the command above runs them on your code."
            )
        cure = f"Run `%pip install -q {PACKAGE}` (9 MB) in a cell of its own, and then this cell again."
        return Note("The rules need the program ast-grep, which isn't installed.", cure)
    yours: dict[str, list[bool]] = {}  # of each line of a notebook: does it stand in a cell that the learner wrote?
    unread: list[str] = []
    with TemporaryDirectory() as copies:
        for path in sorted((folder or Path.cwd()).glob("*.ipynb")):
            try:
                cells = list(_code(path))
            except Exception:  # whatever has the name of a notebook
                unread.append(f"{path.name} could not be read as a notebook.")
                continue
            yours[path.stem] = [written for source, written in cells for _ in range(source.count("\n"))]
            unread += [
                f"{path.stem[:2]}: a cell has a syntax error." for it, written in cells if written and not _parses(it)
            ]
            Path(copies, f"{path.stem}.py").write_text("".join(source for source, _ in cells), encoding="utf-8")
        command = [program, "scan", "--config", str(ROOT / "rules" / "sgconfig.yml"), "--min-severity", "warning"]
        done = subprocess.run([*command, "--json=compact", copies], capture_output=True, encoding="utf-8", check=False)
    if not done.stdout.startswith("["):
        return Note("ast-grep could not run the rules.", *done.stderr.splitlines()[:5], mood="bad")
    mistakes = []
    for found in json.loads(done.stdout):
        name = Path(found["file"]).stem
        if yours[name][found["range"]["start"]["line"]]:
            *instead, _where = found["note"].strip().splitlines()
            mistakes.append((f"{name[:2]}: {found['text'].splitlines()[0]}", " ".join([found["message"], *instead])))
    if mistakes:
        lines = [line for one in sorted(mistakes) for line in one]
        return Note("The rules find mistakes in your exercises.", *lines, *unread, mood="bad")
    if not any(map(any, yours.values())):
        return Note("There is nothing to read yet: you have written no exercise, or not saved it.", *unread)
    return Note(
        "The rules find no mistake that they know in your exercises.", *unread, mood="neutral" if unread else "good"
    )


def _code(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield each code cell of a notebook, and whether it is an exercise that the learner has changed."""
    original = ROOT / "notebooks" / path.name
    blank = {cell.get("id"): "".join(cell["source"]) for cell in _cells(original)} if original.exists() else {}
    for cell in _cells(path):
        if cell["cell_type"] == "code":
            source = "".join(cell["source"])
            written = "exercise" in cell["metadata"].get("tags", []) and source != blank.get(cell.get("id"))
            yield re.sub(r"^(?=[%!])", "# ", source, flags=re.M) + "\n", written  # a magic is no Python


def _cells(notebook: Path) -> list[dict[str, Any]]:
    return json.loads(notebook.read_text(encoding="utf-8"))["cells"]


def _parses(source: str) -> bool:
    try:
        compile(source, "a cell", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except (SyntaxError, ValueError):
        return False
    return True
