"""What the kernel in a browser tab loads: Pyodide, and in four archives all that the notebooks import.

The packages are those of `.venv`, without what the notebooks don't use, and compiled: that halves the kernel's start.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

HERE, VENV = Path(__file__).parent, Path(sys.prefix)
PYODIDE = VENV / "pyodide/node_modules/pyodide"
KERNEL = VENV / "browser/share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension"
WHEN = (2026, 1, 1, 0, 0, 0)  # the date of all files, so that the same input gives the same archive

WANTED = "aws-secretsmanager-caching boto3 cachetools comm ipython ipywidgets momento moto pyyaml"
# sandbox/in_process.py does without the first, browser/grpc is the second, the kernel brings the third; no terminal, no jedi.
LEFT_OUT = {"cryptography", "grpcio", "widgetsnbextension", "jupyterlab_widgets", "prompt_toolkit", "jedi"}
TAB = {"python_version": "3.14", "sys_platform": "emscripten", "platform_system": "Emscripten", "extra": ""}
UNUSED = re.compile(
    r"""(^|/)(\.[^/]*|__pycache__|tests?|bin|examples)/ | \.(so|pyi|pyx|c|h|tar\.gz|pem|png|js|typed)$ | /RECORD$
    | ^boto3/data/ | ^botocore/data/(?!secretsmanager|sts|iam)[^/]+/ | ^IPython/(testing/plugin|sphinxext|external)/
    | ^ministack/core/(appsync|lambda|pgproxy|rds|x509) | ^ministack/services/(?!__init__|iam|secretsmanager|sts)
    | ^moto/(?!core|secretsmanager|sts|utilities|moto_api|instance_metadata)[^/]+/ | ^werkzeug/(debug|middleware)/
    | ^pygments/(lexers/(?!__init__|_mapping|python)|formatters/(?!__init__|_mapping|html|latex|terminal))
    | ^encodings/(cp(?!437)|mac_|iso8859|koi|big5|euc|gb|hp|hz|kz|ptcp|shift|johab|palmos|tis) | ^(_pyrepl|xmlrpc|xml/dom)/
    | ^(_pydatetime|_pyio|doctest|ftplib|imaplib|mailbox|modulefinder|pickletools|plistlib|poplib|smtplib|trace|wave)\.py
    """,
    re.VERBOSE,
)
# The packages that the kernel asks for by name, in jupyter-lite.json too, are in the archive "packages", or missed by none.
BY_NAME = "comm ipykernel ipython jedi micropip piplite pyodide-kernel"
# What the kernel imports of its package manager. A tab installs nothing.
PIPLITE = {
    "piplite/__init__.py": b"",
    "piplite/piplite.py": b"",
    "piplite/cli.py": b"async def get_transformed_code(_):\n    return \"print('A browser tab installs no packages.')\"\n",
}
# What MiniStack imports of the server that elsewhere carries its calls, and of services that nothing here uses.
SERVER = b"class Config:\n    def __post_init__(self): ...\nEndBody = H11Protocol = InformationalResponse = Response = WSStream = Config"
SERVERS = "h11 hypercorn/__init__ hypercorn/config", "__init__ events h11 ws_stream"
MINISTACK = dict.fromkeys([f"{name}.py" for name in SERVERS[0].split()], SERVER)
MINISTACK |= dict.fromkeys([f"hypercorn/protocol/{name}.py" for name in SERVERS[1].split()], SERVER)
MINISTACK["ministack/services/apigateway_v1.py"] = b"def resolve_base_path_mapping(*_): ..."


def write(target: Path, project: dict[str, bytes]) -> None:
    """Write the folder from which the kernel loads Python, the packages and the project, and the lock that lists them."""
    target.mkdir(parents=True)
    for name in ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm"):
        shutil.copyfile(PYODIDE / name, target / name)
    ministack = folder(VENV / "ministack", "ministack", "defusedxml") | MINISTACK
    stdlib = unzipped(PYODIDE / "python_stdlib.zip")
    archives = compiled({"packages": packages(), "tutorial": project, "ministack": ministack, "stdlib": stdlib})
    (target / "python_stdlib.zip").write_bytes(archives.pop("stdlib"))
    lock = json.loads((PYODIDE / "pyodide-lock.json").read_text(encoding="utf-8")) | {"packages": {}}
    for name, packed in (archives | dict.fromkeys(BY_NAME.split(), zipped({}))).items():
        digest = hashlib.sha256(packed).hexdigest()
        file = f"{name if name in archives else 'empty'}-{digest[:12]}.zip"  # so named, a browser may keep it for good
        (target / file).write_bytes(packed)
        lock["packages"][name] = {"name": name, "version": "0", "file_name": file, "sha256": digest, "depends": []}
        lock["packages"][name] |= {"imports": [name], "install_dir": "site", "package_type": "package"}
    (target / "pyodide-lock.json").write_text(json.dumps(lock), encoding="utf-8")


def packages() -> dict[str, bytes]:
    """Return the files of the wanted packages, and of all that these require."""
    files, names = {}, WANTED.split()
    for name in names:
        package = metadata.distribution(name)
        paths = {path.as_posix(): Path(str(package.locate_file(path))) for path in package.files or []}
        files |= {name: paths[name].read_bytes() for name in used(paths)}
        for required in map(Requirement, package.requires or []):
            if required.name not in (*LEFT_OUT, *names) and (not required.marker or required.marker.evaluate(TAB)):
                names.append(required.name)
    for wheel in sorted(KERNEL.glob("static/pypi/*.whl")):
        files |= unzipped(wheel)
    return files | PIPLITE | folder(HERE, "grpc")


def used(paths: Iterable[str]) -> list[str]:
    return sorted(path for path in paths if not UNUSED.search(path))


def folder(root: Path, *tops: str) -> dict[str, bytes]:
    paths = [path for top in tops for path in root.joinpath(top).rglob("*") if path.is_file()]
    return {name: (root / name).read_bytes() for name in used(path.relative_to(root).as_posix() for path in paths)}


def zipped(files: dict[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(path, WHEN), content, zipfile.ZIP_DEFLATED, 9)
    return packed.getvalue()


def unzipped(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in used(archive.namelist())}


def compiled(archives: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Return the archives with byte code in place of the source, which only the project's modules keep."""
    with tempfile.TemporaryDirectory() as temporary:
        source, target = Path(temporary, "source.zip"), Path(temporary, "target.zip")
        modules = {f"{name}/{path}": text for name, files in archives.items() for path, text in files.items()}
        source.write_bytes(zipped({path: text for path, text in modules.items() if path.endswith(".py")}))
        subprocess.run(["node", HERE / "compile.mjs", PYODIDE, source, target], check=True)
        for path, code in unzipped(target).items():
            name, _, path = path.partition("/")
            if name == "tutorial":
                path = re.sub(r"(\w+)\.pyc$", r"__pycache__/\1.cpython-314.pyc", path)
            else:
                del archives[name][path.removesuffix("c")]
            archives[name][path] = code
    return {name: zipped(files) for name, files in archives.items()}
