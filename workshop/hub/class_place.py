"""Where a class is kept on this machine, and what stays the same when the hub starts again."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# A learner's name: it becomes a folder, and a part of an account's name.
NAME = re.compile(r"[a-z][a-z0-9_-]{0,23}")
# Below the ports that a system gives out by itself: those are taken by somebody else's program now and then, in the
# seconds between choosing a port and listening on it.
LOW, HIGH = 20_000, 30_000
# The hub's own are such that only root can listen there: else, after a crash, a learner would be asked in its place.
LOW_OF_ROOT, FREE_FOR_ALL = 600, Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")


@dataclass(frozen=True)
class Place:
    """A class's folder. Others may pass through it; what is the hub's alone lies in `hub`, closed to them."""

    folder: Path

    @classmethod
    def from_environment(cls) -> Place:
        return cls(Path(os.environ.get("CLASS_FOLDER") or ROOT / "build" / "hub").resolve())

    def make(self) -> Place:
        for folder, mode in (
            (self.folder, 0o711),
            (self.hub, 0o700),
            (self.words, 0o700),
            (self.learners, 0o711),
        ):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(mode)
        return self

    @property
    def learners(self) -> Path:
        """The learners' homes."""
        return self.folder / "learners"

    @property
    def template(self) -> Path:
        """What each learner gets a copy of."""
        return self.folder / "template"

    @property
    def jupyter(self) -> Path:
        """What Jupyter looks for in the learners' servers: the kernel."""
        return self.folder / "jupyter"

    @property
    def python(self) -> Path:
        """A Python for the learners, where they can't reach the hub's."""
        return self.folder / "python"

    @property
    def hub(self) -> Path:
        """The database, keys and passwords."""
        return self.folder / "hub"

    @property
    def words(self) -> Path:
        """A file for each name, with the hash of its word."""
        return self.hub / "words"

    def log(self, name: str) -> Path:
        """What a learner's server says."""
        (self.hub / "logs").mkdir(exist_ok=True)
        return self.hub / "logs" / f"{name}.log"

    @property
    def solutions(self) -> Path:
        """Is there once the solutions are released."""
        return self.hub / "solutions-are-released"

    def teacher_password(self) -> str:
        """The teacher's password, made at the first start."""
        file = self.hub / "teacher_password"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(secrets.token_urlsafe(24) + "\n")
        return file.read_text().strip()

    def ports(self) -> dict[str, int]:
        """The ports on which the hub, its proxy and its board talk to each other: as long as the class lives.

        Learners' servers were told the hub's port when they started, so it must be the same after a crash.
        """
        file = self.hub / "ports.json"
        try:
            return json.loads(file.read_text())
        except (OSError, ValueError):
            ports: dict[str, int] = {}
            among = (LOW_OF_ROOT, _first_for_all()) if os.geteuid() == 0 else (LOW, HIGH)
            while len(set(ports.values())) < 3:
                ports = {name: free_port(*among) for name in ("hub", "proxy", "board")}
            file.write_text(json.dumps(ports))
            return ports


def _first_for_all() -> int:
    """The first port on which every account may listen; 1024, unless a container says otherwise."""
    try:
        return max(LOW_OF_ROOT + 100, min(1024, int(FREE_FOR_ALL.read_text())))
    except OSError:
        return 1024


def free_port(low: int = LOW, high: int = HIGH) -> int:
    """A port of this machine that nobody has, and that nobody can foretell. Raises OSError if all are taken."""
    for _ in range(1000):
        port = low + secrets.randbelow(high - low)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))  # fails too for one that is bound and does not listen yet
                return port
            except OSError:
                continue
    raise OSError("No port is free: end other programs on this machine.")
