"""Each learner's server: a process on this machine, in a folder of the learner's own, with limits."""

from __future__ import annotations

import resource
import shutil
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("notebooks", "helpers")  # helpers to be read; what is imported is the installed one
WORKSPACES = ROOT / ".venv" / "workspaces"
LIMITS = {
    resource.RLIMIT_DATA: 2 * 1024**3,  # bytes of memory for each process
    resource.RLIMIT_NOFILE: 4096,
    resource.RLIMIT_CORE: 0,  # a dump would hold tokens
}


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


def prepare_folder(spawner: ClassSpawner) -> None:
    """Before a server starts: give the learner a copy of the notebooks, and leave one that is there as it is."""
    home = Path(spawner.home_dir)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints", "created_by_*")
    for part in PARTS:
        if not (home / part).exists():
            shutil.copytree(ROOT / part, home / part, ignore=ignored)
    own_workspaces = home / ".jupyter" / "lab" / "workspaces"
    if WORKSPACES.exists() and not own_workspaces.exists():
        shutil.copytree(WORKSPACES, own_workspaces)
