"""pyproject.toml, the locks, environment.yml and binder/ say the same, and none names a package registry."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from environment_file import environment_yml, pins
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
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


def test_every_pin_has_a_hash():
    blocks = re.split(r"\n(?=\S)", LOCK)
    assert all("--hash=sha256:" in block for block in blocks if re.match(r"[a-z0-9-]+==", block))


def test_the_tests_lock_agrees_with_the_lock():
    ours, theirs = locked(LOCK), locked((ROOT / "tests" / "requirements.txt").read_text())
    assert {
        name: version for name, version in theirs.items() if name in ours and ours[name] != version
    } == {}


def test_environment_yml_is_made_from_the_lock():
    text = (ROOT / "environment.yml").read_text()
    assert text == environment_yml(LOCK), "run `make lock`"
    content = yaml.safe_load(text)
    assert content["channels"] == ["conda-forge"]
    assert content["dependencies"][:2] == ["python=3.12", "pip"]
    assert not [pin for pin in content["dependencies"][2]["pip"] if pin.startswith("-")]


def test_binder_reads_the_same_file():
    assert (ROOT / "binder" / "environment.yml").read_text() == (
        ROOT / "environment.yml"
    ).read_text()


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_the_lock_resolves_for_every_python_that_we_promise(version, tmp_path):
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
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert len(job["strategy"]["matrix"]["os"]) == 3
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["image"].endswith("python:3.12")
    target = container["postCreateCommand"].removeprefix("make ")
    assert f"\n{target}:" in (ROOT / "Makefile").read_text()


def test_no_committed_file_names_a_package_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    hosts = re.compile(
        "|".join(("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org"))
    )
    found = [
        name
        for name in filter(None, listed.stdout.split("\0"))
        if (ROOT / name).is_file() and hosts.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert found == []
