"""`make class LEARNERS=20`: a whole class at once, on this machine, as its browsers would do it.

Each learner logs in over HTTP, has a server started, opens and runs three notebooks one after the other, and stops.
All learners do so at the same time. Writes build/class.json and prints the table that README.md beside this file shows.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import aiohttp
import psutil
import walls

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOTEBOOKS = [
    next((ROOT / "notebooks").glob(f"??_{title}.ipynb")).stem
    for title in ("start_here", "create_the_secret", "retrieve_it_naively")
]
# A machine that is too small should show in the figures, not as a failure.
START_SECONDS, CELL_SECONDS, HUB_AWAY_SECONDS = 600, 300, 60
QUIET_SECONDS = 5


class ClassError(Exception):
    """What a learner would have met."""


class LostAnswer(Exception):
    """The line broke while an answer was on its way."""


@dataclass
class Hub:
    """A hub as a process. After `kill()` its learners' servers live on, and `start()` finds them."""

    folder: Path
    password: str
    size: int
    address: str
    process: subprocess.Popen | None = None

    def start(self) -> None:
        log = self.folder / "hub.log"
        log.touch(mode=0o600)
        seen = log.stat().st_size
        environment = {
            **os.environ,
            "CLASS_PASSWORD": self.password,
            "CLASS_FOLDER": str(self.folder),
            "CLASS_ADDRESS": self.address,
            "CLASS_SIZE": str(self.size),
            "CLASS_WITHOUT_WALLS": "we trust each other",  # where this isn't root
        }
        with log.open("a") as file:
            self.process = subprocess.Popen(
                [sys.executable, HERE / "class_app.py"],
                cwd=self.folder,
                env=environment,
                stdout=file,
                stderr=file,
            )
        _wait_until_it_answers(self.process, self.address, log, seen)

    def kill(self) -> None:
        """As a crash would."""
        if self.process:
            self.process.kill()
            self.process.wait()

    def end(self) -> None:
        """As Ctrl-C does: it stops the learners' servers and its proxy."""
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()


@contextmanager
def hub(folder: Path, password: str, size: int = 40, scheme: str = "http") -> Iterator[Hub]:
    """A hub on a free port of this machine, with its data in `folder`. Raises ClassError with its log."""
    one = Hub(folder, password, size, f"{scheme}://127.0.0.1:{_free_port()}")
    try:
        one.start()
        yield one
    finally:
        one.end()
        if walls.possible():
            walls.remove_accounts(folder.resolve() / "learners")


def _wait_until_it_answers(process: subprocess.Popen, address: str, log: Path, seen: int) -> None:
    at = urlsplit(address)
    for _ in range(10 * START_SECONDS):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            listens = not probe.connect_ex((at.hostname, at.port))
        if listens and "is now running" in log.read_text(errors="replace")[seen:]:
            return
        time.sleep(0.1)
    raise ClassError(log.read_text(errors="replace")[-2000:])


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass
class Learner:
    """One learner's browser: `name` with `word`, at the hub's `address`. `token` is for the hub's API, once logged in."""

    address: str
    name: str
    word: str
    session: aiohttp.ClientSession
    token: str = ""

    async def log_in(self, password: str) -> None:
        """Fill in the login form, then ask for a token of one's own. Raises ClassError if the hub says no."""
        login = f"{self.address}/hub/login"
        async with self.session.get(login) as page:
            form = {"_xsrf": _xsrf(await page.text())}
        form |= {"username": self.name, "password": password, "otp": self.word}
        async with self.session.post(login, data=form, allow_redirects=False) as answer:
            if answer.status != 302:
                raise ClassError(f"{self.name} may not come in: {answer.status}")
        async with self.session.get(f"{self.address}/hub/token") as page:
            headers = {"X-XSRFToken": _xsrf(await page.text())}
        url = f"{self.address}/hub/api/users/{self.name}/tokens"
        async with self.session.post(url, headers=headers, json={}) as answer:
            self.token = (await _good(answer))["token"]

    async def start(self) -> None:
        """Have the server started, trying again while the hub says that too many start, and wait until it is ready."""
        url = f"{self.address}/hub/api/users/{self.name}/server"
        for _ in range(START_SECONDS):
            try:
                async with self.session.post(url, headers=self._bearer) as answer:
                    if answer.status == 201:
                        return
                    # 400: it is on its way already; 404 and 503: the hub is away, and the proxy answers alone
                    if answer.status not in (202, 429, 400, 404, 503):
                        await _good(answer)
                if await self.is_ready():
                    return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(1)
        raise ClassError(f"{self.name}'s server did not start")

    async def is_ready(self) -> bool:
        url = f"{self.address}/hub/api/users/{self.name}"
        async with self.session.get(url, headers=self._bearer) as answer:
            if "X-JupyterHub-Version" not in answer.headers:
                return False  # the hub is away
            return (await _good(answer))["servers"].get("", {}).get("ready", False)

    async def stop(self) -> None:
        """Have the server stopped; returns when it has ended."""
        url = f"{self.address}/hub/api/users/{self.name}/server"
        for _ in range(START_SECONDS):
            with suppress(aiohttp.ClientConnectionError):
                async with self.session.delete(url, headers=self._bearer) as answer:
                    if answer.status == 204:
                        return
            await asyncio.sleep(1)  # 202: it is stopping; all else: the hub is away
        raise ClassError(f"{self.name}'s server did not stop")

    async def api(self, method: str, path: str, body: dict | None = None, of: str | None = None) -> dict:
        """Ask the API of one's own server, or of that of another; raises ClassError for all answers but good ones."""
        url = f"{self.address}/user/{of or self.name}/api/{path}"
        for _ in range(HUB_AWAY_SECONDS):
            try:
                async with self.session.request(method, url, headers=self._bearer, json=body) as answer:
                    # What comes from the proxy alone, while the hub starts again, lacks this header.
                    if "X-JupyterHub-Version" in answer.headers and answer.status < 500:
                        return await _good(answer)
                    said = f"{answer.status} for {answer.url.path}"
            except aiohttp.ClientConnectionError as error:
                said = f"{type(error).__name__} for {path}"
            await asyncio.sleep(1)
        raise ClassError(f"{said}, for {HUB_AWAY_SECONDS} s")

    async def open(self, notebook: str) -> tuple[list[str], Kernel]:
        """The code cells of a notebook, and a kernel for it."""
        path = f"work/{notebook}.ipynb"
        content = (await self.api("GET", f"contents/{path}"))["content"]
        cells = ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        opened = await self.api("POST", "sessions", wanted)
        kernel = Kernel(self, opened["kernel"]["id"])
        await kernel.connect()
        return cells, kernel

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


class Kernel:
    """A kernel, spoken to as JupyterLab does: when the line breaks, it connects again under the same session."""

    def __init__(self, learner: Learner, kernel_id: str) -> None:
        self.learner, self.id, self.broke = learner, kernel_id, False
        self.address = (
            f"{learner.address}/user/{learner.name}/api/kernels/{kernel_id}/channels?session_id={uuid4().hex}"
        )
        self.channel: aiohttp.ClientWebSocketResponse | None = None

    async def connect(self) -> None:
        for _ in range(HUB_AWAY_SECONDS):
            try:
                async with asyncio.timeout(QUIET_SECONDS):  # a proxy that is ending answers nothing
                    self.channel = await self.learner.session.ws_connect(
                        self.address, headers=self.learner._bearer, max_msg_size=0
                    )
                return
            except (aiohttp.ClientError, TimeoutError) as error:
                said = f"{type(error).__name__}: {error}"
                await asyncio.sleep(1)
        raise ClassError(f"no way to the kernel: {said}")

    async def _connect_again(self) -> None:
        self.broke = True
        await self.connect()

    async def end(self) -> None:
        """Also where it has ended already: a crash of the hub takes the answer away, and what is asked again finds none."""
        await self.channel.close()
        try:
            await self.learner.api("DELETE", f"kernels/{self.id}")
        except ClassError as error:
            if "Kernel does not exist" not in str(error):
                raise

    async def run(self, code: str) -> str:
        """Run a cell; what it printed. Raises ClassError for an error in it.

        If the line broke and no answer came, a learner sees that the kernel is idle, and runs the cell again.
        """
        self.broke = False
        async with asyncio.timeout(CELL_SECONDS):
            while True:
                try:
                    return await self._run(code)
                except LostAnswer:
                    continue

    async def _run(self, code: str) -> str:
        request = await self._send(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "stop_on_error": True},
        )
        printed, ends = "", set()
        while ends != {"execute_reply", "idle"}:  # they come on two channels, in any order
            answer = await self._next(request)
            kind, said = answer["msg_type"], answer["content"]
            if kind == "execute_reply" and said["status"] != "ok":
                raise ClassError(f"{said.get('ename')}: {said.get('evalue')}")
            if kind == "execute_reply" or said.get("execution_state") == "idle":
                ends.add("idle" if kind == "status" else kind)
            printed += said.get("text", "") if kind == "stream" else ""
        return printed

    async def _send(self, kind: str, content: dict) -> str:
        header = {"msg_id": uuid4().hex, "msg_type": kind, "version": "5.3"}
        header |= {"session": uuid4().hex, "username": "", "date": ""}
        message = {"channel": "shell", "header": header, "content": content}
        while True:
            try:
                await self.channel.send_json({**message, "parent_header": {}, "metadata": {}})
                return header["msg_id"]
            except ConnectionError:
                await self._connect_again()

    async def _next(self, msg_id: str) -> dict:
        """The next message that answers this one. What came while the line was broken, the server has kept."""
        while True:
            try:
                came = await self.channel.receive(QUIET_SECONDS if self.broke else None)
            except TimeoutError:
                state = await self.learner.api("GET", f"kernels/{self.id}")
                if state["execution_state"] == "idle":
                    raise LostAnswer from None
                continue
            if came.type != aiohttp.WSMsgType.TEXT:
                await self._connect_again()
                continue
            answer = json.loads(came.data)
            if answer["parent_header"].get("msg_id") == msg_id:
                return answer


def _xsrf(page: str) -> str:
    return re.search(r'(?:name="_xsrf" value="|xsrf_token: ")([^"]+)"', page)[1]


async def _good(answer: aiohttp.ClientResponse) -> dict:
    if answer.status >= 400:
        raise ClassError(f"{answer.status} for {answer.url.path}: {(await answer.text())[:200]}")
    return json.loads(await answer.read() or "{}")


@dataclass
class Lesson:
    """What one learner met: seconds until the server was ready, megabytes at most, and what went wrong."""

    start_s: float = 0.0
    megabytes: float = 0.0
    trouble: str = ""


async def take_part(address: str, password: str, name: str) -> Lesson:
    lesson, began = Lesson(), time.monotonic()
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address that is a number
    try:
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            learner = Learner(address, name, word=uuid4().hex, session=session)
            await learner.log_in(password)
            await learner.start()
            lesson.start_s = time.monotonic() - began
            for notebook in NOTEBOOKS:
                cells, kernel = await learner.open(notebook)
                for cell in cells:
                    await kernel.run(cell)
                used = await asyncio.to_thread(megabytes_of, name)
                lesson.megabytes = max(lesson.megabytes, used)
                await kernel.end()
            await learner.stop()
    except (ClassError, aiohttp.ClientError, TimeoutError, KeyError, TypeError) as error:
        lesson.trouble = f"{type(error).__name__}: {error}"
    return lesson


def megabytes_of(name: str) -> float:
    """Memory of a learner's server, kernels and sandboxes; pages that processes share are divided among them (PSS)."""
    for process in psutil.process_iter(["cmdline"]):
        if "jupyterhub.singleuser" not in (process.info["cmdline"] or []):
            continue
        try:
            if process.environ().get("JUPYTERHUB_USER") != name:
                continue
            family = (process, *process.children(recursive=True))
            parts = [one.memory_full_info() for one in family]
            return sum(getattr(part, "pss", part.uss) for part in parts) / 1e6
        except psutil.NoSuchProcess:
            continue
    return 0.0


async def hold_class(address: str, password: str, learners: int, besides: Coroutine | None = None) -> list[Lesson]:
    """All learners at once; `besides` happens meanwhile."""
    happens = asyncio.create_task(besides) if besides else None
    lessons = await asyncio.gather(
        *(take_part(address, password, f"learner-{number}") for number in range(1, learners + 1))
    )
    if happens:
        await happens
    return lessons


async def crash(one: Hub, after: float) -> None:
    """Kill the hub after so many seconds, and start it again: `make class CRASH=90`."""
    await asyncio.sleep(after)
    one.kill()
    await asyncio.to_thread(one.start)


def summary(lessons: list[Lesson], seconds: float, busy: float) -> dict[str, float]:
    """The figures of build/class.json: times in seconds, memory in megabytes, `cpu_share` of all processors."""
    starts = sorted(lesson.start_s for lesson in lessons if lesson.start_s) or [0.0]
    used = [lesson.megabytes for lesson in lessons if lesson.megabytes] or [0.0]
    failed = sum(bool(lesson.trouble) for lesson in lessons)
    return {
        "learners": len(lessons),
        "finished": len(lessons) - failed,
        "failed": failed,
        "start_p50_s": round(statistics.median(starts), 1),
        "start_p95_s": round(starts[min(len(starts) - 1, int(0.95 * len(starts)))], 1),
        "mb_per_learner": round(statistics.median(used), 1),
        "mb_per_learner_most": round(max(used), 1),
        "lesson_s": round(seconds, 1),
        "cpu_share": round(busy, 2),
        "processors": os.cpu_count() or 1,
    }


def table(figures: dict[str, float]) -> str:
    """The figures as Markdown."""
    lines = ["| figure | value |", "|---|---|"]
    return "\n".join(lines + [f"| `{name}` | {value:,} |" for name, value in figures.items()])


def main() -> int:
    learners = int(os.environ.get("LEARNERS", "20"))
    password = uuid4().hex
    with (
        tempfile.TemporaryDirectory() as folder,
        hub(Path(folder), password, learners) as one,
    ):
        began, _ = time.monotonic(), psutil.cpu_percent()
        kill = crash(one, float(os.environ["CRASH"])) if os.environ.get("CRASH") else None
        lessons = asyncio.run(hold_class(one.address, password, learners, kill))
        figures = summary(lessons, time.monotonic() - began, psutil.cpu_percent() / 100)
        (ROOT / "build").mkdir(exist_ok=True)
        shutil.copy(Path(folder, "hub.log"), ROOT / "build" / "class.log")
    for number, lesson in enumerate(lessons, 1):
        if lesson.trouble:
            print(f"learner-{number}: {lesson.trouble} (see build/class.log)", file=sys.stderr)
    (ROOT / "build" / "class.json").write_text(json.dumps(figures, indent=1) + "\n")
    print(table(figures))
    return 1 if figures["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
