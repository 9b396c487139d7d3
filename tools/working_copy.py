"""Keep `work/`, the copy of the notebooks without outputs in which a learner works.

python tools/working_copy.py              make it, or bring up to date what the learner hasn't changed
python tools/working_copy.py --fresh 03   make one notebook again, and keep the learner's beside it
python tools/working_copy.py --fresh all  make a fresh copy, and keep the old one beside it

Running cells changes outputs only, so a notebook counts as changed when the sources of its cells differ.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
WORK = ROOT / "work"
WRITTEN = ".working_copy.json"  # in the copy: a fingerprint of each file as it was written
RECORD = ".progress.jsonl"  # of what the learner has solved, see exercises/learner_record.py
# Not in a copy: caches, and what the cells of notebooks write.
LEFT_OUT = (
    "__pycache__",
    ".ipynb_checkpoints",
    "created_by_the_tutorial.jsonl",
    "hasty_service.py",
    "my_service.py",
    "ruff.toml",
)


def pages() -> dict[str, bytes]:
    """Return what a copy holds: the content of each file by its path, notebooks without outputs."""
    paths = [path.relative_to(NOTEBOOKS) for path in sorted(NOTEBOOKS.rglob("*")) if path.is_file()]
    wanted = [path for path in paths if not path.name.startswith(".") and not set(path.parts) & set(LEFT_OUT)]
    found = {}
    for path in wanted:
        try:
            found[path.as_posix()] = _without_outputs(NOTEBOOKS / path)
        except (ValueError, KeyError):
            print(f"notebooks/{path.as_posix()} is left out, because it can't be read as a notebook: correct it.")
    return found


def update(work: Path = WORK) -> list[str]:
    """Write each page that is missing, or that is as it was written and has changed since; say which were left alone.

    Returns the names of those that it wrote.
    """
    try:
        written = dict(json.loads((work / WRITTEN).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        written = {}
    new = pages()
    brought, left = [], []
    try:
        for name, content in new.items():
            there, wanted = _read(work / name), fingerprint(name, content)
            mine = None if there is None else fingerprint(name, there)
            if mine not in (None, wanted, written.get(name)):
                left += [name] if written.get(name) != wanted else []
                continue
            if mine != wanted:
                _write(work / name, content)
                brought.append(name)
            written[name] = wanted
        for name in written.keys() - new.keys():  # what the collection no longer has
            if fingerprint(name, _read(work / name) or b"") == written.pop(name):
                (work / name).unlink(missing_ok=True)
    finally:  # also when it is interrupted: what was written so far is known
        _write(work / WRITTEN, json.dumps(written, indent=1).encode())
    for name in left:
        how = f"make fresh NOTEBOOK={name}" if name.endswith(".ipynb") else f"delete {work.name}/{name}"
        print(f"{work.name}/{name} is yours and was left alone. There is a newer version; to get it: {how}")
    return brought


def fresh(which: str = "", work: Path = WORK) -> None:
    """Make one notebook again, by its number or name, or "all". What was there stays under another name."""
    if which == "all":
        if work.exists():
            time.sleep(1)  # so that the name below is of no other copy
            old = work.rename(work.with_name(f"{work.name} until {time.strftime('%Y-%m-%d %H.%M.%S')}"))
            if (old / RECORD).exists():
                _write(work / RECORD, (old / RECORD).read_bytes())
        what = "all notebooks. Restart the kernels that are open"
    else:
        new, number = pages(), f"{which.zfill(2)}_"
        chosen = [name for name in new if name.endswith(".ipynb") and (name == which or name.startswith(number))]
        if not which or len(chosen) != 1:
            sys.exit("Which notebook? Give its number, as in NOTEBOOK=03, or NOTEBOOK=all.")
        what = chosen[0]
        theirs = _read(work / what)
        if theirs is not None and fingerprint(what, theirs) != fingerprint(what, new[what]):
            (work / what).rename(_free(work / what))
        else:
            (work / what).unlink(missing_ok=True)
    update(work)
    print(f"{work.name}/ has a fresh copy of {what}; what was changed there stays beside it.")


def fingerprint(name: str, content: bytes) -> str:
    """Return a hash of a notebook's cell sources, or of another file's content."""
    if name.endswith(".ipynb"):
        try:
            cells = json.loads(content)["cells"]
            sources = [(cell["cell_type"], "".join(cell["source"])) for cell in cells]
            # JupyterLab adds an empty cell when the last one is run.
            content = json.dumps([(kind, source) for kind, source in sources if source.strip()]).encode()
        except (ValueError, KeyError, TypeError):
            pass  # no notebook any more
    return hashlib.sha256(content).hexdigest()


def _without_outputs(path: Path) -> bytes:
    if path.suffix != ".ipynb":
        return path.read_bytes()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    notebook["metadata"].pop("stored_outputs", None)  # when and with what they were made
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            cell |= {"outputs": [], "execution_count": None}
    return (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(content)
    os.replace(new, path)


def _free(path: Path) -> Path:
    """Return a name for what was the learner's that no file has."""
    names = [path.with_stem(f"{path.stem} (mine{number})") for number in ("", *(f" {one}" for one in range(2, 1000)))]
    return next(name for name in names if not name.exists())


if __name__ == "__main__":
    try:
        fresh(*sys.argv[2:3]) if sys.argv[1:2] == ["--fresh"] else update()
    except OSError as error:
        sys.exit(f"{WORK.name}/ can't be written ({error}): make room, or see who may write there.")
