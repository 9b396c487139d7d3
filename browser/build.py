"""`make browser`: the core notebooks for a browser tab, a static site in build/book/try. Nothing in it is fetched from elsewhere.

The packages are those of `.venv`, without what the notebooks don't use; Pyodide is npm's, JupyterLite that of .venv/browser.
The same input gives the same files, byte for byte.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import posixpath
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from working_copy import pages  # noqa: E402

HERE, LITE = Path(__file__).parent, ROOT / ".venv/browser"
PYODIDE = ROOT / ".venv/pyodide/node_modules/pyodide"
KERNEL = LITE / "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension"
WIDGETS = ROOT / ".venv/share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
WHEN = (2026, 1, 1, 0, 0, 0)  # the date of all files
BOOK = "https://book.invalid/"  # page.js leads links of this address to the book's page

# What the notebooks import, and what the kernel needs.
WANTED = "aws-secretsmanager-caching", "boto3", "cachetools", "comm", "ipython", "ipywidgets", "momento", "moto", "pyyaml"
# sandbox/in_process.py does without the first, browser/grpc is the second; the kernel's extension brings the third.
LEFT_OUT = {"cryptography", "grpcio", "widgetsnbextension", "jupyterlab-widgets", "prompt-toolkit", "wcwidth"}
EMPTY = {"jedi", "micropip"}  # the kernel loads them; it completes names without the first, and a tab installs no package
PLACE = {"python_version": "3.14", "sys_platform": "emscripten", "platform_system": "Emscripten", "extra": ""}
USED = {  # of these packages only what is named here
    "botocore/data/": r"[^/]+$|(secretsmanager|sts|iam)/",
    "moto/": r"[^/]+$|(core|secretsmanager|sts|utilities|moto_api|instance_metadata)/",
    "pygments/lexers/": r"(__init__|_mapping|python)\.py$",
    "boto3/data/": "$.",
}
UNUSED = re.compile(
    r"(^|/)(\.[^/]*|tests?|__pycache__|bin|examples)/|\.(so|pyi?|c|h|tar\.gz|pem|png|js|typed)$(?<!\.py)|/RECORD$|examples-1\.json"
)
PIPLITE = {
    "piplite/__init__.py": b"",
    "piplite/piplite.py": b"",
    "piplite/cli.py": b"async def get_transformed_code(_):\n    return \"print('A browser tab installs no packages.')\"\n",
}


def installed(name: str) -> dict[str, bytes]:
    """Return the files of a package of this environment that the tab uses."""
    package = metadata.distribution(name)
    paths = [path.as_posix() for path in package.files or []]
    return {path: Path(str(package.locate_file(path))).read_bytes() for path in paths if used(path)}


def used(path: str) -> bool:
    folder = next((one for one in USED if path.startswith(one)), "")
    return not UNUSED.search(path) and bool(re.match(USED.get(folder, ""), path.removeprefix(folder)))


def packages() -> dict[str, dict[str, bytes]]:
    """Return the wanted packages and, as they require each other, all others, each with its files."""
    found: dict[str, dict[str, bytes]] = {}
    waiting = list(WANTED)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found or name in LEFT_OUT | EMPTY:
            continue
        found[name] = installed(name)
        required = map(Requirement, metadata.requires(name) or [])
        waiting += [one.name for one in required if one.marker is None or one.marker.evaluate(PLACE)]
    return found


def folder(root: Path, *tops: str) -> dict[str, bytes]:
    paths = [path for top in tops for path in root.joinpath(top).rglob("*") if path.is_file()]
    return {name: path.read_bytes() for path in paths if used(name := path.relative_to(root).as_posix())}


def project() -> dict[str, bytes]:
    """Return what the notebooks import of the project, the kernel's start, and the stored results of what needs a machine."""
    found = folder(ROOT, "drills", "exercises", "helpers", "momento_token", "sandbox")
    modules = {name[3:-6] for name in names()} | {"guess", "learner_record"}
    lines = found["exercises/__init__.py"].decode().splitlines()  # without those that import what the tab lacks
    kept = [line for line in lines if not (of := re.match(r"from \.(\w+)", line)) or of[1] in modules]
    found["exercises/__init__.py"] = "\n".join(kept).encode()
    found["momento_client.py"] = (ROOT / "notebooks/momento_client.py").read_bytes()
    start = 'get_config().InteractiveShellApp.extensions = ["helpers.needs_a_machine"]\n'
    found["browser_start/profile_default/ipython_config.py"] = start.encode()
    results = {cell["id"]: cell["outputs"] for name in names() for cell in cells(name) if needs_a_machine(cell)}
    found["helpers/needs_a_machine.json"] = json.dumps(results).encode()
    return found


def names() -> list[str]:
    return sorted(path.name for path in (ROOT / "notebooks").glob("0[0-6]_*.ipynb"))


def cells(name: str) -> list[dict]:
    return json.loads((ROOT / "notebooks" / name).read_text(encoding="utf-8"))["cells"]


def needs_a_machine(cell: dict) -> bool:
    return "needs-a-machine" in cell["metadata"].get("tags", [])


def contents(target: Path) -> None:
    """Write the notebooks as the working copy has them, for the tab's kernel, with links that lead to the book."""
    there = {name: content for name, content in pages().items() if name in (*names(), "momento_client.py")}
    there |= {name: content for name, content in pages().items() if name.startswith("images/")}
    for name, content in there.items():
        if name.endswith(".ipynb"):
            notebook = json.loads(content)
            notebook["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python", "language": "python"}
            for cell in notebook["cells"]:
                source = "".join(cell["source"])
                if cell["cell_type"] == "markdown":
                    source = re.sub(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))", lambda link: leads(link, there), source)
                elif needs_a_machine(cell):
                    source = f"%%needs_a_machine {cell['id']}\n{source}"
                cell["source"] = source
            content = (json.dumps(notebook, indent=1, ensure_ascii=False) + "\n").encode()
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        (target / name).write_bytes(content)


def leads(link: re.Match[str], there: dict[str, bytes]) -> str:
    """Return where a link leads: to a file that the tab has, or to the book's page of it."""
    path, heading = link[1], link[2] or ""
    if path in there:
        return link[0]
    page = posixpath.normpath(posixpath.join("notebooks", path))
    if (ROOT / page).is_dir():
        return f"{BOOK}{page}/index.html"
    return BOOK + re.sub(r"\.(ipynb|md)$", "", page) + ".html" + heading.lower()


class Packages:
    """The folder of Pyodide, and the lock from which the kernel loads all that it imports."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.lock = json.loads((PYODIDE / "pyodide-lock.json").read_text(encoding="utf-8")) | {"packages": {}}
        target.mkdir(parents=True)
        for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip"):
            shutil.copyfile(PYODIDE / name, target / name)

    def add(self, name: str, files: dict[str, bytes]) -> None:
        """Pack files as a package. Its name in the folder has a hash, so that a browser can keep it for good."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for path, content in sorted(files.items()):
                archive.writestr(zipfile.ZipInfo(path, WHEN), content, zipfile.ZIP_DEFLATED, 9)
        digest = hashlib.sha256(packed.getvalue()).hexdigest()
        file = f"{name}-{digest[:12]}.zip"
        (self.target / file).write_bytes(packed.getvalue())
        self.lock["packages"][name] = {
            "name": name,
            "version": "0",
            "file_name": file,
            "sha256": digest,
            "install_dir": "site",
            "package_type": "package",
            "imports": [],
            "depends": [],
        }

    def write(self) -> list[str]:
        (self.target / "pyodide-lock.json").write_text(json.dumps(self.lock), encoding="utf-8")
        return sorted(self.lock["packages"])


def settings(pyodide: str, loaded: list[str]) -> dict:
    kernel = {
        "pyodideUrl": f"./{pyodide}/pyodide.mjs",
        "disablePyPIFallback": True,
        "loadPyodideOptions": {
            "packages": loaded,
            "env": {
                "HOME": "/home/pyodide",
                "IPYTHONDIR": "/lib/python3.14/site-packages/browser_start",
                "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
                "TUTORIAL_PROGRESS": "/drive/.progress.jsonl",
            },
        },
    }
    return {
        "jupyter-lite-schema-version": 0,
        "jupyter-config-data": {
            "appName": "A Momento token in AWS Secrets Manager",
            "exposeAppInBrowser": True,
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }


def build(target: Path) -> None:
    """Build the site in `target`, which is made again."""
    version = json.loads((PYODIDE / "package.json").read_text(encoding="utf-8"))["version"]
    if not any(f"/v{version}/" in path.read_text(encoding="utf-8") for path in KERNEL.glob("static/*.js")):
        sys.exit(f"The kernel is made for another Pyodide than {version}: set PYODIDE in the Makefile to the version in {KERNEL}.")
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        lite = Path(temporary)
        pyodide = f"static/pyodide-{version}"
        tab = Packages(lite / pyodide)
        for name, files in packages().items():
            tab.add(name, files)
        for wheel in sorted(KERNEL.glob("static/pypi/*.whl")):
            with zipfile.ZipFile(wheel) as archive:
                name = canonicalize_name(wheel.name.split("-")[0])
                if name not in ("piplite",) and "3.6.999" not in wheel.name:
                    tab.add(name, {path: archive.read(path) for path in archive.namelist() if used(path)})
        for name in EMPTY:
            tab.add(name, {})
        tab.add("piplite", PIPLITE)
        tab.add("grpcio", folder(HERE, "grpc"))
        tab.add("tutorial", project())
        loaded = tab.write()
        contents(lite / "content")
        (lite / "jupyter-lite.json").write_text(json.dumps(settings(pyodide, loaded)), encoding="utf-8")
        (lite / "overrides.json").write_text(json.dumps(OVERRIDES), encoding="utf-8")
        command = [sys.executable, "-m", "jupyterlite_core", "build", "--lite-dir", lite, "--output-dir", target]
        command += ["--contents", lite / "content", "--apps", "lab", "--no-sourcemaps", "--no-unused-shared-packages"]
        command += ["--ignore-sys-prefix"]
        command += [f"--LiteBuildConfig.federated_extensions={one}" for one in (KERNEL, WIDGETS)]
        here = os.environ | {"PYTHONPATH": str(LITE), "SOURCE_DATE_EPOCH": "1767225600"}
        done = subprocess.run(command, cwd=lite, env=here, capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{done.stdout}{done.stderr}\nJupyterLite could not be built; the lines above say why.")
        shutil.copytree(lite / "static", target / "static", dirs_exist_ok=True)


OVERRIDES: dict = {}


if __name__ == "__main__":
    build(ROOT / "build/book/try")
    print("Serve build/book, for example by `python -m http.server -d build/book`, and open try/lab/index.html?path=00_start_here.ipynb")
