"""The teacher's board, a service of the hub: who has solved what, who is stuck, who raises a hand.

It reads the learners' own records. Learners write those, so they may be anything: what isn't a plain, small file of theirs
isn't read, and what is read is shown as text.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import secrets
import signal
import stat
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from accounts import TEACHER, accounts
from jinja2 import Environment, FileSystemLoader
from jupyterhub.services.auth import HubOAuthCallbackHandler, HubOAuthenticated
from tornado.web import Application, RequestHandler, authenticated

from exercises.learner_record import EXERCISES

PAGE = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True).get_template("board.html")
MOST_BYTES = 200_000  # of a record: some 2,000 checks
STUCK_CHECKS = 3  # that failed, of the exercise that was checked last


def read_record(home: Path) -> str:
    """Return the text of a learner's record, none if there is none that is theirs. Follows no link, and waits for nobody."""
    try:
        handle = os.open(home / "work" / ".progress.jsonl", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return ""
    try:
        found = os.fstat(handle)
        theirs = stat.S_ISREG(found.st_mode) and found.st_uid == home.stat().st_uid and found.st_size <= MOST_BYTES
        return os.read(handle, MOST_BYTES).decode(errors="replace") if theirs else ""
    finally:
        os.close(handle)


def progress(record: str, now: float) -> dict[str, Any]:
    """Return what a record says: `solved` and `failed` exercises, minutes since the last `check` and with a `hand` up, `stuck`."""
    solved: set[str] = set()
    failed: dict[str, int] = {}
    current, check, hand = "", 0.0, 0.0
    for line in record.splitlines():
        try:
            said = json.loads(line)
            at = float(said["at"])
            if not 0 < at <= now + 60:
                continue
            if isinstance(said.get("hand"), bool):
                hand = at if said["hand"] else 0.0
            elif said["exercise"] in EXERCISES and isinstance(said["solved"], bool):
                current, check = said["exercise"], at
                if said["solved"]:
                    solved.add(current)
                elif current not in solved:
                    failed[current] = failed.get(current, 0) + 1
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            continue
    return {
        "solved": solved,
        "failed": failed,
        "check": int((now - check) // 60) if check else None,
        "hand": int((now - hand) // 60) if hand else None,
        "stuck": current not in solved and failed.get(current, 0) >= STUCK_CHECKS,
    }


def state(home: Path, now: float) -> dict[str, Any]:
    """Return what the board shows of a learner."""
    return {**progress(read_record(home), now), "came": (home / "work").is_dir()}


class Board(HubOAuthenticated, RequestHandler):
    """The page. The hub lets the teacher alone reach a service: nobody else has a role with that right."""

    @authenticated
    def get(self) -> None:
        self.set_header(
            "Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
        )
        self.set_header("Cache-Control", "no-store")
        learners = {name: state(Path(one.pw_dir), time.time()) for name, one in accounts().items() if name != TEACHER}
        first = sorted(learners.items(), key=lambda each: (each[1]["hand"] is None, not each[1]["stuck"]))
        self.write(PAGE.render(exercises=EXERCISES, learners=dict(first), clock=time.strftime("%H:%M:%S")))


async def main() -> None:
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG: end with the hub, also if that was killed
    prefix, at = os.environ["JUPYTERHUB_SERVICE_PREFIX"], urlsplit(os.environ["JUPYTERHUB_SERVICE_URL"])
    pages = [(prefix, Board), (prefix + "oauth_callback", HubOAuthCallbackHandler)]
    Application(pages, cookie_secret=secrets.token_bytes(32)).listen(at.port, at.hostname)
    await asyncio.Event().wait()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a hub that was begun in the background passes on that it is ignored
    asyncio.run(main())
