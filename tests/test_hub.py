"""A class on one hub: who comes in, the walls between learners, the teacher's board, and what survives a crash."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import ssl
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace
from urllib.request import urlopen

import class_load
import nbformat
import pytest
from class_hub import (
    FIRST,
    HUB,
    PASSWORD,
    ROOT,
    SECOND,
    WORD,
    Class,
    ClassError,
    Learner,
    aiohttp,
    needs_root,
    needs_the_proxy,
    running,
    walls,
)
from class_load import Lesson, summary, table
from class_login import TEACHER, forget_word
from class_push import LATER, SOLUTION

pytestmark = [pytest.mark.slow, needs_the_proxy, pytest.mark.timeout(300)]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PATIENCE = 200_000  # milliseconds: what a browser waits for on a busy machine
DISK = 200  # megabytes
TAG = "<img src=x onerror=document.title='cracked'>"
WRITES = """
import json, os, time
text = {text!r}
if text.startswith("{{"):
    text = json.dumps({{**json.loads(text), "at": time.time(), "kernel": 1.0}})
with open(os.environ["TUTORIAL_PROGRESS"], "a") as file:
    file.write(text + "\\n")
"""
PRESSES = """async () => (await fetch("act", {
    method: "POST", body: new URLSearchParams({what: "stop", name: "learner-2"})
})).status"""
CONNECTS = """
import os
if "cloud" not in globals():
    from helpers.cloud import connect
    cloud = connect()
    cloud.ensure_secret("s")
"""
SANDBOX = """
print(os.environ["AWS_ENDPOINT_URL"], cloud.momento_address)
"""
PRIES = """
import boto3
from datetime import timedelta
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from sandbox.plain_file import at_address
try:
    boto3.client("secretsmanager", endpoint_url="{aws}").get_secret_value(SecretId="s")
except ClientError as error:
    print(error.response["Error"]["Code"])
provider = at_address(cloud.credentials_from(cloud.api_key), "{momento}")
with CacheClient(Configurations.Laptop.v1(), provider, timedelta(minutes=1)) as client:
    print(client.get("tutorial", "key").error_code.name)
"""
VICTIM = """
os.environ["NEXT_TOKEN"] = "the victim's token"
print(os.getpid(), os.getppid(), cloud._sandbox.pid, os.environ["JUPYTER_RUNTIME_DIR"], end=" ")
print(os.environ["JUPYTERHUB_SERVICE_URL"].split(":")[2].split("/")[0])
"""
# Each attack returns what it got; what is refused raises.
ATTACKS = """
import json, mmap, os, signal, socket, subprocess, sys, time
from urllib.request import HTTPRedirectHandler, build_opener
victims, hub_pid, place, root, sockets, ports = json.loads(sys.argv[1])

class NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None  # raises: to be sent to the login is a refusal

opener = build_opener(NoRedirect)

def read(path):
    with open(path, "rb") as file:
        return file.read(100)

def write(path):
    with open(path, "ab"):
        return path

def attempt(attack, *arguments):
    try:
        return repr(attack(*arguments))
    except Exception as error:
        return f"refused: {type(error).__name__}"

said = {}
for pid in (*victims, hub_pid):
    for file in ("environ", "mem", "maps", "io"):
        said[f"read /proc/{pid}/{file}"] = attempt(read, f"/proc/{pid}/{file}")
    for folder in ("cwd", "root", "exe"):
        said[f"look at /proc/{pid}/{folder}"] = attempt(os.readlink, f"/proc/{pid}/{folder}")
    said[f"look at /proc/{pid}/fd"] = attempt(os.listdir, f"/proc/{pid}/fd")
    said[f"kill {pid}"] = attempt(os.kill, pid, signal.SIGKILL)
home = f"{place}/learners/learner-1"
for folder in (home, f"{home}/work", f"{place}/hub", f"{place}/hub/words", f"{place}/learners", sockets):
    said[f"list {folder}"] = attempt(os.listdir, folder)
for file in ("hub/hub.sqlite", "hub/cookie_secret", "hub/teacher_password", "hub/words/learner-1", "hub/ports.json", "hub.log",
             "learners/learner-1/.progress.jsonl", "learners/learner-1/work/00_start_here.ipynb"):
    said[f"read {file}"] = attempt(read, f"{place}/{file}")
for file in (f"{root}/helpers/cloud.py", f"{root}/workshop/hub/board.py", f"{root}/.venv/bin/jupyter", sys.executable,
             f"{place}/template/work/00_start_here.ipynb", f"{place}/template/new", f"{place}/hub/hub.sqlite",
             f"{place}/jupyter/kernels/python3/kernel.json", f"{place}/python/pyvenv.cfg", f"{place}/learners/me", f"{place}/x",
             f"{root}/helpers/new.py", next(p for p in sys.path if p.endswith("site-packages")) + "/new.pth", "/etc/passwd"):
    said[f"write {file}"] = attempt(write, file)
said["a kernel's socket"] = attempt(lambda: socket.socket(socket.AF_UNIX).connect(f"{sockets}/x"))
for port in ports:
    for path in ("/", "/hub/api/users", "/api/routes", "/services/board/class", "/user/learner-1/api/contents"):
        said[f"ask {port}{path}"] = attempt(lambda: opener.open(f"http://127.0.0.1:{port}{path}", timeout=20).status)
for port in ports[:3]:  # as after a crash, when nobody listens there
    said[f"listen on {port}"] = attempt(lambda: socket.socket().bind(("127.0.0.2", port)))
own = [os.readlink(f"/proc/{pid}/fd/{one}") for pid in ("self", os.getppid()) for one in os.listdir(f"/proc/{pid}/fd") if one != "3"]
if [one for one in own if "hub.log" in one or "/dev/pts" in one]:
    said["write to the teacher's terminal"] = repr(own)
said["become root"] = attempt(os.setuid, 0)
said["another group"] = attempt(os.setgroups, [0])
said["mount"] = attempt(lambda: subprocess.run(["mount", "-t", "tmpfs", "x", "/mnt"], check=True, capture_output=True))
said["nicer than others"] = attempt(os.nice, -5)
said["unlock the limit of processes"] = attempt(lambda: __import__("resource").setrlimit(6, (9999, 9999)))
said["leave the control group"] = attempt(write, "/sys/fs/cgroup/memory/cgroup.procs")
print(json.dumps(said))
"""
EATS = """
import mmap
shared = mmap.mmap(-1, 4 * 2**30)  # shared and anonymous: no process limit counts it
for at in range(0, len(shared), mmap.PAGESIZE):
    shared[at] = 1
print("took 4 GB")
"""
FORKS = """
import os, signal, time
children = []
try:
    for _ in range(500):
        child = os.fork()
        if child == 0:
            time.sleep(30)
            os._exit(0)
        children.append(child)
    print("had them all")
except OSError as error:
    print(type(error).__name__)
for child in children:
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""
FILLS = """
try:
    with open("big", "wb") as file:
        for _ in range(5):
            file.seek(10**9, 1)
            file.write(b"x")
    print("5 GB in one file")
except OSError as error:
    print(error.strerror)
"""
FILLS_THE_DISK = """
try:
    with open("full", "wb", buffering=0) as file:
        while file.write(bytes(2**16)):
            pass
except OSError as error:
    print(error.strerror)
"""
LEAVES = """
import subprocess
open("notes.md", "w").write("my own notes")
print(subprocess.Popen(["setsid", "sleep", "1000"]).pid)
"""
GOES_LIVE = """
import os
os.environ["TUTORIAL_CLOUD"] = "live"
from helpers.cloud import CloudError, connect
try:
    connect()
except CloudError as error:
    print(error)
"""
COUNTS = """
import time
for number in range(80):
    time.sleep(0.1)
print("counted to", number)
"""
ROUND = "import subprocess, sys\nprint(subprocess.run([sys.executable, '-c', {code!r}, *{arguments!r}], capture_output=True, text=True).stdout or 'nothing')"


def in_a_process(code: str, *arguments: str) -> str:
    return ROUND.format(code=code, arguments=arguments)


@pytest.fixture(scope="module")
def place():
    """A hub for three learners at once, all in one module: `place.cell(FIRST, …)` starts what isn't there yet."""
    with running(size=3, megabytes=DISK) as group:
        yield group


# A small class


def test_a_small_class_finishes(place, monkeypatch):
    monkeypatch.setattr(class_load, "NOTEBOOKS", class_load.NOTEBOOKS[:1])
    monkeypatch.setattr(class_load, "uuid4", lambda: SimpleNamespace(hex=WORD))
    monkeypatch.setattr(Learner, "stop", lambda _: asyncio.sleep(0))  # the tests below go on with them
    lessons = place.do(class_load.hold_class(place.hub.address, PASSWORD, 2))
    assert [lesson.trouble for lesson in lessons] == ["", ""]
    figures = summary(lessons, 1, 1)
    assert figures["finished"] == 2 and figures["mb_per_learner"] > 100
    assert "idle-culler" in (place.place.folder / "hub.log").read_text()


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


# Who comes in


@pytest.mark.parametrize("password", ["", "the password of another class"])
def test_the_class_password_is_needed(place, password):
    for name in ("nobody", TEACHER):
        with pytest.raises(ClassError, match="may not come in: 403"):
            place.log_in(name, password=password)


def test_the_class_password_opens_no_teachers_door(place):
    with pytest.raises(ClassError, match="403"):
        place.log_in(TEACHER)


@pytest.mark.parametrize("name", ["../up", "a/b", ".hidden", "", "a" * 60, "jörg", "a name"])
def test_a_name_that_is_no_folder_is_refused(place, name):
    with pytest.raises(ClassError):
        place.log_in(name)


def test_a_name_belongs_to_whoever_took_it_first(place):
    place.log_in("taken", word="this is mine")
    place.log_in("taken", word="this is mine")
    for word in ("this is yours", ""):
        with pytest.raises(ClassError, match="403"):
            place.log_in("taken", word=word)
    file = place.place.words / "taken"
    assert "mine" not in file.read_text() and file.stat().st_mode & 0o077 == 0


def test_a_short_word_is_refused_before_it_is_kept(place):
    with pytest.raises(ClassError, match="403"):
        place.log_in("short", word="12345")
    assert not (place.place.words / "short").exists()


def test_a_word_that_was_spoilt_or_forgotten_is_mended_by_forgetting_it(place):
    place.log_in("spoilt")
    (place.place.words / "spoilt").write_text("{")
    with pytest.raises(ClassError, match="403"):
        place.log_in("spoilt")
    forget_word(place.place.words, "spoilt")
    place.log_in("spoilt", word="another word")


def test_the_login_form_hides_the_word_that_is_typed(place):
    page = urlopen(f"{place.hub.address}/hub/login").read().decode()
    (field,) = re.findall(r'<input id="otp_input".*?/>', page, re.S)
    assert 'type="password"' in field


# What a learner has


def test_a_learner_works_in_a_folder_of_their_own(place):
    code = "import os, resource\nprint(os.getcwd(), 'CLASS_PASSWORD' in os.environ, resource.getrlimit(resource.RLIMIT_CORE))"
    home = place.place.learners / FIRST
    assert place.cell(FIRST, code) == f"{home}/work False (0, 0)"
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "momento_token" / "token_source.py").exists()


def test_nobody_guesses_with_the_answer_below_the_cell(place):
    place.learner(FIRST)
    notebooks = sorted((place.place.learners / FIRST / "work").glob("*.ipynb"))
    assert len(notebooks) == len(list((ROOT / "notebooks").glob("*.ipynb")))
    for path in notebooks:
        mine, ours = nbformat.read(path, 4), nbformat.read(ROOT / "notebooks" / path.name, 4)
        without = [SOLUTION.sub(LATER, cell.source) for cell in ours.cells]
        assert [cell.source for cell in mine.cells] == without
        assert not [cell for cell in mine.cells if cell.get("outputs")]


def test_a_full_class_is_full(place):
    for name in (FIRST, SECOND, "leaver"):
        place.learner(name)
    fourth = place.log_in("learner-4")

    async def knock() -> int:
        url = f"{fourth.address}/hub/api/users/learner-4/server"
        async with fourth.session.post(url, headers=fourth._bearer) as answer:
            return answer.status

    assert place.do(knock()) == 429


def test_what_a_learner_left_running_ends_with_the_server(place):
    folder = Path(place.cell("leaver", "import os; print(os.environ['JUPYTER_RUNTIME_DIR'])"))
    info = "from ipykernel.connect import get_connection_info as info\nprint(info(unpack=True)['transport'])"
    assert place.cell("leaver", info) == "ipc"  # kernels take no ports
    assert folder.stat().st_mode & 0o077 == 0
    pid = place.cell("leaver", LEAVES)
    assert Path("/proc", pid, "exe").exists()
    os.kill(int(place.cell("leaver", "print(os.getppid())")), signal.SIGKILL)  # as they can, too
    place.stop("leaver")
    end = time.monotonic() + 60
    while folder.exists() or Path("/proc", pid, "exe").exists():
        assert time.monotonic() < end, "it goes on"
        time.sleep(0.1)


# Walls


def test_nobody_sees_files_or_kernels_of_another(place):
    place.learner(FIRST)
    learner = place.learner(SECOND)

    async def pry() -> list[str]:
        said = []
        for method, path, body in (
            ("GET", "contents/work", None),
            ("GET", "contents/work/00_start_here.ipynb", None),
            ("GET", "kernels", None),
            ("GET", "sessions", None),
            ("POST", "kernels", {"name": "python3"}),
        ):
            with pytest.raises(ClassError) as refused:
                await learner.api(method, path, body, of=FIRST)
            said.append(str(refused.value)[:3])
        url = f"{learner.address}/hub/api/users/{FIRST}"
        for path in ("", "/tokens", "/server"):
            async with learner.session.get(url + path, headers=learner._bearer) as answer:
                said.append(str(answer.status))
        await learner.api("GET", "contents/work")  # one's own can be read
        return said

    said = place.do(pry())
    assert set(said) <= {"403", "404", "405"} and said[:5] == ["403"] * 5


def test_the_sandbox_of_one_refuses_the_other(place):
    aws, momento = place.cell(FIRST, CONNECTS + SANDBOX).split()
    said = place.cell(SECOND, CONNECTS + PRIES.format(aws=aws, momento=momento))
    assert said.split() == ["UnrecognizedClientException", "AUTHENTICATION_ERROR"]


@needs_root
def test_a_learner_gets_at_nothing_of_another_of_the_hub_and_of_the_machine(place):
    *pids, sockets, port = place.cell(FIRST, CONNECTS + VICTIM).split()
    victims = [int(pid) for pid in pids]
    ports = [*place.place.ports().values(), int(port)]
    known = [victims, place.hub.process.pid, str(place.place.folder), str(ROOT), sockets, ports]
    said = json.loads(place.cell(SECOND, in_a_process(ATTACKS, json.dumps(known))))
    assert place.cell(FIRST, "print('alive')") == "alive"
    assert len(said) > 50
    assert {what: got for what, got in said.items() if not got.startswith("refused")} == {}


@needs_root
def test_shared_memory_forks_and_big_files_end_at_the_limits(place):
    if not walls.holds()["all memory of a learner, shared memory included"]:
        pytest.skip("this machine has no control groups to give")
    assert ":/class-" in place.cell(SECOND, "print(open('/proc/self/cgroup').read())")
    said = [place.cell(SECOND, in_a_process(code)) for code in (EATS, FORKS, FILLS)]
    assert said == ["nothing", "BlockingIOError", "File too large"]


@needs_root
def test_a_live_token_is_refused_on_a_hub_without_tls(place):
    assert "Not on this hub: the hub speaks HTTP" in place.cell(FIRST, in_a_process(GOES_LIVE))


def test_a_full_disk_costs_nobody_what_was_saved_and_passes(place):
    if not place.place.folder.is_mount():
        pytest.skip("a small disk needs root, and the right to mount one")
    first, path = place.learner(FIRST), "contents/work/00_start_here.ipynb"
    content = place.do(first.api("GET", path))["content"]
    content["cells"][0]["source"] = "a long note " * 10_000
    notebook = place.place.learners / FIRST / "work" / "00_start_here.ipynb"
    before = notebook.read_bytes()

    async def save() -> int:
        url = f"{first.address}/user/{FIRST}/api/{path}"
        body = {"type": "notebook", "content": content}
        async with first.session.put(url, headers=first._bearer, json=body) as answer:
            return answer.status

    assert place.cell(SECOND, FILLS_THE_DISK) == "No space left on device"
    assert place.do(save()) == 500
    assert notebook.read_bytes() == before
    with pytest.raises(ClassError):
        place.log_in("late")
    assert urlopen(f"{place.hub.address}/hub/health").status == 200
    assert "computes" in place.cell(FIRST, "print('computes')")
    place.cell(SECOND, "import os\nos.unlink('full')")
    assert place.do(save()) == 200
    assert "a long note" in notebook.read_text()
    place.log_in("late")


# The board


@pytest.fixture(scope="module")
def tab(place):
    if CHROMIUM is None:
        pytest.skip("there is no Chromium: install the package chromium")
    from playwright.sync_api import sync_playwright

    def page():
        made = chromium.new_context(viewport={"width": 1400, "height": 700}).new_page()
        made.set_default_timeout(PATIENCE)
        return made

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-background-networking"]
        )
        yield page
        chromium.close()


def open_the_board(page, place: Class, name: str, password: str, word: str = "") -> None:
    page.goto(f"{place.hub.address}/services/board/")
    page.fill("#username_input", name)
    page.fill("#password_input", password)
    page.fill("#otp_input", word)
    page.click("#login_submit")


def test_the_teacher_sees_who_is_stuck_and_helps(place, tab):
    for text in (
        '{"exercise": "ledger", "solved": true}',
        *['{"exercise": "mail", "solved": false}'] * 3,
        TAG,
    ):
        place.cell(FIRST, WRITES.format(text=text))
    place.learner(SECOND)
    page, errors = tab(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
    page.on("dialog", lambda dialog: dialog.accept())
    open_the_board(page, place, TEACHER, place.place.teacher_password())
    row = page.locator(f"tr[data-name={FIRST}]")
    row.wait_for()
    assert [cell for cell in row.locator("td").all_inner_texts() if cell][:3] == ["✓", "✗3", "01"]
    assert f"perhaps stuck: {FIRST}" in page.inner_text("#who")
    if os.environ.get("SCREENSHOTS"):
        (ROOT / "build").mkdir(exist_ok=True)
        page.screenshot(path=ROOT / "build" / "board.png")

    # a hand goes up while the teacher looks, and down when they helped
    place.cell(SECOND, "from exercises import raise_hand\nraise_hand()")
    hand = page.locator(f"tr.hand[data-name={SECOND}]")
    hand.wait_for()
    hand.locator("button[data-what=helped]").click()
    page.locator(f"tr.hand[data-name={SECOND}]").wait_for(state="detached")

    row.locator("button[data-what=fresh]").click()
    page.get_by_text(f"{FIRST} has the notebooks anew").wait_for()
    assert list((place.place.learners / FIRST).glob("work until *"))

    row.locator("button[data-what=forget]").click()
    page.get_by_text(f"{FIRST} chooses a new word").wait_for()
    place.log_in(FIRST, word="a new word of mine")

    page.click("#solutions")
    page.get_by_text("The solutions are out.").wait_for()
    notebook = place.place.learners / SECOND / "work" / "00_start_here.ipynb"
    assert "<summary>Solution</summary>" in notebook.read_text()

    place.log_in("leaver")  # whose server does not run
    row = page.locator("tr[data-name=leaver]")
    row.locator("button[data-what=start]").click()
    row.get_by_text("running").wait_for()
    row.locator("button[data-what=stop]").click()
    row.locator("button[data-what=start]").wait_for()
    assert errors == [] and page.title() == "The board"

    # another page has the teacher's cookies, but not the token that the board's page holds
    status = page.evaluate(PRESSES)
    assert status == 403


def test_a_learner_sees_no_board_and_presses_no_button(place, tab):
    page = tab()
    open_the_board(page, place, "curious", PASSWORD, WORD)
    page.get_by_text("403").first.wait_for()
    assert "learner-" not in page.content()
    curious = place.log_in("curious")

    async def try_all() -> list[int]:
        answers = []
        for method, path, body in (
            ("GET", "services/board/", None),
            ("GET", "services/board/class", None),
            ("POST", "services/board/act", {"what": "stop", "name": SECOND}),
            ("POST", "services/board/act", {"what": "solutions"}),
            ("GET", "hub/api/users", None),
            ("DELETE", f"hub/api/users/{SECOND}/server", None),
            ("POST", f"hub/api/users/{TEACHER}/tokens", None),
        ):
            url = f"{curious.address}/{path}"
            for headers in (curious._bearer, {}):
                async with curious.session.request(method, url, headers=headers, data=body) as got:
                    answers.append(got.status if got.url.path == f"/{path}" else 403)
        return answers

    assert set(place.do(try_all())) <= {403, 404}


# It survives


def test_a_kernel_whose_end_got_no_answer_has_ended(place):
    """As after a crash of the hub: the class load asks again, and there is no such kernel any more."""
    learner = place.learner(SECOND)
    _, kernel = place.do(learner.open("01_create_the_secret"))
    for _ in range(2):
        place.do(kernel.end())


def test_a_killed_hub_costs_nobody_a_kernel_or_a_login_and_ends_all_when_it_ends(place):
    """The last one, as it ends the hub."""
    mine, theirs = place.kernel(FIRST), place.kernel(SECOND)
    place.do(mine.run("mine = 42"))
    computes = asyncio.run_coroutine_threadsafe(theirs.run(COUNTS), place.loop)
    place.hub.kill()
    assert place.do(mine.run("print(mine)")).strip() == "42"  # while there is no hub
    place.hub.start()
    look_again(place, mine)
    os.kill(int((place.place.hub / "proxy.pid").read_text()), signal.SIGKILL)
    assert computes.result().strip() == "counted to 79"
    look_again(place, mine)
    request = {"code": "while True: pass", "silent": False}
    if place.place.folder.is_mount():
        place.cell(SECOND, FILLS_THE_DISK)
    place.do(theirs._send("execute_request", request))  # a kernel that listens to nobody
    place.hub.end()
    assert place.hub.process.returncode == 0, "it had to be killed"
    assert still_there(place.place.folder) == []


def look_again(place: Class, kernel: class_load.Kernel) -> None:
    """The kernel is the same, and the browser's cookies still open the page."""
    learner = kernel.learner

    async def page() -> tuple[int, str]:
        async with learner.session.get(f"{learner.address}/user/{learner.name}/lab") as got:
            return got.status, got.url.path

    place.do(learner.api("GET", "kernels"))
    assert place.do(page()) == (200, f"/user/{learner.name}/lab")
    assert place.do(kernel.run("mine += 0\nprint(mine)")).strip() == "42"


def still_there(folder: Path) -> list[str]:
    """What still runs of a class: anything with its folder in its environment."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if str(folder) in Path("/proc", pid, "environ").read_text(errors="replace"):
                found.append(Path("/proc", pid, "cmdline").read_text().replace("\0", " "))
        except OSError:
            continue
    return [command for command in found if command]


def test_with_a_key_and_a_certificate_it_speaks_tls_only(tmp_path, monkeypatch):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "1"]
    made = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-keyout",
        key,
        "-out",
        certificate,
    ]
    if not shutil.which("openssl"):
        pytest.skip("there is no openssl to make a certificate with")
    subprocess.run(["openssl", "req", "-x509", *made, *subject], check=True, capture_output=True)
    key.chmod(0o600)
    monkeypatch.setenv("CLASS_TLS_KEY", str(key))
    monkeypatch.setenv("CLASS_TLS_CERT", str(certificate))
    trusts = ssl.create_default_context(cafile=certificate)
    with running(scheme="https") as safe:
        learner = safe.log_in(FIRST, tls=trusts)
        assert {cookie.key: cookie["secure"] for cookie in learner.session.cookie_jar}["jupyterhub-session-id"]
        with pytest.raises(aiohttp.ClientError):
            safe.log_in(FIRST)  # nobody has signed this certificate
        with pytest.raises(OSError):
            urlopen(safe.hub.address.replace("https", "http"))
