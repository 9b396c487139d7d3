"""A learner's files: given, corrected, given anew. Runs as the learner, so a link that a learner made leads nowhere else.

    python class_files.py give|push|fresh TEMPLATE HOME

What was given is kept in HOME/.given, so that `push` can tell the learner's changes from the teacher's, cell by cell.
A merge by lines, as git's or nbgitpuller's, loses the correction of each cell that was run: its outputs stand beside it.
"""

from __future__ import annotations

import os
import resource
import shutil
import sys
import time
from pathlib import Path
from uuid import uuid4

GIVEN = ".given"
MEMORY = 512 * 1024**2  # bytes: a learner may have made a notebook of any size


def give(template: Path, home: Path) -> None:
    """What the learner does not have yet."""
    for part in template.iterdir():
        if not (home / part.name).exists():
            shutil.copytree(part, home / part.name)
            shutil.copytree(part, home / GIVEN / part.name, dirs_exist_ok=True)


def fresh(template: Path, home: Path) -> None:
    """The notebooks as they were given at first; the learner's stay beside them, under the time of day."""
    if (home / "work").exists():
        os.rename(home / "work", home / f"work until {time.strftime('%H.%M.%S')}")
    shutil.rmtree(home / GIVEN / "work", ignore_errors=True)
    give(template, home)


def push(template: Path, home: Path) -> None:
    """Bring each file that the teacher has changed, and keep what the learner has changed."""
    for new in sorted(path for path in template.rglob("*") if path.is_file()):
        name = new.relative_to(template)
        base, mine = home / GIVEN / name, home / name
        if name.parts[0].startswith(".") or (base.exists() and base.read_bytes() == new.read_bytes()):
            continue
        if not mine.exists() or (base.exists() and base.read_bytes() == mine.read_bytes()):
            _put(mine, new.read_bytes())
        elif new.suffix == ".ipynb":
            _put(mine, _merged(base, mine, new))
        else:
            _put(mine.with_name(f"{mine.stem} (corrected){mine.suffix}"), new.read_bytes())
        _put(base, new.read_bytes())


def merge(base: list, mine: list, new: list) -> list:
    """The cells of a corrected notebook, with the learner's own.

    A cell that only one side has changed is that side's. One that both have changed is the teacher's, and the
    learner's stands below it. Cells that the learner has made stay behind the cell that they stood behind.
    """
    was, theirs = ({cell.id: cell for cell in cells} for cells in (base, new))
    own: dict[str, list] = {}
    behind = ""
    for cell in mine:
        given = was.get(cell.id)
        if cell.id in theirs:
            behind = cell.id
        elif given is None or given.source != cell.source:
            own.setdefault(behind, []).append(cell)
    have, merged = {cell.id: cell for cell in mine}, [*own.get("", [])]
    for cell in new:
        merged += _both(was.get(cell.id), have.get(cell.id), cell) + own.get(cell.id, [])
    return merged


def _both(base, mine, new) -> list:
    if mine is None:  # new, or removed by the learner: then it comes back if it was corrected
        return [] if base and base.source == new.source else [new]
    if mine.source == new.source or (base and base.source == new.source):
        return [mine]
    if base and base.source == mine.source:
        return [new]
    kept = mine.copy()
    kept.id = uuid4().hex[:8]
    return [new, kept]


def _merged(base: Path, mine: Path, new: Path) -> bytes:
    import nbformat

    before, theirs = (
        nbformat.read(path, as_version=4) if path.exists() else nbformat.v4.new_notebook() for path in (base, new)
    )
    try:
        ours = nbformat.read(mine, as_version=4)
    except Exception:  # no notebook any more: it stays beside the corrected one
        os.replace(mine, mine.with_name(f"{mine.stem} (mine){mine.suffix}"))
        return new.read_bytes()
    ours.cells = merge(before.cells, ours.cells, theirs.cells)
    return nbformat.writes(ours).encode()


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    os.replace(new, path)


if __name__ == "__main__":
    os.umask(0o077)
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    {"give": give, "push": push, "fresh": fresh}[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
