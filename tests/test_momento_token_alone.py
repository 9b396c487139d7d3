"""The folder `momento_token`, alone in an empty project: installed, copied under another name, typed, and tested there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "momento_token"
BIN = Path(sys.executable).parent
PYRIGHT = ROOT / ".venv" / "pyright" / "node_modules" / ".bin" / "pyright"
LOCKS = ["-c", ROOT / "requirements.txt", "-c", ROOT / "tests" / "requirements.txt"]

USE = """
import sys
from {package} import SharedClient, TokenSource
from {package}.testing import FakeSecretsManager

class Client:
    def __init__(self, token: str) -> None:
        self.token = token
    def __enter__(self) -> "Client":
        return self
    def __exit__(self, *_: object) -> None:
        pass

secrets = FakeSecretsManager()
clients = SharedClient(TokenSource("any-name", lambda: secrets), Client)
token: str = clients.call(lambda client: client.token)
print(token == secrets.value, sorted(
    name for name in sys.modules if name.split(".")[0] in ("helpers", "sandbox", "moto", "IPython", "opentelemetry")))
"""


def run(folder: Path, *command: object) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env={key: value for key, value in os.environ.items() if key != "PYTHONPATH"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with the copied one in it, as git has it, and an environment with what that needs."""
    folder = tmp_path_factory.mktemp("project")
    leftovers = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")
    shutil.copytree(PACKAGE, folder / "copied" / "vault", ignore=leftovers)
    shutil.copytree(PACKAGE, folder / "momento_token", ignore=leftovers)
    run(folder, sys.executable, "-m", "venv", "--without-pip", "venv")
    packages = [folder / "momento_token", "pytest", "hypothesis", *LOCKS]
    run(
        folder,
        BIN / "uv",
        "pip",
        "install",
        "-q",
        "--python",
        folder / "venv/bin/python",
        *packages,
    )
    return folder


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_is_installed_with_its_types_and_without_its_tests(project):
    (site,) = (project / "venv" / "lib").glob("python*/site-packages")
    installed = {path.name for path in (site / "momento_token").iterdir()} - {"__pycache__"}
    assert installed == {path.name for path in PACKAGE.glob("*.py")} | {"py.typed"}
    elsewhere = project / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "use.py").write_text(USE.format(package="momento_token"))
    python = project / "venv/bin/python"
    assert run(elsewhere, python, "use.py") == "True []\n"
    said = run(elsewhere, BIN / "mypy", "--strict", "--python-executable", python, "use.py")
    assert "Success" in said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_it_is_copied_under_another_name(project):
    copied = project / "copied"
    shutil.rmtree(copied / "vault" / "tests")
    (copied / "vault" / "topics.py").unlink()
    (copied / "use.py").write_text(USE.format(package="vault"))
    assert run(copied, project / "venv/bin/python", "use.py") == "True []\n"
    run(
        copied,
        BIN / "mypy",
        "--strict",
        "--python-executable",
        project / "venv/bin/python",
        "vault",
    )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_its_tests_pass_there(project):
    command = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    said = run(project / "momento_token", project / "venv/bin/python", *command)
    assert " passed" in said and "failed" not in said and "skipped" not in said


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_type_checkers_and_deptry_find_nothing(project):
    folder, python = project / "momento_token", project / "venv/bin/python"
    assert "Success" in run(folder, BIN / "mypy", "--python-executable", python, ".")
    run(folder, BIN / "deptry", ".")
    if not PYRIGHT.exists():
        pytest.skip("there is no pyright: npm could not install it")
    assert "0 errors, 0 warnings" in run(folder, PYRIGHT, "--pythonpath", python, ".")
