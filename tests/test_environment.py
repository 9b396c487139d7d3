"""pyproject.toml, the locks, environment.yml and binder/ say the same, and none names a package registry."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from environment_file import environment_yml, pins
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
LOCKS = [
    "requirements.txt",
    "sandbox/requirements.txt",
    "tests/requirements.txt",
    "docs/requirements.txt",
]
PYTHONS = ["3.11", "3.12", "3.13", "3.14"]
LOCK = (ROOT / "requirements.txt").read_text()
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def locked(lock: str) -> dict[str, str]:
    return {one.name: str(one.specifier).removeprefix("==") for one in map(Requirement, pins(lock))}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_holds_every_dependency_in_a_version_it_may_have():
    versions = locked(LOCK)
    for needed in map(Requirement, PROJECT["project"]["dependencies"]):
        assert needed.specifier.contains(versions[normal(needed.name)]), needed


def test_every_dependency_has_a_floor_and_none_a_ceiling():
    groups = [PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"].values()]
    for needed in (Requirement(line) for group in groups for line in group):
        assert [one.operator for one in needed.specifier] == [">="], needed
    assert PROJECT["project"]["requires-python"] == f">={PYTHONS[0]}"


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_has_a_hash(lock):
    blocks = re.split(r"\n(?=\S)", (ROOT / lock).read_text())
    found = [block for block in blocks if re.match(r"[a-z0-9-]+==", block)]
    assert found and all("--hash=sha256:" in block for block in found)


def test_ministack_does_not_hold_back_the_learners_sdk():
    """It pins a botocore, so it is locked and installed apart."""
    assert "ministack" not in locked(LOCK)
    (pinned,) = Requirement("botocore>=1.44.5").specifier
    assert pinned.contains(locked(LOCK)["botocore"])
    assert "ministack" in locked((ROOT / "sandbox/requirements.txt").read_text())


@pytest.mark.parametrize("lock", ["tests/requirements.txt", "docs/requirements.txt"])
def test_a_lock_beside_it_agrees_with_the_lock(lock):
    ours, theirs = locked(LOCK), locked((ROOT / lock).read_text())
    assert {name: version for name, version in theirs.items() if name in ours and ours[name] != version} == {}


def test_environment_yml_is_made_from_the_lock():
    text = (ROOT / "environment.yml").read_text()
    assert text == environment_yml(LOCK), "run `make lock`"
    content = yaml.safe_load(text)
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][:2] == ["python=3.12", "pip"]
    assert not [pin for pin in content["dependencies"][2]["pip"] if pin.startswith("-")]


def test_binder_reads_the_same_file():
    assert (ROOT / "binder" / "environment.yml").read_text() == (ROOT / "environment.yml").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("version", [PYTHONS[0], PYTHONS[-1]])  # CI installs it on all of them
def test_the_lock_resolves_for_the_pythons_that_we_promise(version, tmp_path):
    uv = Path(sys.executable).with_name("uv" + Path(sys.executable).suffix)
    if not uv.exists():
        pytest.skip("uv is not in this environment: `make test` puts it there")
    only_wheels = ["--python-version", version, "--only-binary", ":all:"]
    done = subprocess.run(
        [
            uv,
            "pip",
            "compile",
            "-q",
            *only_wheels,
            "-o",
            tmp_path / "out.txt",
            ROOT / "requirements.txt",
        ],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_workflow_and_the_container_are_for_the_pythons_that_we_promise():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    job = workflow["jobs"]["test"]
    assert job["strategy"]["matrix"]["python"] == PYTHONS
    assert len(job["strategy"]["matrix"]["os"]) == 3
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["image"].endswith("python:3.12")
    target = container["postCreateCommand"].removeprefix("make ")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_the_repository_has_one_address():
    urls = PROJECT["project"]["urls"].values()
    readme = (ROOT / "README.md").read_text()
    (binder,) = re.findall(r"mybinder\.org/v2/gh/([^/]+/[^/]+)/", readme)
    books = {"/".join(found) for found in re.findall(r"https://([\w-]+)\.github\.io/([\w.-]+)/", readme)}
    assert {"/".join(url.split("/")[3:5]) for url in urls} == {binder} == books


def test_the_book_is_published_when_main_changes():
    workflow = yaml.safe_load((ROOT / ".github/workflows/book.yml").read_text())
    assert workflow[True]["push"]["branches"] == ["main"]
    steps = workflow["jobs"]["book"]["steps"]
    assert "make book PYTHON=python" in [step.get("run") for step in steps]
    (path,) = [step["with"]["path"] for step in steps if "upload-pages" in step.get("uses", "")]
    assert path == "build/book" and path in (ROOT / "docs/make_book.py").read_text()


def test_the_version_is_the_newest_in_the_changelog():
    versions = re.findall(r"^## (\d\S*)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == PROJECT["project"]["version"]


def test_actions_are_pinned_by_hash():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        uses = re.findall(r"uses: (\S+)", workflow.read_text())
        assert uses and all(re.search(r"@[0-9a-f]{40}$", one) for one in uses), workflow


def test_the_weekly_run_tries_the_newest_and_the_oldest():
    workflow = yaml.safe_load((ROOT / ".github/workflows/test.yml").read_text())
    assert "schedule" in workflow[True]  # YAML reads the key `on` so
    job = workflow["jobs"]["drift"]
    tried = {one["versions"]: one["python"] for one in job["strategy"]["matrix"]["include"]}
    assert tried == {"newest": PYTHONS[-1], "oldest": PYTHONS[0]}
    assert job["steps"][-1]["run"] == "make ${{ matrix.versions }} PYTHON=python"
    makefile = (ROOT / "Makefile").read_text()
    for versions, resolution in (("newest", "highest"), ("oldest", "lowest-direct")):
        assert f"\n{versions}: build/{versions} " in makefile
        assert f"\nbuild/{versions}: RESOLUTION := {resolution}\n" in makefile


@pytest.mark.skipif(os.name == "nt", reason="there is no make")
def test_a_python_that_is_too_old_is_told_which_will_do_and_nothing_is_removed(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("requirements.txt", "sandbox/requirements.txt", "pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "binder").mkdir()
    (tmp_path / "binder/overrides.json").touch()
    (tmp_path / ".venv").mkdir()
    old = tmp_path / "python3.10"
    old.write_text("#!/bin/sh\nexit 1\n")
    old.chmod(0o755)
    done = subprocess.run(["make", ".venv/lab", f"PYTHON={old}"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode and "is older than Python 3.11" in done.stdout
    assert (tmp_path / ".venv").exists()


def test_no_committed_file_names_a_package_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    hosts = re.compile("|".join(("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org")))
    found = [
        name
        for name in filter(None, listed.stdout.split("\0"))
        if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert found == []
