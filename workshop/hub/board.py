"""The teacher's board, a service of the hub: who is where, who is stuck, who raises a hand; and what helps.

It reads the learners' own progress files. Those are written by learners, so they may be anything: what isn't a plain,
small file of the learner's own is not read, and what is read is shown as text.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import secrets
import stat
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from class_login import TEACHER, forget_word
from class_place import Place
from class_push import change_files, push
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.httpclient import AsyncHTTPClient, HTTPClientError
from tornado.web import Application, HTTPError, RequestHandler, authenticated

HERE = Path(__file__).resolve().parent
RECORD = HERE.parents[1] / "exercises" / "learner_record.py"
PREFIX = os.environ.get("JUPYTERHUB_SERVICE_PREFIX", "/")
MOST_BYTES = 200_000  # of a progress file: some 2,000 checks
PLACE = Place.from_environment()
HELPED = PLACE.hub / "helped.json"


def exercises() -> dict[str, tuple[str, str]]:
    """EXERCISES of exercises/learner_record.py; importing it would load all that the notebooks import."""
    for part in ast.parse(RECORD.read_text(encoding="utf-8")).body:
        if isinstance(part, ast.Assign) and part.targets[0].id == "EXERCISES":  # type: ignore[attr-defined]
            return ast.literal_eval(part.value)
    raise ValueError(f"{RECORD} has no EXERCISES")


def columns(known: dict[str, tuple[str, str]]) -> list[tuple[str, str, str]]:
    """For each exercise its name, the number of its notebook, and what is to be done."""
    numbers = [notebook[:2] if notebook[0].isdigit() else "+" for notebook, _ in known.values()]
    labels = [
        number + "bcdefg"[at - first - 1] if at > (first := numbers.index(number)) else number
        for at, number in enumerate(numbers)
    ]
    return [
        (name, label, f"{notebook}: {task}")
        for (name, (notebook, task)), label in zip(known.items(), labels, strict=True)
    ]


EXERCISES = exercises()
COLUMNS = columns(EXERCISES)


def read_record(home: Path) -> tuple[str, str]:
    """The text of a learner's progress file, and what is odd about it. Follows no link, and waits for nobody."""
    try:
        handle = os.open(home / ".progress.jsonl", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        return "", ""
    except OSError:
        return "", "the progress file is a link, or can't be read"
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != home.stat().st_uid:
            return "", "the progress file is no file of theirs"
        if found.st_size > MOST_BYTES:
            return "", f"the progress file is too large: {found.st_size / 1e6:,.1f} MB"
        return os.read(handle, MOST_BYTES).decode(errors="replace"), ""
    finally:
        os.close(handle)


def lines_of(text: str) -> Iterator[dict[str, Any]]:
    """The lines that are what a check or a raised hand writes; all others are passed over."""
    now = time.time()
    for line in text.splitlines():
        try:
            said = json.loads(line)
            at = float(said["at"])
            if not 0 < at <= now + 60:
                continue
            if said.get("exercise") in EXERCISES and isinstance(said.get("solved"), bool):
                yield {"exercise": said["exercise"], "solved": said["solved"], "at": at}
            elif isinstance(said.get("hand"), bool):
                yield {"hand": said["hand"], "at": at}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue


def progress(text: str, started: float | None, helped: float = 0.0) -> dict[str, Any]:
    """What the board shows of a learner: exercises, the current one, minutes without progress, and the hand."""
    solved: dict[str, float] = {}
    failed: dict[str, int] = {}
    current, hand = "", 0.0
    for line in lines_of(text):
        if "hand" in line:
            hand = line["at"] if line["hand"] else 0.0
            continue
        current = line["exercise"]
        if line["solved"]:
            solved.setdefault(current, line["at"])
        elif current not in solved:
            failed[current] = failed.get(current, 0) + 1
    last = max([*solved.values(), started or 0.0])
    now = time.time()
    return {
        "solved": list(solved),
        "failed": failed,
        "current": current if current not in solved else "",
        "idle": int((now - last) // 60) if started and last else None,
        "hand": int((now - hand) // 60) if hand > helped else None,
    }


class Cached:
    """What `progress` was made of, read again only when the file has changed: 50 learners are asked about every 3 s."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int, int], tuple[str, str]]] = {}

    def read(self, name: str) -> tuple[str, str]:
        home = PLACE.learners / name
        try:
            found = (home / ".progress.jsonl").lstat()
            mark = (found.st_ino, found.st_size, found.st_mtime_ns)
        except OSError:
            return "", ""
        if self._known.get(name, (None,))[0] != mark:
            self._known[name] = (mark, read_record(home))
        return self._known[name][1]


RECORDS = Cached()


async def hub(method: str, path: str) -> Any:
    """Ask the hub's API, with the rights of this service."""
    answer = await AsyncHTTPClient().fetch(
        os.environ["JUPYTERHUB_API_URL"] + path,
        method=method,
        headers={"Authorization": f"token {os.environ['JUPYTERHUB_API_TOKEN']}"},
        allow_nonstandard_methods=True,
        request_timeout=200,
    )
    return json.loads(answer.body or "null")


async def learners() -> list[dict[str, Any]]:
    """All who have come in, by name, with the state of their servers."""
    users = await hub("GET", "/users?limit=200")
    return sorted((one for one in users if one["name"] != TEACHER), key=lambda one: one["name"])


def row(user: dict[str, Any], helped: dict[str, float]) -> dict[str, Any]:
    server = (user.get("servers") or {}).get("")
    state = "stopped" if not server else "running" if server["ready"] else "on its way"
    started = datetime.fromisoformat(server["started"]).timestamp() if server else None
    text, odd = RECORDS.read(user["name"])
    seen = progress(text, started, helped.get(user["name"], 0.0))
    return {"name": user["name"], "server": state, "odd": odd, **seen}


class ForTheTeacher(HubOAuthenticated, RequestHandler):
    """Nobody else gets in: the hub lets only admins reach this service, and we look again."""

    def prepare(self):
        self.nonce = secrets.token_urlsafe(16)
        self.set_header(
            "Content-Security-Policy",
            f"default-src 'none'; script-src 'nonce-{self.nonce}'; style-src 'nonce-{self.nonce}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        )
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def get_current_user(self):
        user = super().get_current_user()
        if user and not user.get("admin"):
            raise HTTPError(403, "The board is for the teacher.")
        return user


class Board(ForTheTeacher):
    @authenticated
    def get(self):
        page = (HERE / "templates" / "board.html").read_text(encoding="utf-8")
        token = self.xsrf_token.decode() if isinstance(self.xsrf_token, bytes) else self.xsrf_token
        self.write(page.replace("NONCE", self.nonce).replace('"XSRF"', json.dumps(quote(token))))


class Class(ForTheTeacher):
    @authenticated
    async def get(self):
        helped = _helped()
        self.write(
            {
                "exercises": COLUMNS,
                "learners": [row(user, helped) for user in await learners()],
                "released": PLACE.solutions.exists(),
            }
        )


class Act(ForTheTeacher):
    """One of the buttons."""

    @authenticated
    async def post(self):
        what, name = self.get_body_argument("what"), self.get_body_argument("name", "")
        if what == "solutions":
            PLACE.solutions.touch()
            wrong = [name for name, trouble in (await asyncio.to_thread(push, PLACE)).items() if trouble]
            self.finish({"said": f"The solutions are out{', but not for ' + ', '.join(wrong) if wrong else ''}."})
            return
        if name not in [user["name"] for user in await learners()]:
            raise HTTPError(404, "Nobody of that name.")
        try:
            self.finish({"said": await self._help(what, name)})
        except HTTPClientError as error:
            raise HTTPError(502, f"The hub said {error.code}: wait a moment, and try again.") from None

    async def _help(self, what: str, name: str) -> str:
        if what in ("start", "stop"):
            await hub("POST" if what == "start" else "DELETE", f"/users/{quote(name)}/server")
            return f"The server of {name} will {what}."
        if what == "fresh":
            trouble = await asyncio.to_thread(change_files, "fresh", PLACE, name)
            return trouble or f"{name} has the notebooks anew; what was there stands beside them."
        if what == "forget":
            forget_word(PLACE.words, name)
            return f"{name} chooses a new word when they come in next."
        if what == "helped":
            HELPED.write_text(json.dumps({**_helped(), name: time.time()}))
            return f"The hand of {name} is down."
        raise HTTPError(400, "There is no such button.")


def _helped() -> dict[str, float]:
    try:
        return json.loads(HELPED.read_text())
    except (OSError, ValueError):
        return {}


async def main() -> None:
    app = Application(
        [
            (PREFIX, Board),
            (PREFIX + "class", Class),
            (PREFIX + "act", Act),
            (PREFIX + "oauth_callback", HubOAuthCallbackHandler),
        ],
        cookie_secret=secrets.token_bytes(32),
        xsrf_cookies=True,
    )
    at = urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    app.listen(at.port, at.hostname)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
