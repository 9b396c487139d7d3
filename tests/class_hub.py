"""What the tests of the hub share: a class in a folder that learners' accounts can reach, and its learners."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
HUB = ROOT / "workshop" / "hub"
PROXY = ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy"
aiohttp = pytest.importorskip("aiohttp", reason="the hub is not installed: `make test` does it")
pytest.importorskip("jupyterhub", reason="the hub is not installed: `make test` does it")
import walls  # noqa: E402
from class_load import Hub, Kernel, Learner, hub  # noqa: E402
from class_place import Place  # noqa: E402

PASSWORD, WORD = "the password of a class", "my own word"
needs_the_proxy = pytest.mark.skipif(
    not (PROXY.exists() and shutil.which("node")), reason="the hub's proxy needs Node.js and npm"
)
needs_root = pytest.mark.skipif(not walls.possible(), reason="isolation of learners needs root, and this isn't")


@contextmanager
def class_folder() -> Iterator[Place]:
    """An empty folder for a class: pytest's own are closed to other accounts."""
    folder = Path(tempfile.mkdtemp(prefix="class-"))
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
        shutil.rmtree(folder, ignore_errors=True)


class Class:
    """A running hub, and the browsers of its learners: each stays logged in, with one notebook open."""

    def __init__(self, running: Hub, place: Place) -> None:
        self.hub, self.place = running, place
        self.loop = asyncio.new_event_loop()  # its own: a browser in a test has one in this thread
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self._sessions: list[Any] = []
        self._kernels: dict[str, Kernel] = {}

    def do(self, work: Coroutine) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def log_in(self, name: str, word: str = WORD, password: str = PASSWORD) -> Learner:
        """Log in with a new browser. Raises ClassError if the hub refuses."""

        async def log_in() -> Learner:
            jar = aiohttp.CookieJar(unsafe=True)  # cookies of an address that is a number
            self._sessions.append(session := aiohttp.ClientSession(cookie_jar=jar))
            learner = Learner(self.hub.address, name, word, session)
            await learner.log_in(password)
            return learner

        return self.do(log_in())

    def kernel(self, name: str) -> Kernel:
        """Return a kernel of this learner, who logs in and starts a server if need be."""
        if name not in self._kernels:
            learner = self.log_in(name)
            self.do(learner.start())
            _, self._kernels[name] = self.do(learner.open("00_start_here"))
        return self._kernels[name]

    def learner(self, name: str) -> Learner:
        return self.kernel(name).learner

    def cell(self, name: str, code: str) -> str:
        """Return what a cell prints in a learner's notebook."""
        return self.do(self.kernel(name).run(code)).strip()

    def close(self) -> None:
        for session in self._sessions:
            self.do(session.close())
        self.loop.call_soon_threadsafe(self.loop.stop)


@contextmanager
def running(size: int = 3) -> Iterator[Class]:
    with class_folder() as place, hub(place.folder, PASSWORD, size) as one:
        group = Class(one, place)
        try:
            yield group
        finally:
            group.close()
