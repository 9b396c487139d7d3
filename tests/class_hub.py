"""What the tests of the hub share: a class in a folder that learners' accounts can reach, and its learners."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "workshop" / "hub"
PROXY = ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy"
aiohttp = pytest.importorskip("aiohttp", reason="the hub is not installed: `make test` does it")
pytest.importorskip("jupyterhub", reason="the hub is not installed: `make test` does it")
import walls  # noqa: E402
from class_load import ClassError, Hub, Kernel, Learner, hub  # noqa: E402
from class_place import Place  # noqa: E402

PASSWORD, WORD = "the password of a class", "my own word"
FIRST, SECOND = "learner-1", "learner-2"
needs_the_proxy = pytest.mark.skipif(
    not (PROXY.exists() and shutil.which("node")),
    reason="the hub's proxy needs Node.js and npm",
)
needs_root = pytest.mark.skipif(not walls.possible(), reason="walls between learners need root, and this isn't")
T = TypeVar("T")


@contextmanager
def class_folder(megabytes: int = 0) -> Iterator[Place]:
    """An empty folder for a class: pytest's own are closed to other accounts. It is a small disk if it can be one."""
    folder = Path(tempfile.mkdtemp(prefix="class-"))
    disk = ["-t", "tmpfs", "-o", f"size={megabytes}m", "class", str(folder)]
    mounted = megabytes and not subprocess.run(["mount", *disk], capture_output=True).returncode
    try:
        place = Place(folder).make()
        if walls.possible():
            walls.check(folder)
            walls.python_for_all(place.python)
        yield place
    except walls.WallError as error:
        pytest.skip(str(error))
    finally:
        if walls.possible():
            walls.remove_accounts(folder / "learners")
        if mounted:
            subprocess.run(["umount", "--lazy", folder], check=True)
        shutil.rmtree(folder, ignore_errors=True)


class Class:
    """A hub at work, and the browsers of its learners: each stays logged in, with one notebook open."""

    def __init__(self, running: Hub, place: Place) -> None:
        self.hub, self.place = running, place
        self.loop = asyncio.new_event_loop()  # of its own: a browser in a test has one in its thread
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._sessions: list[Any] = []
        self._learners: dict[str, Learner] = {}
        self._kernels: dict[str, Kernel] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def log_in(self, name: str, word: str = WORD, password: str = PASSWORD, tls=None) -> Learner:
        """A new browser. Raises ClassError if the hub says no."""
        return self.do(self._log_in(name, word, password, tls))

    def learner(self, name: str) -> Learner:
        """Somebody who has logged in, and whose server runs."""
        if name not in self._learners:
            self._learners[name] = self.log_in(name)
        self.do(self._learners[name].start())
        return self._learners[name]

    def cell(self, name: str, code: str) -> str:
        """What a cell prints in a learner's notebook."""
        return self.do(self.kernel(name).run(code)).strip()

    def kernel(self, name: str) -> Kernel:
        learner = self.learner(name)
        if name not in self._kernels:
            _, self._kernels[name] = self.do(learner.open("00_start_here"))
        return self._kernels[name]

    def stop(self, name: str) -> None:
        """Stop a learner's server; returns when it has ended."""
        self._kernels.pop(name, None)
        self.do(self._learners[name].stop())

    def close(self) -> None:
        for session in self._sessions:
            self.do(session.close())
        self.loop.call_soon_threadsafe(self.loop.stop)

    async def _log_in(self, name: str, word: str, password: str, tls) -> Learner:
        session = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),  # cookies of an address that is a number
            connector=aiohttp.TCPConnector(ssl=tls or True),
        )
        self._sessions.append(session)
        learner = Learner(self.hub.address, name, word, session)
        await learner.log_in(password)
        return learner


@contextmanager
def running(size: int = 3, megabytes: int = 0, scheme: str = "http") -> Iterator[Class]:
    with class_folder(megabytes) as place, hub(place.folder, PASSWORD, size, scheme) as one:
        group = Class(one, place)
        try:
            yield group
        finally:
            group.close()


__all__ = ["ClassError", "Learner"]
