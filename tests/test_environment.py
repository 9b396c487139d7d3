"""pyproject.toml, the locks, environment.yml and binder/ agree, and no file names a package registry."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import address
import pytest
from environment_file import environment_yml, pins
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
BESIDE = ["sandbox", "tests", "docs", "workshop/hub"]  # each has a lock of its own
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
    assert "ministack" not in versions  # it pins a botocore, and would hold back the learner's SDK


@pytest.mark.parametrize("folder", BESIDE[1:])
def test_a_lock_beside_it_agrees_with_the_lock(folder):
    ours, theirs = locked(LOCK), locked((ROOT / folder / "requirements.txt").read_text())
    assert {name: version for name, version in theirs.items() if name in ours and ours[name] != version} == {}


@pytest.mark.parametrize("folder", [".", "binder"])
def test_environment_yml_is_made_from_the_lock(folder):
    assert (ROOT / folder / "environment.yml").read_text() == environment_yml(LOCK), "run `make lock`"


@pytest.mark.again  # a change of the lock alone can change it
@pytest.mark.parametrize("platform", ["linux", "aarch64-apple-darwin", "x86_64-apple-darwin", "windows"])
def test_all_packages_have_wheels_for(platform, tmp_path):
    uv = shutil.which("uv", path=Path(sys.executable).parent) or pytest.skip("uv is not in this environment")
    for version in ("3.11", "3.14"):
        where = ["--python-version", version, "--python-platform", platform, "--only-binary", ":all:"]
        command = [uv, "pip", "compile", "-q", *where, "-o", tmp_path / "out.txt", ROOT / "requirements.txt"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr


def test_the_repositorys_address_is_set_everywhere_and_again(tmp_path):
    files = {str(path.relative_to(ROOT)) for pattern, *_ in address.PLACES for path in ROOT.glob(pattern)}
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    for repository in ("first-owner/a.name", "second/another"):
        address.write(repository, tmp_path)
        texts = {file: (tmp_path / file).read_text() for file in files}
        assert all(repository in text for text in texts.values())
    assert not re.search(r"first-owner|a\.name|OWNER/REPOSITORY", "".join(texts.values()))
    assert "](https://second.github.io/another/)" in texts["README.md"]
    assert "](https://second.github.io/another/try/lab/index.html?path=00_start_here.ipynb)" in texts["README.md"]


def test_actions_are_pinned_by_hash():
    for workflow in (ROOT / ".github/workflows").glob("*.yml"):
        uses = re.findall(r"uses: (\S+)", workflow.read_text())
        assert uses and all(re.search(r"@[0-9a-f]{40}$", one) for one in uses), workflow


def test_no_committed_file_names_a_package_registry():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    hosts = re.compile("|".join(("py" + "pi.org", "python" + "hosted.org", "registry.npm" + "js.org")))
    files = [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]
    assert [file for file in files if hosts.search(file.read_text(errors="ignore"))] == []
