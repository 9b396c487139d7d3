"""Walls between learners, where the hub is started by root on Linux: an account for each, and limits.

`useradd` makes the accounts, as JupyterHub's own local authenticator would. A control group holds what a process limit
can't: the memory that processes share, and all of a learner's processes together.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import pwd
import resource
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("drills", "exercises", "helpers", "momento_token", "sandbox")
MEMORY = 2 * 1024**3  # bytes: of one process, and where there are control groups of all of a learner's together
PROCESSES = 400  # and threads; three notebooks that are at work have some 150
FILE = 1024**3  # bytes in one file
LIMITS = {
    resource.RLIMIT_DATA: MEMORY,
    resource.RLIMIT_FSIZE: FILE,
    resource.RLIMIT_NOFILE: 4096,
    resource.RLIMIT_CORE: 0,  # a dump would hold tokens
}
_NO_NEW_PRIVILEGES = 38  # prctl: from here on no program can give more rights, sudo and su included
_GROUPS = Path("/sys/fs/cgroup")
_libc = ctypes.CDLL(None)
_one_at_a_time = threading.Lock()  # of two that run at once `useradd` makes one wait, for a second and more


class WallError(Exception):
    """The walls can't stand here. The message names the cause and the way out."""


def possible() -> bool:
    """Can the hub put up walls? Only root can give learners accounts of their own."""
    return os.geteuid() == 0


def account_name(learner: str, learners: Path) -> str:
    """The account of this learner: never one that the machine has already, and another one in each class's folder."""
    return f"c{hashlib.sha256(os.fsencode(learners)).hexdigest()[:5]}-{learner}"


def account(learner: str, learners: Path) -> pwd.struct_passwd:
    """The learner's account, made if it isn't there, with a home that nobody else can open."""
    name, home = account_name(learner, learners), learners / learner
    with suppress(KeyError):
        pwd.getpwnam(name)
        _make_home(pwd.getpwnam(name), home)
        return pwd.getpwnam(name)
    command = ["useradd", "--no-log-init", "--user-group", "--no-create-home"]
    command += ["--home-dir", str(home), "--shell", "/usr/sbin/nologin", name]
    with _one_at_a_time:
        done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise WallError(f"No account for {learner}: useradd said {done.stderr.strip()!r}.")
    _make_home(pwd.getpwnam(name), home)
    return pwd.getpwnam(name)


def accounts(learners: Path) -> list[pwd.struct_passwd]:
    """The accounts that were made for this class."""
    return [one for one in pwd.getpwall() if Path(one.pw_dir).parent == learners]


def remove_accounts(learners: Path) -> None:
    """After the class: end what still runs under its accounts, and remove them. Their files stay."""
    for one in accounts(learners):
        end_processes(one)
        # Else the next account of this number would own what lies there.
        shared = ["find", "/tmp", "/var/tmp", "/dev/shm", "-maxdepth", "1", "-uid", str(one.pw_uid)]
        subprocess.run([*shared, "-exec", "rm", "-rf", "{}", "+"], capture_output=True)
        subprocess.run(["userdel", one.pw_name], capture_output=True)
        for group in _groups(one.pw_name):
            with suppress(OSError):
                group.rmdir()


def end_processes(one: pwd.struct_passwd) -> None:
    """End all that runs under this account, in one go: what forks can't outrun it."""
    if one.pw_uid < 1000:
        raise WallError(f"{one.pw_name} is no learner's account.")
    rights = {"user": one.pw_uid, "group": one.pw_gid, "extra_groups": []}
    subprocess.run(["/bin/sh", "-c", "kill -KILL -1; ipcrm --all"], cwd="/", capture_output=True, **rights)


def into_the_walls(become: Callable[[], None], name: str, uid: int | None = None) -> Callable[[], None]:
    """What a new process does before it becomes a learner's server: limits, then `become()`, which gives up root."""
    groups = [group / "cgroup.procs" for group in prepare_groups(name)] if uid else []

    limits = {**LIMITS, resource.RLIMIT_NPROC: PROCESSES} if uid else LIMITS

    def preexec() -> None:
        for group in groups:
            group.write_text("0")  # this process
        for limit, value in limits.items():
            _, most = resource.getrlimit(limit)
            value = value if most == resource.RLIM_INFINITY else min(value, most)
            resource.setrlimit(limit, (value, value))
        os.umask(0o077)
        become()
        if uid:
            _libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)

    return preexec


def prepare_groups(name: str) -> list[Path]:
    """The control groups of a learner, with their limits; none on a machine that has none to give."""
    ready = []
    for group in _groups(name):
        try:
            group.mkdir(parents=True, exist_ok=True)
            for file, value in (
                ("memory.max", MEMORY),
                ("memory.swap.max", 0),
                ("memory.limit_in_bytes", MEMORY),
                ("memory.memsw.limit_in_bytes", MEMORY),
                ("pids.max", PROCESSES),
            ):
                if (group / file).exists():
                    (group / file).write_text(str(value))
            ready.append(group)
        except OSError:
            continue
    return ready


def holds() -> dict[str, bool]:
    """Which limits hold on this machine, in the words of README.md."""
    held = [file.name for group in prepare_groups("probe") for file in group.iterdir()]
    for group in _groups("probe"):
        with suppress(OSError):
            group.rmdir()
    return {
        "an account for each learner": possible(),
        "memory of a process": True,
        "all memory of a learner, shared memory included": bool({"memory.max", "memory.limit_in_bytes"} & set(held)),
        "processes of a learner": possible(),
        "the processors, shared alike among learners": bool({"cpu.weight", "cpu.shares"} & set(held)),
        "the size of one file": True,
        "all files of a learner together": False,
    }


def _groups(name: str) -> Iterator[Path]:
    """Where this learner's control groups would be: one in version 2; in version 1, one for each kind of limit."""
    if (_GROUPS / "cgroup.controllers").exists():
        ours = _GROUPS / "class-hub"
        for folder in (_GROUPS, ours):
            with suppress(OSError):
                ours.mkdir(exist_ok=True)
                (folder / "cgroup.subtree_control").write_text("+memory +pids +cpu")
        yield ours / name
        return
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, kinds, path = line.split(":", 2)
        for kind in {"memory", "pids", "cpu"} & set(kinds.split(",")):
            yield _GROUPS / kind / path.lstrip("/") / f"class-{name}"


def check(folder: Path) -> None:
    """Raises WallError if another account couldn't reach what it needs, or could change what it must not."""
    if not sys.platform.startswith("linux") or not shutil.which("useradd"):
        raise WallError(
            "Root can put up walls between learners on Linux only, where there is `useradd`: start the hub as another user."
        )
    for needed in (ROOT / ".venv", *(ROOT / room for room in ROOMS), folder):
        for part in (needed, *needed.parents):
            mode = part.stat().st_mode
            if not mode & stat.S_IXOTH:
                raise WallError(
                    f"Learners have accounts of their own, and {part} lets nobody else in: "
                    f"move the project to a folder like /srv, or set CLASS_FOLDER to one."
                )
            if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
                raise WallError(f"Every account can write {part}: run `chmod o-w {part}`.")
    places = [ROOT / part for part in (*ROOMS, "notebooks", "workshop", ".venv")]
    looks = [
        "(",
        "-type",
        "f",
        "-o",
        "-type",
        "d",
        ")",
        "-perm",
        "-o+w",
        "!",
        "-name",
        ".lock",
        "-print",
        "-quit",
    ]
    found = subprocess.run(["find", *places, *looks], capture_output=True, text=True).stdout
    if found:
        raise WallError(f"Every account can write {found.strip()}: run `chmod -R o-w {ROOT}`.")


def find_python() -> Path:
    """This Python, or the system's own of the same version, which learners' accounts can start too.

    A Python that root installed in its own home, by pyenv or uv, is closed to them. Raises WallError if there is none.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    candidates = (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}")
    for python in map(Path, candidates):
        if python.exists() and _open_to_all(python.resolve()):
            return python
    raise WallError(
        f"Learners' accounts can't start {Path(sys.executable).resolve()}: install {version} for the whole machine, or "
        "run `make clean` and then `make hub PYTHON=/usr/bin/python3`."
    )


def python_for_all(folder: Path) -> str:
    """A Python that learners' accounts can start, with the packages of this one: it, or an environment in `folder`."""
    found = find_python()
    if str(found) == sys.executable:
        return sys.executable
    packages = next((folder / "lib").glob("*/site-packages"), None)
    here = next(Path(part) for part in sys.path if part.endswith("site-packages"))
    ours = f"import site; site.addsitedir({str(here)!r})\n"
    if packages and (packages / "all.pth").exists() and (packages / "all.pth").read_text() == ours:
        return str(folder / "bin" / "python")
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([found, "-m", "venv", "--without-pip", folder], check=True)
    for part in ("share", "etc", "ministack"):
        if Path(sys.prefix, part).exists():
            (folder / part).symlink_to(Path(sys.prefix, part))
    packages = next((folder / "lib").glob("*/site-packages"))
    (packages / "all.pth").write_text(ours)  # the last: now it is whole
    return str(folder / "bin" / "python")


def _open_to_all(file: Path) -> bool:
    return all(part.stat().st_mode & stat.S_IXOTH for part in (file, *file.parents))


def _make_home(one: pwd.struct_passwd, home: Path) -> None:
    if not home.exists():
        home.mkdir(mode=0o700)
    os.chown(home, one.pw_uid, one.pw_gid, follow_symlinks=False)
    home.chmod(0o700)
