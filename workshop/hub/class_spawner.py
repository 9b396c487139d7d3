"""Each learner's server: a process on this machine, in a folder of the learner's own, with limits."""

from __future__ import annotations

import itertools
import random
import resource
import shutil
import socket
import tempfile
from pathlib import Path

import nbformat
from jupyterhub.spawner import SimpleLocalProcessSpawner

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("notebooks", "helpers")  # helpers to be read; what is imported is the installed one
WORKSPACES = ROOT / ".venv" / "workspaces"
LIMITS = {
    resource.RLIMIT_DATA: 2 * 1024**3,  # bytes of memory for each process
    resource.RLIMIT_NOFILE: 4096,
    resource.RLIMIT_CORE: 0,  # a dump would hold tokens
}
# A server's port is chosen seconds before the server has it. Ports that the system gives out by itself are taken by
# somebody else's program in that time, now and then, when a whole class starts; so these lie below them.
_LOW, _HIGH = 20_000, 30_000
_PORTS = (_LOW + number % (_HIGH - _LOW) for number in itertools.count(random.randrange(_HIGH)))


class ClassSpawner(SimpleLocalProcessSpawner):
    """All servers run under the account that started the hub: see README.md for what that means."""

    def make_preexec_fn(self, name):
        change_folder = super().make_preexec_fn(name)

        def preexec() -> None:
            change_folder()
            for limit, value in LIMITS.items():
                _, most = resource.getrlimit(limit)
                value = value if most == resource.RLIM_INFINITY else min(value, most)
                resource.setrlimit(limit, (value, value))

        return preexec


def make_template(folder: Path) -> Path:
    """What each learner gets a copy of. Its notebooks have no outputs: nobody guesses with the answer below the cell."""
    shutil.rmtree(folder, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "created_by_*")
    for part in PARTS:
        shutil.copytree(ROOT / part, folder / part, ignore=ignored)
    for path in folder.glob("notebooks/*.ipynb"):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, path)
    if WORKSPACES.exists():
        shutil.copytree(WORKSPACES, folder / ".jupyter" / "lab" / "workspaces")
    return folder


def prepare(template: Path, spawner: ClassSpawner) -> None:
    """Before a server starts: a copy of the template, where there is none yet, a port, and a folder for its kernels.

    Kernels speak over sockets in that folder instead of ports, five for each, which clash as the server's would. The
    name of such a socket may have some 100 characters, so the folder isn't the learner's own.
    """
    home = Path(spawner.home_dir)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in template.iterdir():
        if not (home / part.name).exists():
            shutil.copytree(part, home / part.name)
    spawner.port = next(port for port in _PORTS if _is_free(port))
    sockets = tempfile.mkdtemp(prefix="class-", dir="/tmp")
    spawner.environment = {**spawner.environment, "JUPYTER_RUNTIME_DIR": sockets}


def tidy_up(spawner: ClassSpawner) -> None:
    """After a server has stopped: remove the folder for its kernels."""
    shutil.rmtree(spawner.environment.get("JUPYTER_RUNTIME_DIR", ""), ignore_errors=True)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
