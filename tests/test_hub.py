"""A class on one hub: two learners log in and run a notebook, can't reach each other's work, and the board shows them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from types import SimpleNamespace

import class_load
import nbformat
import pytest
from class_hub import PASSWORD, ROOT, WORD, needs_root, needs_the_proxy, running, walls
from class_load import ClassError, Learner
from class_login import TEACHER
from names import CHROMIUM

pytestmark = [pytest.mark.slow, needs_the_proxy, pytest.mark.timeout(300)]
FIRST, SECOND = "learner-1", "learner-2"
PATIENCE = 200_000  # milliseconds: what a browser waits for on a busy machine
RECORDS = """
import json, os, time
with open(os.environ["TUTORIAL_PROGRESS"], "a") as file:
    for exercise, solved in (("ledger", True), *[("mail", False)] * 3):
        print(json.dumps({"exercise": exercise, "solved": solved, "at": time.time(), "kernel": 1.0}), file=file)
    print("<img src=x onerror=document.title='cracked'>", file=file)
"""
VICTIM = """
from helpers.cloud import connect
print(os.getpid(), os.getppid(), connect()._sandbox.pid)
"""
# Each attempt returns what it got; what is refused raises.
ATTACKS = """
import json, os, signal
victims, place, root = json.loads({known!r})

def attempt(attack, *arguments):
    try:
        return repr(attack(*arguments))
    except OSError:
        return ""

def read(path):
    with open(path, "rb") as file:
        return file.read(100)

def write(path):
    with open(path, "ab"):
        return path

got = {{}}
for pid in victims:
    for file in ("environ", "mem", "maps"):
        got[f"read {{pid}}/{{file}}"] = attempt(read, f"/proc/{{pid}}/{{file}}")
    got[f"list {{pid}}/fd"] = attempt(os.listdir, f"/proc/{{pid}}/fd")
    got[f"kill {{pid}}"] = attempt(os.kill, pid, signal.SIGKILL)
for folder in ("learners", "learners/learner-1", "hub", "hub/words"):
    got[f"list {{folder}}"] = attempt(os.listdir, f"{{place}}/{{folder}}")
for file in ("hub/hub.sqlite", "hub/cookie_secret", "hub/teacher_password", "hub/words/learner-1", "hub.log",
             "learners/learner-1/.progress.jsonl", "learners/learner-1/work/00_start_here.ipynb"):
    got[f"read {{file}}"] = attempt(read, f"{{place}}/{{file}}")
for file in (f"{{place}}/template/work/00_start_here.ipynb", f"{{place}}/jupyter/kernels/python3/kernel.json",
             f"{{place}}/python/pyvenv.cfg", f"{{root}}/helpers/cloud.py", f"{{root}}/.venv/bin/jupyter", "/etc/passwd"):
    got[f"write {{file}}"] = attempt(write, file)
got["become root"] = attempt(os.setuid, 0)
got["leave the control group"] = attempt(write, "/sys/fs/cgroup/memory/cgroup.procs")
print(json.dumps([what for what, result in got.items() if result]))
"""


@pytest.fixture(scope="module")
def place():
    """A hub for three learners at a time: `place.cell(FIRST, …)` starts what isn't there yet."""
    with running(size=3) as group:
        yield group


def test_two_learners_run_a_notebook_at_the_same_time(place, monkeypatch):
    monkeypatch.setattr(class_load, "NOTEBOOKS", class_load.NOTEBOOKS[:1])
    monkeypatch.setattr(class_load, "uuid4", lambda: SimpleNamespace(hex=WORD))
    monkeypatch.setattr(Learner, "stop", lambda _: asyncio.sleep(0))  # the tests below go on with them
    lessons = place.do(class_load.hold_class(place.hub.address, PASSWORD, 2))
    figures = class_load.summary(lessons, 1, 1)
    assert (figures["finished"], [lesson.trouble for lesson in lessons]) == (2, ["", ""])
    assert figures["mb_per_learner"] > 100


def test_a_learner_has_the_working_copy_without_outputs_in_a_home_of_their_own(place):
    home = place.place.learners / FIRST
    assert place.cell(FIRST, "import os\nprint(os.getcwd(), 'CLASS_PASSWORD' in os.environ)") == f"{home}/work False"
    assert home.stat().st_mode & 0o077 == 0
    notebooks = sorted((home / "work").glob("*.ipynb"))
    assert [path.name for path in notebooks] == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
    for path in notebooks:
        notebook = nbformat.read(path, 4)
        assert not [cell for cell in notebook.cells if cell.get("outputs")]
        assert "<summary>Solution</summary>" not in str(notebook)  # until the teacher releases them


def test_who_comes_in(place):
    """The class password, a name that can be a folder, and the word that its first owner chose."""
    for name, password in (("nobody", ""), ("nobody", "of another class"), (TEACHER, ""), (TEACHER, PASSWORD)):
        with pytest.raises(ClassError, match="may not come in: 403"):
            place.log_in(name, password=password)
    for name in ("../up", ".hidden", "a name"):
        with pytest.raises(ClassError):
            place.log_in(name)
    place.log_in("taken", word="this is mine")
    for word in ("this is yours", ""):
        with pytest.raises(ClassError, match="403"):
            place.log_in("taken", word=word)
    file = place.place.words / "taken"
    assert "mine" not in file.read_text() and file.stat().st_mode & 0o077 == 0


def test_http_leads_to_nothing_of_another_learner(place):
    place.learner(FIRST)
    learner = place.learner(SECOND)

    async def status(method: str, path: str, headers: dict, data: dict | None = None) -> int:
        async with learner.session.request(method, f"{learner.address}/{path}", headers=headers, data=data) as got:
            return got.status if got.url.path == f"/{path}" else 403  # sent on to the login

    async def attack() -> list[int]:
        await learner.api("GET", "contents/work")  # one's own can be read
        return [
            await status(*call, headers=headers) if len(call) == 2 else await status(*call[:2], headers, call[2])
            for headers in (learner._bearer, {})
            for call in (
                ("GET", f"user/{FIRST}/api/contents/work"),
                ("GET", f"user/{FIRST}/api/kernels"),
                ("GET", f"hub/api/users/{FIRST}"),
                ("DELETE", f"hub/api/users/{FIRST}/server"),
                ("POST", f"hub/api/users/{TEACHER}/tokens"),
                ("GET", "services/board/"),
                ("GET", "services/board/class"),
                ("POST", "services/board/act", {"what": "stop", "name": FIRST}),
                ("POST", "services/board/act", {"what": "solutions"}),
            )
        ]

    assert set(place.do(attack())) <= {403, 404}


@needs_root
def test_a_cell_gets_at_nothing_of_another_learner_of_the_hub_and_of_the_machine(place):
    victims = [*map(int, place.cell(FIRST, "import os" + VICTIM).split()), place.hub.process.pid]
    known = json.dumps([victims, str(place.place.folder), str(ROOT)])
    assert place.cell(SECOND, ATTACKS.format(known=known)) == "[]"
    assert place.cell(FIRST, "print('alive')") == "alive"


@needs_root
def test_a_learner_takes_no_more_memory_than_the_limit(place):
    if not walls.holds()["all memory of a learner, shared memory included"]:
        pytest.skip("this machine has no control groups to give")
    eats = "import mmap; m = mmap.mmap(-1, 4 * 2**30); [m.__setitem__(at, 1) for at in range(0, len(m), mmap.PAGESIZE)]"
    run = f"import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {eats!r}]).returncode)"
    assert place.cell(SECOND, run) != "0"


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium")
def test_the_teacher_sees_who_is_stuck_and_who_raises_a_hand(place):
    from playwright.sync_api import sync_playwright

    place.cell(FIRST, RECORDS)
    errors = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 700})
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
        page.goto(f"{place.hub.address}/services/board/")
        page.fill("#username_input", TEACHER)
        page.fill("#password_input", place.place.teacher_password())
        page.click("#login_submit")
        cells = page.locator(f"tr[data-name={FIRST}] td")
        cells.first.wait_for()
        assert [text for text in cells.all_inner_texts() if text][:3] == ["✓", "✗3", "01"]
        assert f"perhaps stuck: {FIRST}" in page.inner_text("#who")
        place.cell(SECOND, "from exercises import raise_hand\nraise_hand()")
        hand = page.locator(f"tr.hand[data-name={SECOND}]")
        hand.locator("button[data-what=helped]").click()
        hand.wait_for(state="detached")
        assert errors == [] and page.title() == "The board"
        browser.close()


def test_when_the_hub_ends_nothing_of_the_class_goes_on(place):
    """The last test, as it ends the hub."""
    request = {"code": "while True: pass", "silent": False}
    place.do(place.kernel(SECOND)._send("execute_request", request))  # a kernel that doesn't respond
    place.hub.end()
    assert place.hub.process.returncode == 0, "it had to be killed"
    assert still_there(place.place.folder) == []


def still_there(folder: Path) -> list[str]:
    """Return the commands of all processes with the class's folder in their environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(folder) in Path("/proc", pid, "environ").read_text(errors="replace"):
                found.append(Path("/proc", pid, "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return [command for command in found if command]
