"""A class on one hub: learners run a notebook, can't reach each other's work, get corrections, and the teacher sees who is stuck."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
import pytest
from names import CHROMIUM

ROOT = Path(__file__).resolve().parent.parent
PROXY = ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy"
sys.path.append(str(Path(sys.prefix, "hub")))  # last, as it also holds what the notebooks' environment has
pytest.importorskip("jupyterhub", reason="the hub is not installed: `make test` does it")
import accounts  # noqa: E402
import board  # noqa: E402
import measure  # noqa: E402
from measure import ClassError, Kernel, Learner  # noqa: E402

from exercises.learner_record import EXERCISES  # noqa: E402

CLASS = f"t{os.getpid()}"
FIRST, SECOND, TEACHER = f"{CLASS}-01", f"{CLASS}-02", f"{CLASS}-teacher"
ACCOUNTS = [sys.executable, ROOT / "workshop/hub/accounts.py"]
PATIENCE = 200_000  # milliseconds: what a browser waits for on a busy machine
NOW = 1_795_000_000.0
needs_a_hub = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="a hub makes accounts, which needs root"),
    pytest.mark.skipif(not (PROXY.exists() and shutil.which("node")), reason="the hub's proxy needs Node.js and npm"),
]
VICTIM = """
import os
from helpers.cloud import connect
print(os.getpid(), os.getppid(), connect()._sandbox.pid)
"""
# Each attempt returns what it got; what is refused raises.
ATTACKS = """
import json, os, signal, zmq
victims, folder, home, root = json.loads({known!r})

def attempt(attack, *arguments):
    try:
        return repr(attack(*arguments))
    except (OSError, zmq.ZMQError):
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
for place in (folder, home, f"{{home}}/work", f"{{home}}/.local/share/jupyter/runtime"):
    got[f"list {{place}}"] = attempt(os.listdir, place)
for file in ("jupyterhub.sqlite", "jupyterhub_cookie_secret", "passwords.json", "slips.html", "servers.log"):
    got[f"read {{file}}"] = attempt(read, f"{{folder}}/{{file}}")
for file in ("work/00_start_here.ipynb", "work/.progress.jsonl"):
    got[f"read {{file}}"] = attempt(read, f"{{home}}/{{file}}")
for file in ("helpers/cloud.py", "workshop/hub/give.py", "notebooks/00_start_here.ipynb", ".venv/bin/jupyter",
             ".venv/learners/pyvenv.cfg", ".venv/hub/jupyterhub/app.py"):
    got[f"write {{file}}"] = attempt(write, f"{{root}}/{{file}}")
got["change passwords"] = attempt(write, "/etc/shadow")
got["become root"] = attempt(os.setuid, 0)
print(json.dumps([what for what, result in got.items() if result]))
"""


class Group:
    """A hub's class, and its learners' browsers with a notebook open."""

    def __init__(self, address: str, passwords: dict[str, str], process: subprocess.Popen, folder: Path) -> None:
        self.address, self.passwords, self.process, self.folder = address, passwords, process, folder
        self._kernels: dict[str, Kernel] = {}

    def kernel(self, name: str) -> Kernel:
        """Return the kernel of a learner, who logs in and has a server started if need be."""
        if name not in self._kernels:
            learner = Learner(self.address, name, self.passwords[name])
            learner.start()
            self._kernels[name] = Kernel(learner, "00_start_here")
        return self._kernels[name]

    def cell(self, name: str, code: str) -> str:
        return self.kernel(name).run(code)


@pytest.fixture(scope="module")
def group():
    folder = Path(tempfile.mkdtemp(prefix="hub-"))
    with measure.hub(CLASS, 2, folder) as (address, passwords, process), pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "MARK", accounts.MARK.replace(" for class", f" for {CLASS}"))
        yield Group(address, passwords, process, folder / CLASS)
    assert left() == [] == [*accounts.accounts()]
    assert not (folder / CLASS).exists() and not Path("/home", FIRST).exists()


class TestAClass:
    pytestmark = needs_a_hub

    def test_learners_take_part_with_the_passwords_on_their_slips(self, group):
        slips = (group.folder / "slips.html").read_text()
        assert all(f"{name}</b>" in slips and word in slips for name, word in group.passwords.items())
        assert len(set(group.passwords.values())) == 3
        _, megabytes, trouble = measure.take_part(group.address, FIRST, group.passwords[FIRST])
        assert trouble == "" and megabytes > 100

    def test_a_learner_has_the_working_copy_without_outputs_in_a_home_of_their_own(self, group):
        home = accounts.accounts()[FIRST].pw_dir
        assert group.cell(FIRST, "import os\nprint(os.getcwd())") == f"{home}/work"
        assert Path(home).stat().st_mode & 0o077 == 0
        notebooks = sorted(Path(home, "work").glob("*.ipynb"))
        assert [path.name for path in notebooks] == sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))
        for path in notebooks:
            assert not [cell for cell in nbformat.read(path, 4).cells if cell.get("outputs")]
        usage = group.kernel(FIRST).learner.api("GET", f"user/{FIRST}/api/metrics/v1")
        assert usage["rss"] > 0  # the memory that JupyterLab shows below

    def test_nobody_else_comes_in(self, group):
        for name, password in (
            (FIRST, ""),
            (FIRST, "guess"),
            (FIRST, group.passwords[SECOND]),
            ("root", ""),
            ("nobody", ""),
        ):
            with pytest.raises(ClassError, match="may not come in"):
                Learner(group.address, name, password)

    def test_live_mode_is_refused_where_the_network_can_read(self, group):
        said = group.cell(
            SECOND,
            "import os\nfrom helpers.cloud import connect\nos.environ['TUTORIAL_CLOUD'] = 'live'\n"
            "try:\n    connect()\nexcept Exception as error:\n    print(error)\ndel os.environ['TUTORIAL_CLOUD']",
        )
        assert "Not on this hub: it speaks HTTP" in said

    def test_http_leads_to_nothing_of_another_learner(self, group):
        group.kernel(FIRST)
        learner = group.kernel(SECOND).learner
        learner.api("GET", f"user/{SECOND}/api/contents/work")  # one's own can be read
        for method, path in (
            ("GET", f"user/{FIRST}/api/contents/work"),
            ("GET", f"user/{FIRST}/api/kernels"),
            ("POST", f"user/{FIRST}/api/kernels"),
            ("GET", f"hub/api/users/{FIRST}"),
            ("DELETE", f"hub/api/users/{FIRST}/server"),
            ("POST", f"hub/api/users/{TEACHER}/tokens"),
            ("POST", "hub/api/shutdown"),
            ("GET", "services/board/"),
        ):
            with pytest.raises(ClassError, match="40[34] for"):
                learner.api(method, path)
            bare = measure.requests.request(method, f"{group.address}/{path}", allow_redirects=False, timeout=60)
            assert bare.status_code in (302, 403, 404), path
        assert "for the class" not in learner.browser.get(f"{group.address}/services/board/", timeout=60).text

    def test_a_cell_gets_at_nothing_of_another_learner_of_the_hub_and_of_the_machine(self, group):
        victims = [*map(int, group.cell(FIRST, VICTIM).split()), group.process.pid]
        known = json.dumps([victims, str(group.folder), accounts.accounts()[FIRST].pw_dir, str(ROOT)])
        assert group.cell(SECOND, ATTACKS.format(known=known)) == "[]"
        assert group.cell(FIRST, "print('alive')") == "alive"

    def test_a_learner_gets_a_notebook_anew_and_keeps_theirs(self, group):
        work = Path(accounts.accounts()[SECOND].pw_dir, "work")
        mine = nbformat.read(work / "01_create_the_secret.ipynb", 4)
        mine.cells[1].source = "mine"
        nbformat.write(mine, work / "01_create_the_secret.ipynb")
        assert "fresh copy of 01_create_the_secret.ipynb" in accounts.give(SECOND, "1")
        assert accounts.give(SECOND) == ""
        assert "mine" in (work / "01_create_the_secret (mine).ipynb").read_text()
        assert (work / "01_create_the_secret.ipynb").stat().st_uid == accounts.accounts()[SECOND].pw_uid

    @pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium: install the package chromium")
    def test_the_teacher_sees_who_is_stuck_and_who_raises_a_hand(self, group):
        from playwright.sync_api import sync_playwright

        note = "from exercises.learner_record import note, raise_hand\nnote(exercise='ledger', solved=True)\n"
        group.cell(FIRST, note + "for _ in range(3): note(exercise='reader', solved=False)")
        group.cell(SECOND, note + "raise_hand()")
        errors = []
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1400, "height": 700})
            page.set_default_timeout(PATIENCE)
            page.on("console", lambda said: errors.append(said.text) if said.type == "error" else None)
            page.goto(f"{group.address}/services/board/")
            page.fill("#username_input", TEACHER)
            page.fill("#password_input", group.passwords[TEACHER])
            page.click("#login_submit")
            page.locator("tr.stuck").wait_for()
            name, stuck, ledger, *others = page.locator("tr.stuck").inner_text().split()
            assert (name, stuck, ledger) == (FIRST, "stuck?", "✓") and "✗3" in others
            assert page.locator("tbody tr").first.inner_text().startswith(f"{SECOND}\thand up for 0 min")
            page.goto(f"{group.address}/hub/admin")
            page.get_by_text(FIRST).first.wait_for()
            assert errors == []
            browser.close()

    def test_a_second_hub_and_the_end_of_the_class_wait_until_the_first_has_ended(self, group):
        env = {**os.environ, "CLASS": "other", "LEARNERS": "1", "HUB_FOLDER": str(group.folder.parent), "YES": "1"}
        for what in ("hub", "end"):
            done = subprocess.run([*ACCOUNTS, what], env=env, capture_output=True, text=True)
            assert done.returncode == 1 and "A hub runs here already" in done.stderr

    def test_the_hub_listens_where_no_learner_can(self, group):
        assert all(
            port in accounts.ONLY_ROOT for port in json.loads((group.folder / "ports.json").read_text()).values()
        )
        steal = "import socket\ntry:\n    socket.create_server(('127.0.0.1', 599))\nexcept OSError as error:\n    print(error)"
        assert "Permission denied" in group.cell(FIRST, steal)

    def test_what_kills_and_stops_all_it_can_reach_is_ended(self, group):
        one = accounts.accounts()[SECOND]
        for signal in ("SIGKILL", "SIGSTOP"):
            code = f"import os, signal\nwhile True:\n    os.kill(-1, signal.{signal})"
            subprocess.Popen(["/usr/bin/python3", "-c", code], user=one.pw_uid, group=one.pw_gid, extra_groups=[])
        accounts.end_processes(SECOND)
        for _ in range(50):  # one that is killed takes a moment to go
            if not [line for line in left() if line.startswith(SECOND)]:
                return
            time.sleep(0.1)
        raise AssertionError(left())

    def test_what_runs_as_a_learner_has_not_the_terminal_of_root(self, group):
        session = accounts.run_as(FIRST, "sh", "-c", "ps -o sid= -p $$; ls -l /proc/self/fd/0").stdout
        assert int(session.split()[0]) != os.getsid(0) and "/dev/null" in session
        assert "NoNewPrivs:\t1" in group.cell(FIRST, "print(open('/proc/self/status').read())")

    def test_when_the_hub_ends_nothing_of_the_class_goes_on(self, group):
        """The last test, as it ends the hub; what its folder and accounts leave is looked at after it."""
        group.kernel(FIRST).send("while True: pass")  # a kernel that doesn't respond
        group.process.terminate()
        assert group.process.wait(60) == 0
        assert left() == []


class TestTheBoard:
    def test_it_shows_what_is_solved_what_fails_when_the_last_check_was_and_who_raises_a_hand(self):
        checks = [("ledger", False, 40), ("ledger", True, 30), ("mail", False, 9), ("mail", False, 2)]
        seen = board.progress("\n".join(line(*check) for check in checks), NOW)
        assert (seen["solved"], seen["failed"]) == ({"ledger"}, {"ledger": 1, "mail": 2})
        assert (seen["check"], seen["hand"], seen["stuck"]) == (2, None, False)
        up, down = json.dumps({"hand": True, "at": NOW - 120}), json.dumps({"hand": False, "at": NOW - 60})
        assert board.progress(up, NOW)["hand"] == 2 and board.progress(f"{up}\n{down}", NOW)["hand"] is None

    @pytest.mark.parametrize(
        "text",
        [
            "{",
            "[" * 5000,
            "<img src=x onerror=alert()>",
            '{"exercise": ["ledger"], "solved": true, "at": 1}',
            '{"exercise": "of no notebook", "solved": true, "at": 1}',
            '{"exercise": "ledger", "solved": true, "at": NaN}',
            '{"hand": "<b>", "at": 1}',
        ],
    )
    def test_a_line_that_no_check_wrote_is_passed_over(self, text):
        seen = board.progress(f"{text}\n{line('ledger', True, 1)}", NOW)
        assert (seen["solved"], seen["hand"]) == ({"ledger"}, None)

    def test_a_file_that_is_a_link_a_pipe_or_huge_is_not_read(self, tmp_path):
        (tmp_path / "work").mkdir()
        record = tmp_path / "work" / ".progress.jsonl"
        assert board.read_record(tmp_path) == ""
        record.symlink_to("/etc/passwd")
        assert board.read_record(tmp_path) == ""
        record.unlink()
        os.mkfifo(record)
        assert board.read_record(tmp_path) == ""
        record.unlink()
        record.mkdir()
        assert board.read_record(tmp_path) == ""
        record.rmdir()
        with record.open("wb") as file:
            file.truncate(5 * 10**9)
        assert board.read_record(tmp_path) == ""
        record.write_bytes(b"\xff\xfe" + line("ledger", True, 1).encode())
        assert "ledger" in board.read_record(tmp_path)

    def test_its_page_has_a_column_for_each_exercise_and_shows_names_as_text(self):
        learners = {"<b>": {**board.progress(line("topics", True, 1), NOW), "came": True}}
        page = board.PAGE.render(exercises=EXERCISES, learners=learners, clock="")
        numbered = [notebook for notebook, _ in EXERCISES.values() if notebook[0].isdigit()]
        assert page.count('<th scope="col" title=') == len(numbered) and "&lt;b&gt;" in page and page.count(">✓<") == 1


class TestAccounts:
    @pytest.mark.parametrize(
        ("settings", "said"),
        [
            ({}, "How many learners?"),
            ({"LEARNERS": "many"}, "How many learners?"),
            ({"LEARNERS": "100"}, "From 1 to 99"),
            ({"LEARNERS": "2", "CLASS": "../up"}, "take at most 16 small letters"),
            ({"LEARNERS": "2", "TLS_KEY": "/etc/hostname"}, "have to be the files of a key and its certificate"),
            ({"LEARNERS": "2", "PORT": "http"}, "it is a number"),
            ({"LEARNERS": "2", "ADDRESS": "the hub"}, "it is what learners type"),
        ],
    )
    def test_what_is_missing_is_said_before_a_class_begins(self, tmp_path, settings, said):
        env = {**os.environ, "CLASS": "none", "HUB_FOLDER": str(tmp_path), **settings}
        done = subprocess.run([*ACCOUNTS, "hub"], env=env, capture_output=True, text=True)
        assert done.returncode == 1 and (said in done.stderr or "needs Linux and root" in done.stderr)


def test_it_knows_whose_process_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert accounts.listener(server.getsockname()[1]) == os.getuid()
    assert accounts.listener(1) is None


def left() -> list[str]:
    """Return what still runs of the class; not what has ended and waits for its parent to notice."""
    shown = subprocess.run(["ps", "-eo", "user:32,args"], capture_output=True, text=True).stdout.splitlines()
    return [one for one in shown if CLASS in one and "<defunct>" not in one]


def line(exercise: str, solved: bool, minutes_ago: float) -> str:
    return json.dumps({"exercise": exercise, "solved": solved, "at": NOW - 60 * minutes_ago, "kernel": 1.0})
