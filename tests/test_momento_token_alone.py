"""What a reader takes home, alone in an empty project: momento_token installed and copied, and momento_client.py."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from names import SECRET_NAME

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "momento_token"
BIN = Path(sys.executable).parent
PYRIGHT = ROOT / ".venv" / "pyright" / "node_modules" / ".bin" / "pyright"
LOCKS = ["-c", ROOT / "requirements.txt", "-c", ROOT / "tests" / "requirements.txt"]
NOT_IN_GIT = shutil.ignore_patterns("__pycache__", ".*", "build", "dist")
NOTHING_ELSE = """
import sys
unwanted = "helpers", "sandbox", "moto", "IPython", "opentelemetry"
print([name for name in sys.modules if name.split(".")[0] in unwanted])
"""
USE = f"""
from {{package}} import SharedClient, TokenSource
from {{package}}.testing import FakeSecretsManager

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
print(token == secrets.value)
{NOTHING_ELSE}"""
USE_THE_SMALL_FILE = f"""
from momento_client import MomentoClient

momento = MomentoClient("{SECRET_NAME}")
print(momento.call(lambda client: client.set("tutorial", "key", "value")))
print(momento.call(lambda client: client.get("tutorial", "key")).value_string)
{NOTHING_ELSE}"""


def run(folder: Path, *command: object, **environment: str) -> str:
    clean = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    """A folder with a copy of momento_token, and an environment with what the files need."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(PACKAGE, folder / "momento_token", ignore=NOT_IN_GIT)
    run(folder, sys.executable, "-m", "venv", "--without-pip", "venv")
    packages = [folder / "momento_token", "aws-secretsmanager-caching", "pytest", "hypothesis", *LOCKS]
    run(folder, BIN / "uv", "pip", "install", "-q", "--python", folder / "venv/bin/python", *packages)
    return folder


@pytest.fixture
def python(project) -> Path:
    return project / "venv/bin/python"


def test_it_is_installed_with_its_types_and_without_its_tests(project, python, tmp_path):
    (site,) = (project / "venv" / "lib").glob("python*/site-packages")
    installed = {path.name for path in (site / "momento_token").iterdir()} - {"__pycache__"}
    assert installed == {path.name for path in PACKAGE.glob("*.py")} | {"py.typed"}
    (tmp_path / "use.py").write_text(USE.format(package="momento_token"))
    assert run(tmp_path, python, "use.py") == "True\n[]\n"


def test_it_is_copied_under_another_name_and_typed_strictly(python, tmp_path):
    shutil.copytree(PACKAGE, tmp_path / "vault", ignore=NOT_IN_GIT)
    shutil.rmtree(tmp_path / "vault" / "tests")
    (tmp_path / "vault" / "topics.py").unlink()
    (tmp_path / "use.py").write_text(USE.format(package="vault"))
    assert run(tmp_path, python, "use.py") == "True\n[]\n"
    assert "Success" in run(tmp_path, BIN / "mypy", "--strict", "--python-executable", python, "use.py", "vault")


def test_its_tests_need_nothing_else_and_checkers_find_nothing(project, python):
    """`make test` runs these tests at their own place."""
    folder = project / "momento_token"
    run(folder, python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "tests")
    run(folder, BIN / "deptry", ".")
    if not PYRIGHT.exists():
        pytest.skip("there is no pyright: npm could not install it")
    assert "0 errors, 0 warnings" in run(folder, PYRIGHT, "--pythonpath", python, ".")


def test_the_small_file_runs_with_three_packages(cloud, python, tmp_path):
    shutil.copy(ROOT / "notebooks" / "momento_client.py", tmp_path)
    (tmp_path / "app.py").write_text(USE_THE_SMALL_FILE)
    said = run(tmp_path, python, "app.py", **cloud.program_environment())
    assert said.splitlines() == ["CacheSet.Success()", "value", "[]"]
