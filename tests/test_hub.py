"""The hub for a class: who comes in, what nobody can see of another, limits, and a small class at once."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "workshop" / "hub"
PROXY = ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy"
aiohttp = pytest.importorskip("aiohttp", reason="the hub is not installed: `make test` does it")
pytest.importorskip("jupyterhub", reason="the hub is not installed: `make test` does it")
sys.path.insert(0, str(HUB))
from class_load import ClassError, Learner, Lesson, hub, summary, table  # noqa: E402

pytestmark = [
    pytest.mark.skipif(
        not (PROXY.exists() and shutil.which("node")),
        reason="the hub's proxy needs Node.js and npm",
    ),
    pytest.mark.timeout(240),
]
PASSWORD = "the password of a class"
FIRST, SECOND = "learner-1", "learner-2"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A hub for two learners at once, and its folder."""
    folder = tmp_path_factory.mktemp("hub")
    with hub(folder, PASSWORD, size=2) as address:
        yield address, folder


def as_learner(place, name: str, use, word: str = "my word", password: str = PASSWORD):
    """Log in, and do something with the learner: `use(learner)` is a coroutine."""

    async def go():
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            learner = Learner(place[0], name, word, session)
            await learner.log_in(password)
            return await use(learner)

    return asyncio.run(go())


async def nothing(learner: Learner) -> None:
    pass


async def started(learner: Learner) -> None:
    await learner.start()


def ran(*cells: str):
    async def run(learner: Learner) -> str:
        await learner.start()
        async with learner.opened("00_start_here") as (_, kernel):
            return "".join([await kernel.run(cell) for cell in cells]).strip()

    return run


@pytest.mark.parametrize("password", ["", " " * 12, "short"])
def test_without_a_good_password_it_does_not_start(password, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "jupyterhub", "-f", HUB / "jupyterhub_config.py"],
        env={**os.environ, "CLASS_PASSWORD": password, "CLASS_FOLDER": str(tmp_path / "new")},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0 and "choose a password of at least 8 characters" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("password", ["", "the password of another class"])
def test_the_class_password_is_needed(place, password):
    with pytest.raises(ClassError, match="may not come in: 403"):
        as_learner(place, "nobody", nothing, password=password)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a" * 60, "jörg", "a name"])
def test_a_name_that_is_no_folder_is_refused(place, name):
    with pytest.raises(ClassError):
        as_learner(place, name, nothing)


def test_a_name_belongs_to_whoever_took_it_first(place):
    as_learner(place, "taken", nothing, word="mine")
    as_learner(place, "taken", nothing, word="mine")
    for word in ("yours", ""):
        with pytest.raises(ClassError, match="403"):
            as_learner(place, "taken", nothing, word=word)
    kept = (place[1] / "words.json").read_text()
    assert "mine" not in kept and (place[1] / "words.json").stat().st_mode & 0o077 == 0


def test_a_learner_works_in_a_folder_of_their_own(place):
    code = "import os, resource\nprint(os.getcwd(), 'CLASS_PASSWORD' in os.environ, resource.getrlimit(resource.RLIMIT_CORE))"
    home = place[1] / "learners" / FIRST
    assert as_learner(place, FIRST, ran(code)) == f"{home}/notebooks False (0, 0)"
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "helpers" / "token_source.py").exists()


def test_kernels_take_no_ports_and_leave_nothing_behind(place):
    async def look(learner: Learner) -> Path:
        code = "from ipykernel.connect import get_connection_info as info\nprint(info(unpack=True)['transport'])"
        assert await ran(code)(learner) == "ipc"
        folder = await ran("import os; print(os.environ['JUPYTER_RUNTIME_DIR'])")(learner)
        assert Path(folder).stat().st_mode & 0o077 == 0
        await learner.stop()
        while await learner.is_ready():
            await asyncio.sleep(0.1)
        return Path(folder)

    folder = as_learner(place, FIRST, look)
    for _ in range(100):
        if not folder.exists():
            return
        time.sleep(0.1)
    pytest.fail("the sockets are still there")


def test_nobody_guesses_with_the_answer_below_the_cell(place):
    as_learner(place, FIRST, started)
    notebooks = sorted((place[1] / "learners" / FIRST / "notebooks").glob("*.ipynb"))
    assert len(notebooks) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in notebooks:
        mine, ours = nbformat.read(path, 4), nbformat.read(ROOT / "notebooks" / path.name, 4)
        assert [cell.source for cell in mine.cells] == [cell.source for cell in ours.cells]
        assert not [cell for cell in mine.cells if cell.get("outputs")]


def test_what_a_learner_wrote_is_there_after_a_restart(place):
    notebook = place[1] / "learners" / FIRST / "notebooks" / "00_start_here.ipynb"

    async def edit_and_restart(learner: Learner) -> None:
        await learner.start()
        content = {"type": "file", "format": "text", "content": "my own notes"}
        await learner.api("PUT", "contents/notebooks/notes.md", content)
        await learner.stop()
        await learner.start()

    as_learner(place, FIRST, edit_and_restart)
    assert notebook.exists() and notebook.with_name("notes.md").read_text() == "my own notes"


def test_nobody_sees_files_or_kernels_of_another(place):
    as_learner(place, FIRST, started)

    async def pry(learner: Learner) -> list[str]:
        await learner.start()
        said = []
        for method, path, body in (
            ("GET", "contents/notebooks", None),
            ("GET", "contents/notebooks/00_start_here.ipynb", None),
            ("GET", "kernels", None),
            ("GET", "sessions", None),
            ("POST", "kernels", {"name": "python3"}),
        ):
            with pytest.raises(ClassError) as refused:
                await learner.api(method, path, body, of=FIRST)
            said.append(str(refused.value)[:3])
        url = f"{place[0]}/hub/api/users/{FIRST}"
        for path in ("", "/tokens", "/server"):
            async with learner.session.get(url + path, headers=learner._bearer) as answer:
                said.append(str(answer.status))
        await learner.api("GET", "contents/notebooks")  # one's own can be read
        return said

    said = as_learner(place, SECOND, pry)
    assert set(said) <= {"403", "404", "405"} and said[:5] == ["403"] * 5


def test_the_sandbox_of_one_refuses_the_other(place):
    connect = "from helpers.cloud import connect\ncloud = connect()\ncloud.ensure_secret('s')\n"

    async def go():
        jars = [aiohttp.CookieJar(unsafe=True) for _ in range(2)]
        async with (
            aiohttp.ClientSession(cookie_jar=jars[0]) as one,
            aiohttp.ClientSession(cookie_jar=jars[1]) as two,
        ):
            first = Learner(place[0], FIRST, "my word", one)
            second = Learner(place[0], SECOND, "my word", two)
            for learner in (first, second):
                await learner.log_in(PASSWORD)
                await learner.start()
            async with (
                first.opened("00_start_here") as (_, mine),
                second.opened("01_create_the_secret") as (_, theirs),
            ):
                where = f"{connect}import os\nprint(os.environ['AWS_ENDPOINT_URL'], cloud.momento_address)"
                aws, momento = (await mine.run(where)).split()
                return await theirs.run(connect + PRY.format(aws=aws, momento=momento))

    assert asyncio.run(go()).split() == ["UnrecognizedClientException", "AUTHENTICATION_ERROR"]


PRY = """
import boto3
from datetime import timedelta
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from helpers.cloud import at_address
try:
    boto3.client("secretsmanager", endpoint_url="{aws}").get_secret_value(SecretId="s")
except ClientError as error:
    print(error.response["Error"]["Code"])
provider = at_address(cloud.credentials_from(cloud.api_key), "{momento}")
with CacheClient(Configurations.Laptop.v1(), provider, timedelta(minutes=1)) as client:
    print(client.get("tutorial", "key").error_code.name)
"""


def test_a_full_class_is_full(place):
    for name in (FIRST, SECOND):
        as_learner(place, name, started)

    async def knock(learner: Learner) -> int:
        url = f"{place[0]}/hub/api/users/{learner.name}/server"
        async with learner.session.post(url, headers=learner._bearer) as answer:
            return answer.status

    assert as_learner(place, "learner-3", knock) == 429


def test_idle_servers_are_looked_for(place):
    assert "idle-culler" in (place[1] / "hub.log").read_text()


def test_the_summary_counts_what_failed():
    good, bad = Lesson(start_s=2, megabytes=300), Lesson(start_s=4, trouble="it broke")
    figures = summary([good, bad], seconds=10, busy=0.5)
    assert (figures["learners"], figures["finished"], figures["failed"]) == (2, 1, 1)
    assert (figures["start_p50_s"], figures["mb_per_learner"]) == (3, 300)


def test_the_guide_shows_the_figures_that_are_measured():
    wanted = table(summary([Lesson()], 1, 1)).splitlines()
    names = [line.split("|")[1] for line in wanted]
    guide = (HUB / "README.md").read_text().splitlines()
    assert [line.split("|")[1] for line in guide if line.startswith("| `")] == names[2:]


def test_a_small_class_finishes():
    done = subprocess.run(
        [sys.executable, HUB / "class_load.py"],
        env={**os.environ, "LEARNERS": "2"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    figures = json.loads((ROOT / "build" / "class.json").read_text())
    assert (figures["learners"], figures["finished"], figures["failed"]) == (2, 2, 0)
    assert figures["start_p95_s"] > 0 and figures["mb_per_learner"] > 100
