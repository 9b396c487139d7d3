"""`make push`: corrected notebooks for all who have begun. What hub, board and `make push` do to learners' files.

make push                    bring what has changed in notebooks/ and helpers/ to everybody
make push SOLUTIONS=yes      release the solutions, and bring them to everybody
make push FRESH=NAME         give one learner the notebooks anew, beside what was theirs
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import walls
from class_place import NAME, Place

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))
import working_copy  # noqa: E402

WORKSPACES = ROOT / ".venv" / "workspaces"
SOLUTION = re.compile(r"<details>\s*<summary>Solution</summary>.*?</details>", re.S)
LATER = "*The solution comes when your teacher releases it.*"
SECONDS = 30  # for one learner's files


def make_template(place: Place) -> Path:
    """Write what each learner gets a copy of: the working copy that `make lab` gives, and our packages to be read."""
    import nbformat  # here, as the board needs a second less to start without it

    new = place.template.with_name("template.new")
    shutil.rmtree(new, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    for room in walls.ROOMS:  # what is imported is the installed one
        shutil.copytree(ROOT / room, new / room, ignore=ignored)
    working_copy.update(new / "work")
    for path in new.glob("work/**/*.ipynb"):
        _name_cells(path)
        if not place.solutions.exists():
            nbformat.write(without_solutions(nbformat.read(path, as_version=4)), path)
    if WORKSPACES.is_dir():
        shutil.copytree(WORKSPACES, new / ".jupyter" / "lab" / "workspaces")
    for path in (new, *new.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    old = place.template.with_name("template.old")
    shutil.rmtree(old, ignore_errors=True)
    if place.template.exists():
        place.template.rename(old)
    new.rename(place.template)
    shutil.rmtree(old, ignore_errors=True)
    return place.template


def without_solutions(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = SOLUTION.sub(LATER, cell.source)
    return notebook


def _name_cells(path: Path) -> None:
    """Give each cell that has no id one that is the same next time: a push goes by ids."""
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for number, cell in enumerate(notebook["cells"]):
        name = hashlib.sha256("".join(cell["source"]).encode()).hexdigest()[:12]
        cell.setdefault(
            "id",
            name if name not in [one.get("id") for one in notebook["cells"]] else f"{name}-{number}",
        )
    path.write_text(json.dumps(notebook), encoding="utf-8")


def change_files(what: str, place: Place, learner: str) -> str:
    """`give`, `push` or `fresh` a learner's files, under the learner's account; what went wrong, or nothing."""
    rights, python = {}, sys.executable
    if walls.possible():
        one = walls.account(learner, place.learners)
        rights = {"user": one.pw_uid, "group": one.pw_gid, "extra_groups": []}
        python = walls.python_for_all(place.python)
    else:
        (place.learners / learner).mkdir(mode=0o700, exist_ok=True)
    script = Path(__file__).with_name("class_files.py")
    try:
        done = subprocess.run(
            [python, "-I", script, what, place.template, place.learners / learner],
            **rights,
            cwd="/",
            env={"PATH": os.defpath},
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{type(error).__name__}"
    return (done.stderr.strip().splitlines() or ["it ended early"])[-1] if done.returncode else ""


def push(place: Place) -> dict[str, str]:
    """Bring the template anew to all who have begun: what went wrong, by learner."""
    make_template(place)
    begun = [home.name for home in place.learners.iterdir() if NAME.fullmatch(home.name)]
    with ThreadPoolExecutor(4) as some:
        return dict(zip(begun, some.map(lambda name: change_files("push", place, name), begun), strict=True))


def main() -> int:
    place = Place.from_environment()
    if not place.template.exists():
        sys.exit(f"There is no class in {place.folder}: start it first, with `make hub`.")
    if fresh := os.environ.get("FRESH"):
        if not NAME.fullmatch(fresh) or not (place.learners / fresh).is_dir():
            sys.exit(f"Nobody called {fresh} has begun: see the board.")
        said = {fresh: change_files("fresh", place, fresh)}
    else:
        if os.environ.get("SOLUTIONS"):
            place.solutions.touch()
        said = push(place)
    for name, trouble in sorted(said.items()):
        print(f"{name}: {trouble or 'done'}")
    return 1 if any(said.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
