"""`make browser`: the core notebooks for a browser tab, a static site in build/book/try. Nothing in it is fetched from elsewhere.

JupyterLite builds it; the page around it and what the kernel loads are ours. The same input gives the same files.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT / "tools")]
import packages  # noqa: E402
from working_copy import pages  # noqa: E402

WIDGETS = packages.VENV / "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
OPTIONS = "--apps lab --ignore-sys-prefix --no-sourcemaps --no-unused-shared-packages"
BOOK = "https://book.invalid/"  # page.js leads links of this address to the book's page


def build(target: Path) -> None:
    """Build the site in `target`, which is made again."""
    shutil.rmtree(target, ignore_errors=True)
    version = json.loads(read(packages.PYODIDE / "package.json"))["version"]
    python = f"static/pyodide-{version}"
    with tempfile.TemporaryDirectory() as temporary:
        lite = Path(temporary)
        settings = read(HERE / "jupyter-lite.json").replace("PYODIDE", python)
        (lite / "jupyter-lite.json").write_text(settings, encoding="utf-8")
        contents(lite / "content")
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--contents", lite / "content", *OPTIONS.split()]
        command += [f"--LiteBuildConfig.federated_extensions={one}" for one in (packages.KERNEL, WIDGETS)]
        variables = {"PYTHONPATH": str(packages.VENV / "browser"), "SOURCE_DATE_EPOCH": "1767225600"}
        command += ["--lite-dir", lite, "--output-dir", target]
        done = subprocess.run(command, cwd=lite, env=os.environ | variables, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nJupyterLite can't be built; the lines above say why.")
    packages.write(target / python, project())
    page(target, python)
    shutil.copyfile(ROOT / "docs/_static/icon.svg", target / "icon.svg")
    shutil.copytree(target / "files/images", target / "lab/images")  # the browser looks there before JupyterLab does
    for path in target.rglob("*"):  # JupyterLite gives all files one date; a plain server would take new ones for old
        os.utime(path)


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def names() -> list[str]:
    return sorted(path.name for path in (ROOT / "notebooks").glob("0[0-6]_*.ipynb"))


def needs_a_machine(cell: dict) -> bool:
    return "needs-a-machine" in cell["metadata"].get("tags", [])


def project() -> dict[str, bytes]:
    """Return what the notebooks import of the project, and the stored results of what needs a machine."""
    files = packages.folder(ROOT, "drills", "exercises", "helpers", "momento_token", "sandbox")
    core = [name[3:-6] for name in names()] + ["guess", "learner_record", "your_own_code"]
    imports = read(ROOT / "exercises/__init__.py").splitlines()  # those of other notebooks import what the tab lacks
    kept = [line for line in imports if not (one := re.match(r"from \.(\w+)", line)) or one[1] in core]
    cells = [cell for name in names() for cell in json.loads(read(ROOT / "notebooks" / name))["cells"]]
    results = {cell["id"]: cell["outputs"] for cell in cells if needs_a_machine(cell)}
    # The longest imports of the first cell are done before it is run.
    start = b'import sandbox.in_process\nget_config().InteractiveShellApp.extensions = ["helpers.needs_a_machine"]'
    return files | {
        "exercises/__init__.py": "\n".join(kept).encode(),
        "helpers/needs_a_machine.json": json.dumps(results).encode(),
        "kernel_start/profile_default/ipython_config.py": start,
        "momento_client.py": read(ROOT / "notebooks/momento_client.py").encode(),  # in case the tab can keep no files
    }


def contents(target: Path) -> None:
    """Write the notebooks as the working copy has them, for the tab's kernel, with links that lead to the book."""
    wanted, copy = [*names(), "momento_client.py"], pages()
    there = {name: copy[name] for name in copy if name in wanted or re.fullmatch(r"images/.*\.svg", name)}
    for name, content in there.items():
        if name.endswith(".ipynb"):
            notebook = json.loads(content)
            notebook["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python", "language": "python"}
            for cell in notebook["cells"]:
                cell["source"] = in_the_tab(cell, "".join(cell["source"]), there)
            content = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
        if name.endswith(".svg"):  # JupyterLite shows no other characters
            content = content.decode().encode("ascii", "xmlcharrefreplace")
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def in_the_tab(cell: dict, source: str, there: Iterable[str]) -> str:
    """Return the source that a cell has in the tab, where these files are there."""

    def lead(link: re.Match[str]) -> str:
        page = posixpath.normpath(f"notebooks/{link[1]}")
        assert (ROOT / page).exists(), page
        page = f"{page}/index" if (ROOT / page).is_dir() else re.sub(r"\.(ipynb|md)$", "", page)
        return link[0] if link[1] in there else f"{BOOK}{page}.html{link[2].lower()}"

    if cell["cell_type"] == "markdown":
        return re.sub(r"(?<=\]\()([^)\s#:]+)((?:#[^)\s]*)?)(?=\))", lead, source)
    if needs_a_machine(cell):
        return f"%%needs_a_machine {cell['id']}\n{source}"
    loads = "import ministack  # the tab loads it only here\n" if 'aws_engine="ministack"' in source else ""
    return loads + source


def page(target: Path, folder: str) -> None:
    """Put our page around JupyterLab in the place of JupyterLite's, and our service worker before its own."""
    index, worker = target / "lab/index.html", target / "service-worker.js"
    lite = json.loads(read(target / "jupyter-lite.json"))["jupyter-config-data"]["appVersion"]
    files = [path for path in sorted((target / folder).iterdir()) if not path.name.startswith("ministack")]
    sizes = {path.name: path.stat().st_size for path in files}
    parts = {"SITE": json.dumps({"folder": folder, "lite": lite, "sizes": sizes})}
    parts |= {"STYLE": read(HERE / "page.css"), "SCRIPT": read(HERE / "page.js")}
    parts["BUNDLE"] = re.findall(r"[^\"]*/bundle\.js[^\"]*", read(index))[0]
    text = re.sub("|".join(parts), lambda name: parts[name[0]], read(HERE / "index.html"))
    index.write_text(text, encoding="utf-8")
    ours = read(HERE / "service_worker.js").replace("VERSIONS", f"{lite} {folder}")
    worker.write_text(ours + read(worker), encoding="utf-8")


if __name__ == "__main__":
    build(ROOT / "build/book/try")
    print("To try it: python -m http.server -d build/book, and open http://localhost:8000/try/lab/index.html")
