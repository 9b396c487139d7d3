"""The image for many machines: what goes into it, and what a pod does with it before its learner comes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "workshop" / "hub"
SECRETS = [
    "build/hub/hub/cookie_secret",
    "build/hub/hub/words/anna",
    "build/hub/learners/anna/notebooks/00_start_here.ipynb",
    "build/class.log",
    ".env",
    "workshop/.env",
    "key.pem",
    "workshop/tls.key",
    ".venv/lib/a.py",
    ".git/config",
    "notebooks/created_by_the_tutorial/x.json",
    "notebooks/.ipynb_checkpoints/x.ipynb",
    "old/hub.sqlite",
]
WANTED = [
    "binder/environment.yml",
    "binder/postBuild",
    "notebooks/00_start_here.ipynb",
    "helpers/cloud.py",
    "sandbox/requirements.txt",
    "pyproject.toml",
    "workshop/hub/kubernetes/give.py",
]


def context(folder: Path, monkeypatch) -> set[str]:
    """What repo2docker sends to Docker from this folder: its own function, with the file that it reads."""
    base = pytest.importorskip("repo2docker.buildpacks.base")
    patterns = (folder / "binder" / ".dockerignore").read_text().splitlines()
    monkeypatch.chdir(folder)
    return set(base.exclude_paths(".", [one for one in patterns if one and one[0] != "#"]))


def test_the_image_holds_the_project_and_nothing_of_a_class(tmp_path, monkeypatch):
    for part in (
        "binder",
        "drills",
        "exercises",
        "helpers",
        "notebooks",
        "sandbox",
        "workshop",
        "tests",
    ):
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True)
    for file in ("pyproject.toml", "environment.yml", ".dockerignore", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    for secret in SECRETS:
        (tmp_path / secret).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / secret).write_text("a secret")
    sent = context(tmp_path, monkeypatch)
    assert set(WANTED) <= sent
    assert [one for one in SECRETS if one in sent] == []
    files = [Path(one) for one in sent if Path(one).is_file()]
    assert sum(one.stat().st_size for one in files) < 10_000_000
    assert [one for one in files if "a secret" in one.read_text(errors="replace")[:8]] == []


@pytest.mark.slow
def test_a_pod_gives_notebooks_without_outputs_and_leaves_what_is_there(tmp_path):
    command = [sys.executable, HUB / "kubernetes" / "give.py", tmp_path]
    subprocess.run(command, check=True, env={"PATH": os.defpath})
    first = tmp_path / "work" / "00_start_here.ipynb"
    notebook = nbformat.read(first, as_version=4)
    assert not [cell for cell in notebook.cells if cell.get("outputs")]
    assert "<summary>Solution</summary>" in first.read_text()
    first.write_text("mine")
    subprocess.run(command, check=True, env={"PATH": os.defpath})  # they come back
    assert first.read_text() == "mine"


def test_the_pod_runs_that_script_where_the_image_has_it_and_the_volume_is():
    values = yaml.safe_load((HUB / "kubernetes" / "values.yaml").read_text())
    guide = (HUB / "README.md").read_text()
    (image,) = re.findall(r"--target-repo-dir (\S+)", guide)
    (user,) = re.findall(r"--user-name (\S+)", guide)
    opened = values["hub"]["config"]["KubeSpawner"]["notebook_dir"]
    assert opened == f"/home/{user}"  # where Zero to JupyterHub mounts the volume
    python, script, home = values["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert (python, home) == ("python", opened)
    assert (ROOT / Path(script).relative_to(image)).exists()
    assert (ROOT / values["singleuser"]["defaultUrl"].replace("/lab/tree/work/", "notebooks/")).exists()


def test_versions_do_not_float():
    guide = (HUB / "README.md").read_text()
    locked = (ROOT / "tests" / "requirements.txt").read_text()
    (version,) = re.findall(r"^jupyter-repo2docker==(\S+)", locked, re.M)
    assert f"jupyter-repo2docker=={version}" in guide
    assert re.search(r"--version \d+\.\d+\.\d+ ", guide)


@pytest.mark.slow
def test_what_this_folder_would_send_is_small(monkeypatch):
    """With all that tests and classes have left here."""
    size = sum(Path(one).stat().st_size for one in context(ROOT, monkeypatch) if Path(one).is_file())
    assert size < 10_000_000
