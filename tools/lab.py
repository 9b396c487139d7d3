"""Open JupyterLab on the working copy: `python tools/lab.py`, with JupyterLab's own options if you like. `make lab` runs it.

A user's Jupyter configuration, extensions and workspaces don't count here; theme, shortcuts and other settings do.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import working_copy
from set_up import ROOT, environment

WORKSPACE = ROOT / "binder" / "workspace.json"
WORKSPACES = ROOT / ".venv" / "workspaces"  # which window is open where
FIRST = "/lab/tree/work/00_start_here.ipynb"


def arrange(workspaces: Path = WORKSPACES) -> None:
    """Lay out the windows as WORKSPACE says, once for each version of it."""
    if workspaces.exists() and workspaces.stat().st_mtime >= WORKSPACE.stat().st_mtime:
        return
    from jupyterlab_server.workspaces_handler import WorkspacesManager

    workspaces.mkdir(parents=True, exist_ok=True)
    WorkspacesManager(str(workspaces)).save("default", WORKSPACE.read_text(encoding="utf-8"))
    os.utime(workspaces)


def options() -> list[str]:
    return [
        "--allow-root",
        f"--ServerApp.root_dir={ROOT}",  # links from the working copy lead to files beside it
        "--ServerApp.jpserver_extensions=jupyter_server_terminals=True",
        f"--LabApp.default_url={FIRST}",
        f"--LabApp.labextensions_path={os.path.join(sys.prefix, 'share', 'jupyter', 'labextensions')}",
        "--LabApp.extension_manager=readonly",
    ]


def start(*more: str) -> None:
    from jupyter_core.paths import jupyter_config_dir

    settings = os.path.join(jupyter_config_dir(), "lab", "user-settings")
    inherited = environment()
    os.environ.clear()
    os.environ.update(inherited)
    os.environ |= {
        "JUPYTER_NO_CONFIG": "1",
        "JUPYTERLAB_SETTINGS_DIR": settings,
        "JUPYTERLAB_WORKSPACES_DIR": str(WORKSPACES),
        "IPYTHONDIR": str(WORKSPACES.with_name("ipython")),
        "PATH": os.path.dirname(sys.executable) + os.pathsep + os.environ.get("PATH", ""),
    }
    # JupyterLab needs no network, and ends if it's imported where a proxy is set that httpx can't use. A kernel may need it.
    proxies = {name: os.environ.pop(name) for name in list(os.environ) if name.lower().endswith("_proxy")}
    from jupyterlab.labapp import main

    os.environ.update(proxies)
    main([*options(), *more])


if __name__ == "__main__":
    arrange()
    try:
        working_copy.update()
    except OSError as error:  # a full disk, another's folder: what is there can be opened all the same
        print(f"work/ could not be brought up to date ({error}): make room, or see who may write there.")
    start(*sys.argv[1:])
