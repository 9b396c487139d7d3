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
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import aiohttp
import psutil

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CONFIG = HERE / "jupyterhub_config.py"
NOTEBOOKS = ["00_start_here", "01_create_the_secret", "03_retrieve_it_naively"]
# A machine that is too small should show in the figures, not as a failure.
START_SECONDS, CELL_SECONDS = 600, 300


class ClassError(Exception):
    """What a learner would have met."""


@contextmanager
def hub(folder: Path, password: str, size: int = 40) -> Iterator[str]:
    """A hub on a free port of this machine, with its data in `folder`; its address. Raises ClassError with its log."""
    address = f"http://127.0.0.1:{_free_port()}"
    environment = {
        **os.environ,
        "CLASS_PASSWORD": password,
        "CLASS_FOLDER": str(folder),
        "CLASS_ADDRESS": address,
        "CLASS_SIZE": str(size),
    }
    with (folder / "hub.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterhub", "-f", CONFIG],
            cwd=folder,
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_until_it_answers(process, address, folder / "hub.log")
        yield address
    finally:
        process.terminate()  # it stops the learners' servers and its proxy
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _wait_until_it_answers(process: subprocess.Popen, address: str, log: Path) -> None:
    host, port = address.removeprefix("http://").split(":")
    for _ in range(600):
        if process.poll() is not None:
            break
        with socket.socket() as probe:
            if not probe.connect_ex((host, int(port))) and "is now running" in log.read_text():
                return
        time.sleep(0.1)
    raise ClassError(log.read_text()[-2000:])


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
            async with self.session.post(url, headers=self._bearer) as answer:
                if answer.status == 201:
                    return
                if answer.status not in (202, 429, 400):  # 400: it is on its way already
                    await _good(answer)
            if await self.is_ready():
                return
            await asyncio.sleep(1)
        raise ClassError(f"{self.name}'s server did not start")

    async def is_ready(self) -> bool:
        url = f"{self.address}/hub/api/users/{self.name}"
        async with self.session.get(url, headers=self._bearer) as answer:
            return (await _good(answer))["servers"].get("", {}).get("ready", False)

    async def stop(self) -> None:
        url = f"{self.address}/hub/api/users/{self.name}/server"
        async with self.session.delete(url, headers=self._bearer):
            pass

    async def api(
        self, method: str, path: str, body: dict | None = None, of: str | None = None
    ) -> dict:
        """Ask the API of one's own server, or of that of another; raises ClassError for all answers but good ones."""
        url = f"{self.address}/user/{of or self.name}/api/{path}"
        async with self.session.request(method, url, headers=self._bearer, json=body) as answer:
            return await _good(answer)

    @asynccontextmanager
    async def opened(self, notebook: str) -> AsyncIterator[tuple[list[str], Kernel]]:
        """The code cells of a notebook, and a kernel for it that ends afterwards."""
        path = f"notebooks/{notebook}.ipynb"
        content = (await self.api("GET", f"contents/{path}"))["content"]
        cells = [
            "".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"
        ]
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        opened = await self.api("POST", "sessions", wanted)
        try:
            async with self.session.ws_connect(
                f"{self.address}/user/{self.name}/api/kernels/{opened['kernel']['id']}/channels",
                headers=self._bearer,
                max_msg_size=0,
            ) as channel:
                yield cells, Kernel(channel)
        finally:
            await self.api("DELETE", f"sessions/{opened['id']}")

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@dataclass
class Kernel:
    """A kernel, spoken to as JupyterLab does."""

    channel: aiohttp.ClientWebSocketResponse

    async def run(self, code: str) -> str:
        """Run a cell; what it printed. Raises ClassError for an error in it."""
        request = await self._send(
            "execute_request",
            {"code": code, "silent": False, "store_history": True, "stop_on_error": True},
        )
        printed, ends = "", set()
        async with asyncio.timeout(CELL_SECONDS):
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
        await self.channel.send_json({**message, "parent_header": {}, "metadata": {}})
        return header["msg_id"]

    async def _next(self, msg_id: str) -> dict:
        """The next message that answers this one."""
        while True:
            answer = await self.channel.receive_json()
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
                async with learner.opened(notebook) as (cells, kernel):
                    for cell in cells:
                        await kernel.run(cell)
                    used = await asyncio.to_thread(megabytes_of, name)
                    lesson.megabytes = max(lesson.megabytes, used)
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


async def hold_class(address: str, password: str, learners: int) -> list[Lesson]:
    return await asyncio.gather(
        *(take_part(address, password, f"learner-{number}") for number in range(1, learners + 1))
    )


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
    with tempfile.TemporaryDirectory() as folder, hub(Path(folder), password, learners) as address:
        began, _ = time.monotonic(), psutil.cpu_percent()
        lessons = asyncio.run(hold_class(address, password, learners))
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
