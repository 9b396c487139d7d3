"""`make class LEARNERS=20`: measure a whole class at once on this machine, as its browsers would do it.

Each learner logs in over HTTP, has a server started, runs three notebooks one after the other, and stops; all do so at the
same time. Prints a table and whether the machine is large enough, writes build/class.json, and ends with 1 if it isn't.
The hub and the accounts are its own, called "measured".
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import accounts
import psutil
import requests
import websocket

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
NOTEBOOKS = ("00_start_here", "01_create_the_secret", "02_retrieve_it_naively")
A_LEARNER_GB = 0.8  # with three notebooks open
SECONDS = 600  # a machine that is too small should show in the figures, not as a failure


class ClassError(Exception):
    """What a learner would have met."""


class Kernel:
    """A kernel of a learner's server, spoken to as JupyterLab does: over the server's WebSocket."""

    def __init__(self, learner: Learner, notebook: str) -> None:
        path = f"work/{notebook}.ipynb"
        wanted = {"path": path, "name": path, "type": "notebook", "kernel": {"name": "python3"}}
        self.id = learner.api("POST", f"user/{learner.name}/api/sessions", wanted)["kernel"]["id"]
        self.learner, address = learner, learner.address.replace("http", "ws", 1)
        url = f"{address}/user/{learner.name}/api/kernels/{self.id}/channels"
        self.channel = websocket.create_connection(url, header=learner.rights, timeout=SECONDS)

    def send(self, code: str) -> str:
        """Send a cell, and return the id of the message."""
        header = {"msg_id": uuid4().hex, "msg_type": "execute_request", "version": "5.3", "session": uuid4().hex}
        header |= {"username": "", "date": ""}
        content = {"code": code, "silent": False, "store_history": True, "stop_on_error": True}
        message = {"channel": "shell", "header": header, "content": content, "parent_header": {}, "metadata": {}}
        self.channel.send(json.dumps(message))
        return header["msg_id"]

    def run(self, code: str) -> str:
        """Run a cell, and return what it printed. Raises ClassError for an error in it."""
        request, printed, ends = self.send(code), "", set()
        while ends != {"execute_reply", "idle"}:  # they come on two channels, in any order
            came = json.loads(self.channel.recv())
            kind, said = came["msg_type"], came["content"]
            if came["parent_header"].get("msg_id") != request:
                continue
            if kind == "execute_reply" and said["status"] != "ok":
                raise ClassError(f"{said.get('ename')}: {said.get('evalue')}")
            if kind == "execute_reply" or said.get("execution_state") == "idle":
                ends.add("idle" if kind == "status" else kind)
            printed += said.get("text", "") if kind == "stream" else ""
        return printed.strip()

    def end(self) -> None:
        self.channel.close()
        self.learner.api("DELETE", f"user/{self.learner.name}/api/kernels/{self.id}")


class Learner:
    """One learner's browser, logged in at the hub's address. Raises ClassError if the hub refuses."""

    def __init__(self, address: str, name: str, password: str) -> None:
        self.address, self.name, self.browser = address, name, requests.Session()
        login = f"{address}/hub/login"
        self.browser.get(login, timeout=SECONDS)
        form = {"username": name, "password": password, "_xsrf": self.browser.cookies.get("_xsrf", path="/hub/")}
        if self.browser.post(login, data=form, allow_redirects=False, timeout=SECONDS).status_code != 302:
            raise ClassError(f"{name} may not come in")
        page = self.browser.get(f"{address}/hub/token", timeout=SECONDS).text
        headers = {
            "X-XSRFToken": page.partition('xsrf_token: "')[2].partition('"')[0],
            "Referer": f"{address}/hub/token",
        }
        made = self.browser.post(f"{address}/hub/api/users/{name}/tokens", headers=headers, json={}, timeout=SECONDS)
        self.rights = {"Authorization": f"Bearer {_good(made)['token']}"}

    def api(self, method: str, path: str, body: dict | None = None) -> dict:
        """Call the API of the hub (hub/api/…) or of a server (user/NAME/api/…). Raises ClassError for an error."""
        # Without the browser's cookies: then a token alone is enough.
        called = requests.request(method, f"{self.address}/{path}", headers=self.rights, json=body, timeout=SECONDS)
        return _good(called)

    def start(self) -> None:
        """Have a server started, and wait until it is ready."""
        self.api("POST", f"hub/api/users/{self.name}/server")
        self._wait_until(lambda servers: servers.get("", {}).get("ready"), "did not start")

    def stop(self) -> None:
        self.api("DELETE", f"hub/api/users/{self.name}/server")
        self._wait_until(lambda servers: not servers, "did not stop")

    def _wait_until(self, done, otherwise: str) -> None:
        for _ in range(SECONDS):
            user = self.api("GET", f"hub/api/users/{self.name}")
            if done(user["servers"]):
                return
            if not user["servers"] and "start" in otherwise:
                break
            time.sleep(1)
        raise ClassError(f"The server of {self.name} {otherwise}")


def _good(called: requests.Response) -> dict:
    if called.status_code >= 400:
        raise ClassError(f"{called.status_code} for {called.url}: {called.text[:200]}")
    return called.json() if called.content else {}


@contextmanager
def hub(group: str, learners: int, folder: Path) -> Iterator[tuple[str, dict[str, str], subprocess.Popen]]:
    """Run a hub on free ports of this machine, with accounts of its own: its address, all passwords, and its process."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {"CLASS": group, "LEARNERS": str(learners), "HUB_FOLDER": str(folder), "PORT": str(port), "YES": "1"}
    environment = {**os.environ, **settings}
    command = [sys.executable, str(HERE / "accounts.py")]
    log = folder / "hub.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [*command, "hub", "--ip=127.0.0.1"], env=environment, stdout=file, stderr=file, start_new_session=True
        )
    try:
        for _ in range(10 * SECONDS):
            with suppress(requests.ConnectionError):
                if requests.get(f"http://127.0.0.1:{port}/hub/health", timeout=SECONDS).ok:
                    break
            if process.poll() is not None:
                raise ClassError(log.read_text(errors="replace")[-2000:])
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}", json.loads((folder / group / "passwords.json").read_text()), process
    finally:
        process.terminate()
        process.wait(60)
        subprocess.run([*command, "end"], env=environment, stdout=subprocess.DEVNULL)


def take_part(address: str, name: str, password: str) -> tuple[float, float, str]:
    """Return the seconds until the server was ready, the megabytes at most, and what went wrong."""
    began, start_s, megabytes = time.monotonic(), 0.0, 0.0
    try:
        learner = Learner(address, name, password)
        learner.start()
        start_s = time.monotonic() - began
        for notebook in NOTEBOOKS:
            page = learner.api("GET", f"user/{name}/api/contents/work/{notebook}.ipynb")["content"]
            kernel = Kernel(learner, notebook)
            for cell in page["cells"]:
                if cell["cell_type"] == "code":
                    kernel.run("".join(cell["source"]))
            megabytes = max(megabytes, megabytes_of(name))
            kernel.end()
        learner.stop()
    except (ClassError, OSError, websocket.WebSocketException) as error:
        return start_s, megabytes, f"{type(error).__name__}: {error}"
    return start_s, megabytes, ""


def megabytes_of(name: str) -> float:
    """Return the memory of all that runs under an account; pages that processes share are divided among them (PSS)."""
    used = 0
    for process in psutil.process_iter(["username"]):
        if process.info["username"] == name:
            try:
                used += process.memory_full_info().pss
            except psutil.NoSuchProcess:
                continue
    return used / 1e6


def main(learners: str) -> int:
    accounts.need_root()
    number = accounts.how_many(learners)
    with tempfile.TemporaryDirectory() as folder:
        with hub("measured", number, Path(folder)) as (address, passwords, _):
            names = [name for name in passwords if not name.endswith("teacher")]
            began, _ = time.monotonic(), psutil.cpu_percent()
            with ThreadPoolExecutor(len(names)) as all_at_once:
                lessons = list(all_at_once.map(lambda name: take_part(address, name, passwords[name]), names))
            seconds, busy = time.monotonic() - began, psutil.cpu_percent()
    starts, memory = sorted(one[0] for one in lessons if one[0]), [one[1] for one in lessons if one[1]]
    failed = {name: trouble for name, (_, _, trouble) in zip(names, lessons, strict=True) if trouble}
    figures = {
        "learners": len(names),
        "finished": len(names) - len(failed),
        "seconds until the server was ready, median": round(statistics.median(starts or [0]), 1),
        "seconds until the server was ready, slowest": round(max(starts, default=0), 1),
        "MB for a learner with one notebook open, median": round(statistics.median(memory or [0]), 1),
        "MB for a learner with one notebook open, most": round(max(memory, default=0), 1),
        "seconds for all of it": round(seconds, 1),
        "% of all processors": round(busy),
        "processors": os.cpu_count(),
    }
    (ROOT / "build").mkdir(exist_ok=True)
    (ROOT / "build" / "class.json").write_text(json.dumps(figures, indent=1) + "\n")
    print("| figure | value |\n|---|---|", *(f"| {name} | {value:,} |" for name, value in figures.items()), sep="\n")
    for name, trouble in failed.items():
        print(f"{name}: {trouble}", file=sys.stderr)
    needed, there = 1 + len(names) * A_LEARNER_GB, psutil.virtual_memory().total / 1e9
    enough = not failed and needed <= there
    print(
        f"{'Large enough' if enough else 'NOT large enough'} for {len(names)}: {figures['finished']} of {len(names)} finished, and "
        f"three open notebooks each need {needed:.0f} GB of {there:.0f} GB. Slow starts? Let them log in row by row."
    )
    return 0 if enough else 1


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1]))
    except KeyboardInterrupt:  # the hub and its accounts are gone by now
        sys.exit(130)
