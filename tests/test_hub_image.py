"""The image for many machines: what goes into it, and what a pod does with it before its learner comes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
GIVE = ROOT / "workshop/hub/give.py"
PRIVATE = ["build/hub/passwords.json", "build/class.json", ".env", "workshop/.env", "key.pem", "workshop/tls.key"]
PRIVATE += [
    ".venv/lib/a.py",
    ".git/config",
    "notebooks/created_by_the_tutorial/x.json",
    "work/mine.ipynb",
    "hub.sqlite",
]
WANTED = ["binder/environment.yml", "binder/postBuild", "notebooks/00_start_here.ipynb", "helpers/cloud.py"]
WANTED += ["pyproject.toml", "sandbox/requirements.txt", "tools/working_copy.py", "workshop/hub/give.py"]


def test_the_image_holds_the_project_and_nothing_private(tmp_path, monkeypatch):
    base = pytest.importorskip("repo2docker.buildpacks.base")
    for part in ("binder", "drills", "exercises", "helpers", "notebooks", "sandbox", "tests", "tools", "workshop"):
        shutil.copytree(ROOT / part, tmp_path / part, symlinks=True)
    for file in ("pyproject.toml", "environment.yml", ".dockerignore", "README.md"):
        shutil.copy(ROOT / file, tmp_path / file)
    for name in PRIVATE:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("a secret")
    patterns = (tmp_path / "binder/.dockerignore").read_text().splitlines()
    monkeypatch.chdir(tmp_path)
    sent = set(base.exclude_paths(".", [one for one in patterns if one and one[0] != "#"]))
    assert set(WANTED) <= sent and not sent & set(PRIVATE)
    assert sum(Path(one).stat().st_size for one in sent if Path(one).is_file()) < 10_000_000


@pytest.mark.slow
def test_a_pod_gives_the_working_copy_and_leaves_what_is_there(tmp_path):
    command = [sys.executable, GIVE, tmp_path]
    subprocess.run(command, check=True, env={"PATH": os.defpath})
    first = tmp_path / "work/00_start_here.ipynb"
    assert not [cell for cell in nbformat.read(first, as_version=4).cells if cell.get("outputs")]
    assert "<summary>Solution</summary>" in first.read_text()
    first.write_text("mine")
    subprocess.run(command, check=True, env={"PATH": os.defpath})  # the learner comes back
    assert first.read_text() == "mine"


def test_the_pod_runs_that_script_where_the_image_has_it_and_the_volume_is():
    values = yaml.safe_load((ROOT / "workshop/hub/kubernetes/values.yaml").read_text())
    opened = values["hub"]["config"]["KubeSpawner"]["notebook_dir"]
    python, script, home = values["singleuser"]["lifecycleHooks"]["postStart"]["exec"]["command"]
    assert (python, home) == ("python", opened)
    assert ROOT / Path(script).relative_to("/srv/repo") == GIVE
    assert (ROOT / values["singleuser"]["defaultUrl"].replace("/lab/tree/work/", "notebooks/")).exists()
