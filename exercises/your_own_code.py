"""The rules, run on what a learner wrote in the exercises: the last cell of 06, let only the right identity read it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import nbformat

from helpers.display import Note

RULES = Path(__file__).resolve().parent.parent / "rules" / "sgconfig.yml"


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
        cure = "Run `%pip install -q ast-grep-cli` (9 MB) in a cell of its own, and then this cell again."
        return Note("The rules need the program ast-grep, which isn't installed.", cure)
    exercises: dict[str, list[bool]] = {}  # of each line: does it stand in an exercise's cell?
    cells = 0
    with TemporaryDirectory() as copies:
        for notebook in sorted((folder or Path.cwd()).glob("*.ipynb")):
            text, ours = "", exercises.setdefault(notebook.stem, [])
            for cell in nbformat.read(notebook, as_version=4).cells:
                if cell.cell_type == "code":
                    source = re.sub(r"^(?=[%!])", "# ", cell.source, flags=re.M) + "\n"  # a magic is no Python
                    is_exercise = "exercise" in cell.metadata.get("tags", [])
                    cells += is_exercise
                    ours += [is_exercise] * source.count("\n")
                    text += source
            Path(copies, f"{notebook.stem}.py").write_text(text, encoding="utf-8")
        command = [program, "scan", "--config", str(RULES), "--min-severity", "warning", "--json=compact", copies]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    if not done.stdout.startswith("["):
        return Note("ast-grep could not run the rules.", *done.stderr.splitlines()[:5], mood="bad")
    mistakes = []
    for found in json.loads(done.stdout):
        name = Path(found["file"]).stem
        if exercises[name][found["range"]["start"]["line"]]:
            *instead, _where = found["note"].strip().splitlines()
            mistakes.append((f"{name[:2]}: {found['text'].splitlines()[0]}", " ".join([found["message"], *instead])))
    if not mistakes:
        return Note(f"The rules find no mistake in the cells of your {cells} exercises.", mood="good")
    return Note(
        "The rules find mistakes in your exercises.", *(line for one in sorted(mistakes) for line in one), mood="bad"
    )
