"""`make lab` sets up and starts the same, whatever the shell, pip, uv and Jupyter are set to.

The set-up is tried on a project with two tiny packages; only its Makefile and set_up.py are those of the collection.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import urlopen

import pytest
import set_up
from lab_server import lab_server
from test_environment import LOCK, ROOT

pytestmark = pytest.mark.skipif(os.name == "nt", reason="there is no make")
BASE = Path(sys.base_prefix, "bin", "python3")


def pin(name: str) -> str:
    return re.search(rf"^{name}==(.|\n )*", LOCK, re.MULTILINE)[0] + "\n"


def files(project: Path, **more: str) -> None:
    project_file = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n[project]\nname = "tiny"\nversion = "1"\n'
    contents = {"pyproject.toml": project_file, "binder/overrides.json": "{}", "tiny/__init__.py": "", **more}
    for name, content in contents.items():
        (project / name).parent.mkdir(parents=True, exist_ok=True)
        (project / name).write_text(content)


@pytest.fixture
def elsewhere(tmp_path) -> dict[str, str]:
    """Variables each of which leads an installation, or a Python, somewhere else."""
    other = tmp_path / "other"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    files(tmp_path, **{"path/json.py": "raise SystemExit('the wrong json')", "path/helpers/__init__.py": ""})
    (tmp_path / "t m p").mkdir()
    there = ["VIRTUAL_ENV", "CONDA_PREFIX", "UV_PROJECT_ENVIRONMENT", "PIP_TARGET", "PIP_PREFIX", "PYTHONUSERBASE"]
    uv = {"UV_SYSTEM_PYTHON": "1", "UV_PYTHON": "3.99", "UV_OFFLINE": "1", "UV_EXCLUDE_NEWER": "2001-01-01"}
    python = {"PYTHONHOME": "/nowhere", "PYTHONPATH": f"{tmp_path}/path", "PYTHONOPTIMIZE": "2", "PYTHONSAFEPATH": "1"}
    more = {"PIP_USER": "1", "TMPDIR": f"{tmp_path}/t m p"}
    return {**os.environ, **dict.fromkeys(there, str(other)), **uv, **python, **more}


@pytest.mark.slow
def test_all_goes_into_the_environment_of_the_folder_and_a_second_start_needs_no_network(tmp_path, elsewhere):
    def make(**variables: str) -> str:
        command = ["make", ".venv/lab", "PYTHON=./my python"]
        done = subprocess.run(command, cwd=project, env={**elsewhere, **variables}, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    project = tmp_path / "Meine Übung"
    files(project, **{"requirements.txt": pin("six"), "sandbox/requirements.txt": pin("idna")})
    (project / "tools").mkdir()
    shutil.copy(ROOT / "Makefile", project)
    shutil.copy(ROOT / "tools/set_up.py", project / "tools")
    (project / "my python").symlink_to(BASE)
    (project / ".venv").mkdir()  # half made: somebody pressed Ctrl-C
    assert "Setting up" in make()
    python = [project / ".venv/bin/python", "-c"]
    subprocess.run([*python, "import six, tiny, sys; assert six.__file__.startswith(sys.prefix)"], check=True)
    assert (project / ".venv/ministack/idna").is_dir()
    assert not list((tmp_path / "other/lib").rglob("six*"))
    (project / "requirements.txt").touch()
    assert "Setting up" not in make(PIP_INDEX_URL="http://127.0.0.1:1", PIP_NO_INDEX="1")


@pytest.fixture
def mirror(tmp_path) -> str:
    """The address of a package index with one package."""
    wheel = tmp_path / "mirror" / "tiny-mirrored" / "tiny_mirrored-1-py3-none-any.whl"
    wheel.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel, "w") as file:
        file.writestr("tiny_mirrored.py", "")
        file.writestr("tiny_mirrored-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-mirrored\nVersion: 1\n")
        file.writestr(
            "tiny_mirrored-1.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr("tiny_mirrored-1.dist-info/RECORD", "")
    lock = f"tiny-mirrored==1 --hash=sha256:{hashlib.sha256(wheel.read_bytes()).hexdigest()}\n"
    files(tmp_path / "project", **{"requirements.txt": lock})
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path / "mirror"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.slow
def test_uv_takes_packages_from_where_pip_does(tmp_path, mirror, monkeypatch, capfd):
    project = tmp_path / "project"
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    for name, path in (("ROOT", project), ("VENV", project / ".venv"), ("BIN", project / ".venv/bin")):
        monkeypatch.setattr(set_up, name, path)
    subprocess.run([BASE, "-m", "venv", project / ".venv"], check=True)
    (project / ".venv/bin/uv").symlink_to(Path(sys.executable).with_name("uv"))
    configuration = tmp_path / "pip.conf"
    configuration.write_text(f"[global]\nindex-url = {mirror}\n[install]\nuser = yes\n")
    settings = {"PIP_CONFIG_FILE": str(configuration), "PIP_EXTRA_INDEX_URL": mirror, "UV_DEFAULT_INDEX": mirror}
    for name, value in settings.items():
        with monkeypatch.context() as here:
            here.setenv(name, value)
            set_up.network.cache_clear()
            set_up.install_lock(".")
            set_up.uv("pip", "uninstall", "--python", str(set_up.VENV), "tiny-mirrored")
            set_up.pip("install", "-q", "tiny-mirrored")
            set_up.uv("pip", "uninstall", "--python", str(set_up.VENV), "tiny-mirrored")
    assert "Skipping" not in capfd.readouterr().err
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    set_up.network.cache_clear()
    with pytest.raises(SystemExit, match="(?s)no wheel.*mirror or proxy"):
        set_up.install_lock(".")


def test_a_python_that_is_too_old_is_told_which_will_do(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 1))
    with pytest.raises(SystemExit, match=r"3\.10 is older than 3\.11.*make lab PYTHON="):
        set_up.main()


@pytest.mark.slow
def test_jupyterlab_opens_the_working_copy_whatever_a_user_has_configured(tmp_path, elsewhere):
    project, home = tmp_path / "Meine Übung", tmp_path / "home"
    for part in ("binder", "notebooks", "tools"):
        shutil.copytree(ROOT / part, project / part, symlinks=True)
    server_app = {
        "root_dir": "/tmp",
        "preferred_dir": "/tmp",
        "default_url": "/tree",
        "password": "x",
        "base_url": "/x",
    }
    configured = {"ServerApp": server_app, "LabApp": {"default_url": "/tree", "workspaces_dir": "/tmp"}}
    plugin = "@jupyterlab/notebook-extension:tracker"
    theme = "lab/user-settings/@jupyterlab/apputils-extension/themes.jupyterlab-settings"
    user = {
        "jupyter_server_config.json": json.dumps(configured),
        "jupyter_lab_config.py": "raise SystemExit('a broken configuration')",
        "labconfig/page_config.json": json.dumps({"disabledExtensions": {plugin: True}}),
        theme: '{"theme": "JupyterLab Dark"}',
    }
    files(home / ".jupyter", **user)
    proxies = {"ALL_PROXY": "socks5://127.0.0.1:1", "HTTP_PROXY": "nonsense"}
    jupyter = {"HOME": str(home), "JUPYTER_PORT": "1", "JUPYTER_PREFER_ENV_PATH": "0", **proxies}
    environment = {name: value for name, value in (elsewhere | jupyter).items() if not name.startswith("PYTHON")}
    arranged = json.loads((ROOT / "binder/workspace.json").read_text())["data"]
    with lab_server([sys.executable, "tools/lab.py"], project, environment, tmp_path / "log") as server:
        with urlopen(server.address + "/") as page:
            assert page.url.endswith("/lab/tree/work/00_start_here.ipynb")
            assert plugin not in page.read().decode()
        assert server.ask("/api/contents/work/00_start_here.ipynb")["type"] == "notebook"
        assert server.ask("/lab/api/workspaces/default")["data"] == arranged
        assert "Dark" in server.ask("/lab/api/settings/@jupyterlab/apputils-extension:themes")["raw"]
        assert server.ask("/api/kernels", name="python3")["name"] == "python3"


@pytest.mark.slow
def test_a_notebook_is_compared_from_any_folder_with_the_packages_of_make_lab_alone(tmp_path):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "nbval.plugin", "-p", "no:cacheprovider", "--nbval"]
    alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    cell = f"{ROOT}/notebooks/00_start_here.ipynb::Cell 0"
    done = subprocess.run([*command, cell], cwd=tmp_path, env=alone, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout
