"""Set up `.venv` from the locks, whatever the shell, pip and uv are set to. `make` runs this; without make, run it yourself.

python tools/set_up.py                 what the notebooks need
python tools/set_up.py tests docs      also the locks in these folders
python tools/set_up.py uv ARGUMENTS    uv, with pip's mirrors, proxy and certificates

BUILD=yes builds packages that have no wheel, which may need a compiler.
"""

from __future__ import annotations

import ast
import hashlib
import os
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
SET_UP = VENV / "lab"  # holds a hash of what was set up
INPUTS = ("requirements.txt", "sandbox/requirements.txt", "pyproject.toml", "binder/overrides.json")
# Variables that decide where Python, pip, uv and Jupyter look for things or put them; those kept concern speed alone.
INHERITED = ("IPYTHON", "JUPYTER", "PIP_", "PYTHON", "UV_", "VIRTUAL_ENV", "CONDA_PREFIX", "MPLBACKEND", "__PYVENV")
KEPT = ("UV_CACHE_DIR", "UV_CONCURRENT_DOWNLOADS", "UV_HTTP_TIMEOUT", "UV_LINK_MODE")
# pip's settings of where packages come from, each with uv's variable for it
NETWORK = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "trusted-host": "UV_INSECURE_HOST",
    "cert": "SSL_CERT_FILE",
    "client-cert": "SSL_CLIENT_CERT",
    "proxy": "HTTPS_PROXY",
    "no-index": "",  # uv has only an option
}
FAILED = """Python {version} can't be set up; the lines above say why.
- A package has no wheel for it: take another Python, make lab PYTHON=python3.14, or build the package, make lab BUILD=yes
- An address can't be reached: tell pip your mirror or proxy (pip config set global.index-url ADDRESS, HTTPS_PROXY); uv
  gets the same settings. pip can't use a SOCKS proxy: unset ALL_PROXY, or set HTTPS_PROXY."""


def environment() -> dict[str, str]:
    """Return the environment without the variables that would lead the set-up, JupyterLab or a kernel astray."""
    return {name: value for name, value in os.environ.items() if name in KEPT or not name.startswith(INHERITED)}


@cache
def network() -> dict[str, str]:
    """Return pip's NETWORK settings: from its files, its variables, or from those of uv."""
    ours = {name: value for name, value in os.environ.items() if name.startswith("PIP_")}
    command = [BIN / "python", "-m", "pip", "config", "list"]
    variables = environment() | ours | {"PYTHONUTF8": "1"}
    listed = subprocess.run(command, env=variables, capture_output=True, text=True, encoding="utf-8").stdout
    lines = [line.partition("=") for line in listed.splitlines()]
    found = {"index-url": os.environ.get("UV_DEFAULT_INDEX") or os.environ.get("UV_INDEX_URL", "")}
    for section in ("global.", "install.", ":env:."):  # the later one wins
        found |= {
            name.removeprefix(section): ast.literal_eval(value) for name, _, value in lines if name.startswith(section)
        }
    return {name: found[name] for name in NETWORK if found.get(name)}


def pip(*arguments: str) -> None:
    settings = {f"PIP_{name.replace('-', '_').upper()}": value for name, value in network().items()}
    command = [BIN / "python", "-m", "pip", *arguments]
    _run(command, environment() | settings | {"PIP_CONFIG_FILE": os.devnull})


def uv(*arguments: str) -> None:
    found = network()
    settings = {NETWORK[name]: value for name, value in found.items() if NETWORK[name]}
    settings["UV_FIND_LINKS"] = ",".join(settings.get("UV_FIND_LINKS", "").split())
    settings |= {"UV_SYSTEM_CERTS": "true"} if "SSL_CERT_FILE" not in settings else {}
    # As pip, take a package from any index: its hash says that it is the right one.
    settings |= {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_PYTHON_DOWNLOADS": "never"}
    no_index = ["--no-index"] if found.get("no-index", "").lower() in ("1", "true", "yes", "on") else []
    _run([BIN / "uv", *arguments, *no_index], environment() | settings)


def install(*what: str) -> None:
    uv("pip", "install", "-q", "--no-config", "--python", str(VENV), *what)


def install_lock(folder: str, *where: str) -> None:
    wheels = [] if os.environ.get("BUILD") else ["--only-binary", ":all:"]
    install("--require-hashes", *wheels, "-r", str(Path(folder, "requirements.txt")), *where)


def without_slow_parts() -> None:
    """Remove what checks international addresses, for which JupyterLab takes two seconds and 19 MB, and setuptools."""
    uv("pip", "uninstall", "-q", "--no-config", "--python", str(VENV), "rfc3987-syntax", "setuptools")


def set_up() -> None:
    """Set up VENV, unless it holds what the INPUTS say already. What is there is kept as long as it works."""
    wanted = hashlib.sha256(b"".join((ROOT / name).read_bytes() for name in INPUTS)).hexdigest() + f"\n{ROOT}"
    there = SET_UP.read_text(encoding="utf-8") if SET_UP.exists() else ""
    if there.partition("\n")[2] != str(ROOT) or not _works():  # an environment can't be moved
        print("Setting up .venv: a few seconds", flush=True)
        python = getattr(sys, "_base_executable", sys.executable)  # this one may be the .venv that goes
        if subprocess.run([python, "-m", "venv", "--clear", VENV], env=environment()).returncode:
            sys.exit(1)  # it has said what it lacks
        pip("install", "-q", "--disable-pip-version-check", "uv")
    elif there == wanted:
        return
    install_lock(".")
    shutil.rmtree(VENV / "ministack", ignore_errors=True)  # what an older lock put there
    install_lock("sandbox", "--no-deps", "--target", str(VENV / "ministack"))
    install("--no-deps", "-e", ".")
    without_slow_parts()
    SET_UP.write_text(wanted, encoding="utf-8")


def _works() -> bool:
    try:
        return all(
            subprocess.run([BIN / name, "--version"], capture_output=True).returncode == 0 for name in ("python", "uv")
        )
    except OSError:
        return False


def _run(command: list, variables: dict[str, str]) -> None:
    if subprocess.run(command, cwd=ROOT, env=variables).returncode:
        sys.exit(FAILED.format(version=sys.version.split()[0]))


def main(*arguments: str) -> None:
    if sys.version_info < (3, 11):  # noqa: UP036 (it runs before there is an environment)
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Python {version} is older than 3.11: install a newer one and run: make lab PYTHON=python3.14")
    if arguments[:1] == ("uv",):
        return uv(*arguments[1:])
    set_up()
    if arguments:
        for folder in arguments:
            install_lock(folder)
        without_slow_parts()


if __name__ == "__main__":
    main(*sys.argv[1:])
