"""`make hub-doctor LEARNERS=20`: is this machine ready for a class? It starts nothing, and changes nothing."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import psutil
import walls
from class_place import Place

ROOT = Path(__file__).resolve().parents[2]
PROXY = ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy"
GB = 1e9
MACHINE, LEARNER, DISK = (
    1.0,
    0.8,
    0.2,
)  # GB: of memory for the machine and a learner (README.md), of disk for a learner

Check = tuple[str, bool, str]  # what is looked at, is it all right, and what to do if not


def checks(learners: int, place: Place, address: tuple[str, int]) -> Iterator[Check]:
    yield from _walls(place)
    memory = psutil.virtual_memory().available / GB
    needed = MACHINE + LEARNER * learners
    yield (
        f"memory for {learners} learners: {memory:.1f} of {needed:.1f} GB",
        memory >= needed,
        f"it holds {max(0, int((memory - MACHINE) / LEARNER))} with three notebooks open: set CLASS_SIZE, or pair people up",
    )
    there = next(part for part in (place.folder, *place.folder.parents) if part.exists())
    disk = shutil.disk_usage(there).free / GB
    yield (
        f"disk at {there}: {disk:.1f} of {DISK * learners + 1:.1f} GB",
        disk >= DISK * learners + 1,
        "make room, or set CLASS_FOLDER to a larger disk; nothing stops a learner from filling it with many files",
    )
    yield (
        "the hub's proxy",
        PROXY.exists() and bool(shutil.which("node")),
        "install Node.js and npm, and run `make hub`",
    )
    yield (
        "TLS",
        bool(os.environ.get("CLASS_TLS_KEY") and os.environ.get("CLASS_TLS_CERT")),
        "without CLASS_TLS_KEY and CLASS_TLS_CERT the network can read passwords and all else; live tokens are refused",
    )
    others = _addresses()
    yield (
        f"an address for others: {', '.join(others) or 'none'}",
        bool(others),
        "connect the machine to the room's network",
    )
    yield from (_reachable(one, address[1]) for one in others[:1])


def _walls(place: Place) -> Iterator[Check]:
    yield (
        "started by root, so that each learner gets an account",
        walls.possible(),
        "start it as root, or set CLASS_WITHOUT_WALLS='we trust each other'",
    )
    if not walls.possible():
        return
    try:
        walls.check(next(part for part in (place.folder, *place.folder.parents) if part.exists()))
        walls.find_python()
        yield "learners' accounts reach the code, and can't change it", True, ""
    except walls.WallError as error:
        yield "learners' accounts reach the code, and can't change it", False, str(error)
    for limit, holds in walls.holds().items():
        yield f"limit: {limit}", holds, "it doesn't hold on this machine: see README.md, Walls"


def _addresses() -> list[str]:
    """Addresses of this machine that others can reach, as far as it knows."""
    return [
        one.address
        for name, known in psutil.net_if_addrs().items()
        for one in known
        if one.family == socket.AF_INET and not one.address.startswith(("127.", "169.254."))
    ]


def _reachable(address: str, port: int) -> Check:
    """Does the machine answer at this address? Whether the network lets others through, only a second device can tell."""
    what = f"{address}:{port} answers; now try it from a second device"
    try:
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(("", port))
            listener.listen()
            socket.create_connection((address, port), timeout=3).close()
        return what, True, ""
    except OSError as error:
        return (
            what,
            False,
            f"{error.strerror or error}: another program has the port, or a firewall closes it",
        )


def main() -> None:
    learners = int(os.environ.get("LEARNERS") or "20")
    port = int((os.environ.get("CLASS_ADDRESS") or ":8000").rsplit(":", 1)[-1].strip("/"))
    found = list(checks(learners, Place.from_environment(), ("", port)))
    for what, fine, otherwise in found:
        print(f"{'✓' if fine else '✗'} {what}{'' if fine else ': ' + otherwise}")
    print(f"{sum(not fine for _, fine, _ in found)} of {len(found)} to look at before the day.")


if __name__ == "__main__":
    main()
