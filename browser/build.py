"""`make browser`: the core notebooks for a browser tab, a static site in build/book/try. Nothing in it is fetched from elsewhere.

The packages are those of `.venv`, without what the notebooks don't use; Pyodide is npm's, JupyterLite that of .venv/browser.
The same input gives the same files, byte for byte.
"""

from __future__ import annotations

import gzip
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

HERE, HOME = Path(__file__).parent, Path(sys.prefix)  # HOME is `.venv`
LITE, PYODIDE = HOME / "browser", HOME / "pyodide/node_modules/pyodide"
KERNEL = LITE / "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension"
WIDGETS = HOME / "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager"
WHEN = (2026, 1, 1, 0, 0, 0)  # the date of all files
BOOK = "https://book.invalid/"  # page.js leads links of this address to the book's page

# What the notebooks import, and what the kernel needs.
WANTED = "aws-secretsmanager-caching", "boto3", "cachetools", "comm", "ipython", "ipywidgets", "momento", "moto", "pyyaml"
# sandbox/in_process.py does without the first, browser/grpc is the second; the kernel's extension brings the third.
LEFT_OUT = {"cryptography", "grpcio", "widgetsnbextension", "jupyterlab-widgets", "prompt-toolkit", "wcwidth"}
EMPTY = {"jedi", "micropip"}  # the kernel loads them; it completes names without the first, and a tab installs no package
PLACE = {"python_version": "3.14", "sys_platform": "emscripten", "platform_system": "Emscripten", "extra": ""}
ON_DEMAND = {"ministack"}  # loaded by a cell that imports it
USED = {  # of these packages only what is named here
    "botocore/data/": r"[^/]+$|(secretsmanager|sts|iam)/",
    "moto/": r"[^/]+$|(core|secretsmanager|sts|utilities|moto_api|instance_metadata)/",
    "pygments/lexers/": r"(__init__|_mapping|python)\.py$",
    "boto3/data/": "$.",
    "encodings/": r"(?!cp(?!437)|mac_|iso8859|koi|big5|euc|gb|hp|hz|kz|ptcp|shift|johab|palmos|tis)",
    "IPython/": r"(?!testing/plugin|sphinxext|external)",
    "pygments/formatters/": r"(__init__|_mapping|html|latex|terminal|terminal256)\.py$",
    "ministack/core/": r"(__init__|arn|concurrency|container_reaper|hypercorn_compat|iam_\w+|persistence|responses|router|sigv4)\.",
    "ministack/services/": r"(__init__|iam|secretsmanager|sts)\.py$",
    "werkzeug/": r"(?!debug|middleware)",
}
UNUSED = re.compile(
    r"(^|/)(\.[^/]*|__pycache__|tests?|bin|examples|_pyrepl|xmlrpc|xml/dom)/"
    r"|^(_pydatetime|_pyio|doctest|ftplib|imaplib|mailbox|modulefinder|pickletools|plistlib|poplib|smtplib|trace|wave)\.py"
    r"|\.(so|pyi|pyx|c|h|tar\.gz|pem|png|js|typed)$|/RECORD$|examples-1\.json"
)
# MiniStack sets a few attributes of the server that would carry its calls elsewhere, and that needs sockets.
SERVER = dict.fromkeys(
    ["h11.py", *(f"hypercorn/{one}.py" for one in ("__init__", "config"))]
    + [f"hypercorn/protocol/{one}.py" for one in ("__init__", "events", "h11", "ws_stream")],
    b"class Response:\n    def __post_init__(self): ...\nConfig = EndBody = H11Protocol = InformationalResponse = WSStream = Response",
) | {"ministack/services/apigateway_v1.py": b"def resolve_base_path_mapping(*_): ..."}
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
        if name.endswith(".svg"):  # JupyterLite shows no other characters
            content = content.decode().encode("ascii", "xmlcharrefreplace")
        if name.endswith(".ipynb"):
            notebook = json.loads(content)
            notebook["metadata"]["kernelspec"] = {"name": "python", "display_name": "Python", "language": "python"}
            for cell in notebook["cells"]:
                source = "".join(cell["source"])
                if cell["cell_type"] == "markdown":
                    source = re.sub(r"(?<=\]\()([^)\s#:]+)(#[^)\s]*)?(?=\))", lambda link: leads(link, there), source)
                elif needs_a_machine(cell):
                    source = f"%%needs_a_machine {cell['id']}\n{source}"
                elif 'aws_engine="ministack"' in source:
                    source = f"import ministack  # the tab loads it only here\n{source}"
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
        for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm"):
            shutil.copyfile(PYODIDE / name, target / name)

    def add(self, name: str, files: dict[str, bytes]) -> None:
        """Pack files as a package. Its name in the folder has a hash, so that a browser can keep it for good."""
        packed = zipped(files)
        digest = hashlib.sha256(packed).hexdigest()
        file = f"{name}-{digest[:12]}.zip"
        (self.target / file).write_bytes(packed)
        self.lock["packages"][name] = {
            "name": name,
            "version": "0",
            "file_name": file,
            "sha256": digest,
            "install_dir": "site",
            "package_type": "package",
            "imports": [name] if name in ON_DEMAND else [],
            "depends": [],
        }


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, WHEN), content, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def unzipped(archive: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as opened:
        return {path: opened.read(path) for path in opened.namelist() if not path.endswith("/")}


def compiled(packages: dict[str, dict[str, bytes]]) -> dict[str, dict[str, bytes]]:
    """Return the same with Python's byte code in place of its source, which only our own modules keep."""
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary, "source.zip"), Path(temporary, "target.zip")
        modules = {f"{name}/{path}": text for name, files in packages.items() for path, text in files.items()}
        source.write_bytes(zipped({path: text for path, text in modules.items() if path.endswith(".py")}))
        subprocess.run(["node", HERE / "compile.mjs", PYODIDE, source, target], check=True)
        for path, code in unzipped(target).items():
            name, _, path = path.partition("/")
            if name in ("tutorial", "grpcio"):
                path = re.sub(r"(\w+)\.pyc$", r"__pycache__/\1.cpython-314.pyc", path)
            else:
                del packages[name][path.removesuffix("c")]
            packages[name][path] = code
    return packages


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
            # Each visit opens the notebook that was asked for, and no windows of an earlier one.
            "enableMemoryStorage": True,
            "workspacesStorageDrivers": ["memoryStorageDriver"],
            "faviconUrl": "./icon.svg",
            "litePluginSettings": {"@jupyterlite/pyodide-kernel-extension:kernel": kernel},
        },
    }


def build(target: Path) -> None:
    """Build the site in `target`, which is made again."""
    version = json.loads((PYODIDE / "package.json").read_text(encoding="utf-8"))["version"]
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory() as temporary:
        lite = Path(temporary)
        pyodide = f"static/pyodide-{version}"
        wheels = {wheel.name.split("-")[0]: wheel for wheel in sorted(KERNEL.glob("static/pypi/*.whl"))}
        found = packages() | {name: {} for name in EMPTY} | {"grpcio": folder(HERE, "grpc"), "tutorial": project()}
        found["ministack"] = folder(HOME / "ministack", "ministack", "defusedxml") | SERVER
        for name, wheel in wheels.items():
            found[canonicalize_name(name)] = {path: text for path, text in unzipped(wheel).items() if used(path)}
        found["piplite"] = PIPLITE
        found["stdlib"] = {path: text for path, text in unzipped(PYODIDE / "python_stdlib.zip").items() if used(path)}
        found = compiled(found)
        tab = Packages(lite / pyodide)
        (lite / pyodide / "python_stdlib.zip").write_bytes(zipped(found.pop("stdlib")))
        for name, files in sorted(found.items()):
            tab.add(name, files)
        (lite / pyodide / "pyodide-lock.json").write_text(json.dumps(tab.lock), encoding="utf-8")
        contents(lite / "content")
        (lite / "jupyter-lite.json").write_text(json.dumps(settings(pyodide, sorted(found.keys() - ON_DEMAND))), encoding="utf-8")
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
    shutil.copyfile(ROOT / "docs/_static/icon.svg", target / "icon.svg")
    files = [target / pyodide / one["file_name"] for name, one in tab.lock["packages"].items() if name not in ON_DEMAND]
    files += [path for path in (target / pyodide).iterdir() if path.stem.startswith(("pyodide", "python"))]
    page(target, {path.relative_to(target).as_posix(): size(path) for path in sorted(files)})
    worker = target / "service-worker.js"
    versions = " ".join(f"{name} {metadata.version(name)}" for name in ("jupyterlab-widgets",)) + f" pyodide {version}"
    ours = (HERE / "service_worker.js").read_text(encoding="utf-8").replace("VERSIONS", versions)
    worker.write_text(ours + worker.read_text(encoding="utf-8"), encoding="utf-8")
    for path in target.rglob("*"):  # JupyterLite dates all files alike, by which a plain server takes changed ones for old
        os.utime(path)


def size(path: Path) -> int:
    """Return about how many bytes of a file a static host sends."""
    content = path.read_bytes()
    return len(content if path.suffix == ".zip" else gzip.compress(content))


def page(target: Path, loaded: dict[str, int]) -> None:
    """Put our page around JupyterLab in the place of JupyterLite's."""
    index = target / "lab/index.html"
    bundle = re.search(r"[^\"]*/bundle\.js[^\"]*", index.read_text(encoding="utf-8"))
    assert bundle
    text = (HERE / "index.html").read_text(encoding="utf-8")
    lite = json.loads((target / "jupyter-lite.json").read_text(encoding="utf-8"))["jupyter-config-data"]["appVersion"]
    parts = {"BUNDLE": bundle[0], "LOADED": json.dumps(loaded), "LITE": lite}
    parts |= {"STYLE": (HERE / "page.css").read_text(encoding="utf-8"), "SCRIPT": (HERE / "page.js").read_text(encoding="utf-8")}
    index.write_text(re.sub("|".join(parts), lambda name: parts[name[0]], text), encoding="utf-8")


OVERRIDES = json.loads((ROOT / "binder/overrides.json").read_text(encoding="utf-8")) | {
    "@jupyterlab/apputils-extension:themes": {"adaptive-theme": True},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 5},
}


if __name__ == "__main__":
    build(ROOT / "build/book/try")
    print("Serve build/book, for example by `python -m http.server -d build/book`, and open try/lab/index.html?path=00_start_here.ipynb")
