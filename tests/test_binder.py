"""Binder: what repo2docker makes of `binder/`, and that its two scripts do their work in a new environment.

repo2docker exits with 0 whatever it finds, so its text is looked at; building the image would need Docker.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import address
import pytest
import working_copy
from lab_server import lab_server
from test_environment import ROOT

WORKSPACE = json.loads((ROOT / "binder/workspace.json").read_text())
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name == "nt", reason="Binder runs Linux; its scripts are shell scripts"),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A copy of what is in the repository."""
    copy = tmp_path_factory.mktemp("project") / "copy"
    ignored = shutil.ignore_patterns(".venv", ".git", "build", "__pycache__", ".*_cache", ".hypo*")
    shutil.copytree(ROOT, copy, symlinks=True, ignore=ignored)
    return copy


def test_repo2docker_finds_every_part(project):
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", "."]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert "Building conda environment for python=3.12" in said
    assert '--file "binder/environment.yml"' in said
    assert "RUN ./binder/postBuild" in said
    assert 'R2D_ENTRYPOINT="${REPO_DIR}/binder/start"' in said


@pytest.mark.again
def test_its_scripts_open_the_arranged_workspace_in_a_new_environment(project, tmp_path):
    uv = Path(sys.executable).with_name("uv")
    new = tmp_path / "env"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")},
        "PATH": f"{new / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "VIRTUAL_ENV": str(new),
    }
    for command in (
        [uv, "venv", "-q", "--seed", "--python", sys.executable, new],
        [uv, "pip", "install", "-q", "--require-hashes", "-r", "requirements.txt"],
        ["binder/postBuild"],
    ):
        subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    start = ["binder/start", "jupyter", "lab"]
    with lab_server(start, project, environment, tmp_path / "log") as server:
        assert server.ask("/lab/api/workspaces/default")["data"] == WORKSPACE["data"]
        news = server.ask("/lab/api/settings/@jupyterlab/apputils-extension:notification")
        assert news["schema"]["properties"]["fetchNews"]["default"] == "false"
        assert server.ask("/api/kernels", name="python3")["name"] == "python3"
        assert server.ask("/api/contents/work/00_start_here.ipynb")["type"] == "notebook"


def test_the_workspace_and_the_launch_link_open_what_the_working_copy_holds():
    opened = [value["data"]["path"] for name, value in WORKSPACE["data"].items() if ":work/" in name]
    link = next(new for _, _, new in address.PLACES if "mybinder" in new)
    opened.append(link.partition("urlpath=lab/tree/")[2].rstrip(")"))
    assert len(opened) == 3 and {path.removeprefix("work/") for path in opened} <= working_copy.pages().keys()
