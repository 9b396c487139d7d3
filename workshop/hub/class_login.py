"""Who may come in: whoever knows the class password, each under a name that the first to take it keeps."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
from pathlib import Path
from secrets import token_hex

from jupyterhub.authenticators.shared import SharedPasswordAuthenticator
from traitlets import Unicode

NAME = re.compile(r"[a-z][a-z0-9_-]{0,30}")  # it becomes a folder


class ClassAuthenticator(SharedPasswordAuthenticator):
    """The class password, and a word of the learner's own.

    With the password alone, all of a class could log in under each other's names. So the form has a third field: the
    first who takes a name sets its word, and from then on the name needs it. Words are kept as salted scrypt hashes.
    """

    words_file = Unicode(config=True, help="JSON file: the hash of each name's word")
    request_otp = True  # JupyterHub's own third field
    otp_prompt = "A word of your own, which keeps your name yours:"

    async def authenticate(self, handler, data):
        name, word = self.normalize_username(data["username"]), data.get("otp", "").strip()
        known = NAME.fullmatch(name) and await super().authenticate(handler, data)
        return known if known and word and self._keeps(name, word) else None

    def _keeps(self, name: str, word: str) -> bool:
        """Is this the word of that name? The first word becomes it."""
        file = Path(self.words_file)
        words = json.loads(file.read_text()) if file.exists() else {}
        if name not in words:
            salt = token_hex(16)
            words[name] = [salt, _hash(word, salt)]
            new = file.with_suffix(".new")
            new.touch(mode=0o600)
            new.write_text(json.dumps(words))
            os.replace(new, file)
        salt, known = words[name]
        return hmac.compare_digest(_hash(word, salt), known)


def _hash(word: str, salt: str) -> str:
    return hashlib.scrypt(word.encode(), salt=salt.encode(), n=2**14, r=8, p=1).hex()
