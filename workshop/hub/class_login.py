"""Who may come in: whoever knows the class password, each under a name that the first to take it keeps."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import time
from pathlib import Path

from class_place import NAME
from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from tornado.web import HTTPError
from traitlets import Unicode

SHORTEST = 6  # characters of a word
TEACHER = "teacher"


class Throttle:
    """Wrong tries by one key: some are free, then each makes the next wait twice as long, up to `most` seconds."""

    FORGETS = 600  # seconds

    def __init__(self, free: int, most: float) -> None:
        self.free, self.most = free, most
        self._wrong: dict[str, tuple[int, float]] = {}  # how many, and when the last was

    def wait(self, key: str) -> float:
        """Seconds until the next try may be made."""
        count, last = self._wrong.get(key, (0, 0.0))
        pause = min(self.most, 2.0 ** min(count - self.free, 30)) if count > self.free else 0.0
        return max(0.0, last + pause - time.monotonic())

    def wrong(self, key: str) -> None:
        now = time.monotonic()
        if len(self._wrong) > 10_000:
            self._wrong = {one: (n, t) for one, (n, t) in self._wrong.items() if now - t < 60}
        count, last = self._wrong.get(key, (0, now))
        self._wrong[key] = (count + 1 if now - last < self.FORGETS else 1, now)

    def right(self, key: str, tries: int = 1_000_000) -> None:
        """Take back so many of its tries."""
        count, last = self._wrong.pop(key, (0, 0.0))
        if count > tries:
            self._wrong[key] = (count - tries, last)


class ClassAuthenticator(SharedPasswordAuthenticator):
    """The class password, and a word of the learner's own.

    With the password alone, all of a class could log in under each other's names. So the form has a third field: the
    first who takes a name sets its word, and from then on the name needs it. Words are kept as salted scrypt hashes,
    a file for each name. The teacher has the admin password and needs no word.
    """

    words = Unicode(config=True, help="folder: the hash of each name's word")
    request_otp = True  # JupyterHub's own third field
    otp_prompt = f"A word of your own, of {SHORTEST} characters or more, which keeps your name yours:"

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self._by_name = Throttle(free=5, most=30)
        # A whole class often has one address: nobody waits long because of the others there.
        self._by_address = Throttle(free=100, most=2)
        self._hashing = asyncio.Semaphore(2)  # each takes 16 MB and a processor for some 50 ms

    async def authenticate(self, handler, data):
        name, word = self.normalize_username(data["username"]), data.get("otp", "").strip()
        address = _address_of(handler)
        wait = max(self._by_name.wait(name), self._by_address.wait(address))
        if wait:
            raise HTTPError(429, f"Too many wrong tries: wait {wait:.0f} s, go back, and try again.")
        # Counted before it is looked at: else a hundred tries at the same moment would all be looked at.
        self._by_name.wrong(name)
        self._by_address.wrong(address)
        known = await super().authenticate(handler, data) if NAME.fullmatch(name) else None
        if known and not known["admin"]:
            known = known if await self._keeps(name, word) else None
        if known:
            self._by_name.right(name)
            self._by_address.right(address, 1)
        return known

    async def _keeps(self, name: str, word: str) -> bool:
        """Is this the word of that name? The first word becomes it."""
        file = Path(self.words, name)
        if not file.exists():
            if len(word) < SHORTEST:
                raise HTTPError(
                    403,
                    f"Your own word needs {SHORTEST} characters or more: go back, and choose another.",
                )
            salt = secrets.token_hex(16)
            _keep_first(file, f"{salt} {await self._hash(word, salt)}")
        try:
            salt, kept = file.read_text().split()
        except (OSError, ValueError):
            raise HTTPError(403, f"The word kept for {name} can't be read: ask your teacher to forget it.") from None
        return hmac.compare_digest(await self._hash(word, salt), kept)

    async def _hash(self, word: str, salt: str) -> str:
        async with self._hashing:
            return await asyncio.to_thread(_hash, word, salt)


def forget_word(words: Path, name: str) -> None:
    """Whoever comes next under this name chooses a new word."""
    if NAME.fullmatch(name):
        Path(words, name).unlink(missing_ok=True)


def _hash(word: str, salt: str) -> str:
    return hashlib.scrypt(word.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()


def _keep_first(file: Path, content: str) -> None:
    """Write the file whole, unless somebody else was first."""
    new = file.with_name(f".{secrets.token_hex(8)}")
    new.touch(mode=0o600)
    new.write_text(content)
    try:
        os.link(new, file)
    except FileExistsError:
        pass
    finally:
        new.unlink()


def _address_of(handler) -> str:
    """Where a request comes from: what the hub's own proxy added, not what a browser may say of itself."""
    said = handler.request.headers.get("X-Forwarded-For", "")
    return said.split(",")[-1].strip() or handler.request.remote_ip
