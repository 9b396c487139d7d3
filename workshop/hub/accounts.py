"""The accounts of a class. `make` calls it as root, and passes its settings on as variables.

python accounts.py hub [OPTIONS]   make what is missing of class-01 … and class-teacher, write the slips, and become the hub
python accounts.py push            bring corrected notebooks; or NOTEBOOK=03 anew, to all or to LEARNER=class-07
python accounts.py end             remove the accounts, and all that learners wrote

They are plain accounts of the machine, so its kernel keeps apart what learners have. None of them has a shell.
"""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import re
import secrets
import shutil
import socket
import ssl
import stat
import subprocess
import sys
import tempfile
from functools import cache
from itertools import filterfalse
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
HUB = Path(sys.prefix, "hub")  # JupyterHub and what its learners' servers have beside the packages of the notebooks
CLASS = os.environ.get("CLASS") or "class"
TEACHER = f"{CLASS}-teacher"
HUBS = Path(os.environ.get("HUB_FOLDER") or ROOT / "build" / "hub")
FOLDER = HUBS / CLASS  # for root alone: passwords, the hub's database
PROXY = FOLDER / "jupyterhub-proxy.pid"  # there while a hub runs, and after a crash: then its proxy is taken over
MARK = f"made by make hub for {CLASS}"  # in the place of a full name; `end` removes what has it
TLS = [os.path.abspath(file) if file else "" for file in (os.environ.get("TLS_KEY"), os.environ.get("TLS_CERT"))]
SCHEME, USUAL_PORT = ("https", "443") if any(TLS) else ("http", "80")
PORT = os.environ.get("PORT") or USUAL_PORT
ONLY_ROOT = range(600, 1024)  # on these ports no learner can listen, also while the hub is away
NOBODY = 2**32 - 3  # an account that nobody has
LETTERS = "abcdefghjkmnpqrstuvwxyz23456789"  # none that looks like another on paper
SLIPS = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Slips for the class</title>
<style>body {{ font: 12pt/1.5 system-ui, sans-serif; margin: 0 }} .slip {{ border: 1px dashed; padding: 3mm 8mm; break-inside: avoid }}
main {{ display: grid; grid-template-columns: 1fr 1fr }} b {{ font: bold 14pt monospace }} .yours {{ break-before: page }}</style>
<main>{slips}</main><div class="slip yours">For the teacher: keep this one.{yours}</div></html>"""
SLIP = """<p>A Momento token in AWS Secrets Manager<br>Open <b>{address}</b><br>Username <b>{name}</b><br>Password <b>{password}</b></p>
<p>Stuck? In a new cell (press B): <code>from exercises import raise_hand; raise_hand()</code></p>"""


def accounts() -> dict[str, pwd.struct_passwd]:
    """Return the accounts of this class by name, the teacher's included."""
    return {one.pw_name: one for one in sorted(pwd.getpwall()) if one.pw_gecos.split(",")[0] == MARK}


def run_as(name: str, *command: str | Path, **options) -> subprocess.CompletedProcess:
    """Run a command under an account of the class, or "nobody", in its home, with nothing of this environment.

    Nor with this terminal: what runs under a learner's account is the learner's, and could type on it as root.
    """
    one = pwd.getpwnam(name)
    home = one.pw_dir if Path(one.pw_dir).is_dir() else "/"
    rights = {"user": one.pw_uid, "group": one.pw_gid, "extra_groups": [], "umask": 0o077}
    env = {"HOME": home, "PATH": os.defpath, "PYTHONPATH": str(HUB)}
    # Into files: what collects a pipe would collect all that a learner who got hold of it writes.
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        apart = {"stdin": subprocess.DEVNULL, "stdout": out, "stderr": err, "start_new_session": True}
        done = subprocess.run(command, cwd=home, env=env, **apart, **rights, **options)
        done.stdout, done.stderr = (os.pread(file.fileno(), 100_000, 0).decode(errors="replace") for file in (out, err))
    return done


def make(learners: int) -> dict[str, str]:
    """Make the accounts that are missing, and return all passwords by name. Ends with a sentence if one can't be made."""
    file = FOLDER / "passwords.json"
    passwords = json.loads(file.read_text()) if file.exists() else {}
    wanted = [f"{CLASS}-{number:02}" for number in range(1, learners + 1)]
    for name in sorted({*accounts(), *wanted, TEACHER} - (passwords.keys() & accounts().keys())):
        if name not in accounts():
            # 0700: on some systems a new home is open to all others.
            command = ["useradd", "--create-home", "--key", "HOME_MODE=0700", "--user-group", "--comment", MARK]
            done = subprocess.run([*command, "--shell", "/usr/sbin/nologin", name], capture_output=True, text=True)
            if done.returncode:
                sys.exit(f"No account {name}: {done.stderr.strip()} Try CLASS=monday, for monday-01 and so on.")
        passwords[name] = "-".join("".join(secrets.choice(LETTERS) for _ in range(4)) for _ in range(2))
        subprocess.run(["chpasswd"], input=f"{name}:{passwords[name]}", text=True, check=True)
        _write(file, json.dumps(passwords))
    return {name: passwords[name] for name in accounts()}


def write_slips(passwords: dict[str, str], address: str) -> Path:
    """Write a page to print and cut: a slip for each learner, and the teacher's on a page of its own."""
    slips = {name: SLIP.format(address=address, name=name, password=word) for name, word in passwords.items()}
    yours = slips.pop(TEACHER)
    cut = "".join(f'<div class="slip">{slip}</div>' for slip in slips.values())
    return _write(FOLDER / "slips.html", SLIPS.format(slips=cut, yours=yours))


def address() -> str:
    """Return where others in the room find the hub, as far as this machine can know."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which of our addresses leads outside
            host = probe.getsockname()[0]
        except OSError:
            host = socket.gethostname()
    return os.environ.get("ADDRESS") or f"{SCHEME}://{host}{'' if PORT == USUAL_PORT else f':{PORT}'}"


@cache
def python_for_learners() -> str:
    """Return a Python with our packages that learners' accounts can start. Ends with a sentence if there is none.

    One that was installed in somebody's home, by pyenv or uv, is closed to them: then the system's own of the same version is
    taken, in an environment that reads this one's packages.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    works = ("-P", "-c", "import helpers.cloud, jupyterhub.singleuser")
    ours, theirs = Path(sys.prefix), Path(sys.prefix, "learners")
    for base in (None, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        if base and _runs(base, "-c", ""):
            shutil.rmtree(theirs, ignore_errors=True)
            subprocess.run([base, "-m", "venv", "--without-pip", theirs], check=True, umask=0o022)
            for part in ("share", "etc", "ministack"):
                (theirs / part).symlink_to(ours / part)
            packages = theirs / "lib" / version / "site-packages"
            site = f"import site; site.addsitedir({str(ours / packages.relative_to(theirs))!r})\n"
            (packages / "all.pth").write_text(site)
            (packages / "all.pth").chmod(0o644)
        for python in (sys.executable, theirs / "bin" / "python"):
            if _runs(python, *works):
                return str(python)
    sys.exit(
        f"Learners have accounts of their own, and those can't run what is in {ROOT}. Move the project to a folder that all "
        f"can read, like /srv, and install {version} for the whole machine, or: make clean; make hub PYTHON=/usr/bin/python3"
    )


def need_root() -> None:
    """End with a sentence where no accounts can be made."""
    if os.geteuid() != 0 or not sys.platform.startswith("linux"):
        sys.exit("A hub makes accounts for learners, so it needs Linux and root: sudo make hub LEARNERS=20")


def how_many(said: str) -> int:
    """Return a number of learners, or end with a sentence."""
    if not said.isdecimal() or not 1 <= int(said) <= 99:
        sys.exit("How many learners? From 1 to 99, as in LEARNERS=20")
    return int(said)


def check() -> int:
    """Return how many learners there are to be. Ends with a sentence for what would only show during the class."""
    learners = how_many(os.environ.get("LEARNERS") or str(len(accounts()) - 1))
    if not PORT.isdecimal() or not 1 <= int(PORT) <= 65535:
        sys.exit(f"PORT is {PORT!r}: it is a number, like PORT=8000")
    if any(TLS):
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(TLS[1], TLS[0])
        except (OSError, ValueError) as error:
            sys.exit(f"TLS_KEY and TLS_CERT have to be the files of a key and its certificate: {error}.")
    if not re.fullmatch(r"https?://[^\s/]+/?", address()):
        sys.exit(f"ADDRESS is {address()!r}: it is what learners type, like http://192.0.2.7:8000")
    python_for_learners()
    places = [
        ROOT / name for name in ("drills", "exercises", "helpers", "momento_token", "notebooks", "sandbox", "tools")
    ]
    looks = ("(", "-type", "f", "-o", "-type", "d", ")", "-writable", "!", "-name", ".lock", "-print", "-quit")
    found = run_as("nobody", "find", *places, ROOT / "workshop", sys.prefix, *looks).stdout.split()
    around = {HUBS, *HUBS.parents, ROOT, *ROOT.parents}
    found += [part for part in around if part.stat().st_mode & (stat.S_IWOTH | stat.S_ISVTX) == stat.S_IWOTH]
    if found:
        sys.exit(f"Every account can write {found[0]}: run `chmod -R o-w {ROOT}`.")
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= ONLY_ROOT[-1]:
        print("Here learners can listen in the hub's place: run sysctl net.ipv4.ip_unprivileged_port_start=1024")
    if not PROXY.exists() and _answers(int(PORT)):
        sys.exit(f"Another program listens on port {PORT} already: make hub PORT=8000")
    return learners


def hub(*options: str) -> None:
    """Make what a class needs, and become JupyterHub."""
    _one_at_a_time()
    learners = check()
    FOLDER.mkdir(parents=True, exist_ok=True)
    FOLDER.chmod(0o700)
    slips = write_slips(make(learners), address())
    print(f"Slips to print and cut, which root alone can open: {slips}. The last is yours.")
    print(f"The board: {address()}/services/board/, as {TEACHER}. Ctrl-C ends the hub and all servers.")
    print(f"Ready in about ten seconds, at {address()}", flush=True)
    os.chdir(FOLDER)
    os.environ["PYTHONPATH"] = str(HUB)
    config = str(HERE / "jupyterhub_config.py")
    os.execv(sys.executable, [sys.executable, "-m", "jupyterhub", "--config", config, f"--port={PORT}", *options])


def ports() -> dict[str, int]:
    """Return the ports of hub, proxy and board, which stay the same after a crash: servers look for the hub there."""
    file = FOLDER / "ports.json"
    if not file.exists() or not PROXY.exists():
        free = filterfalse(_answers, secrets.SystemRandom().sample(ONLY_ROOT, len(ONLY_ROOT)))
        _write(file, json.dumps({name: next(free) for name in ("hub", "proxy", "board")}))
    return json.loads(file.read_text())


def listener(port: int) -> int | None:
    """Return whose process listens on this port of 127.0.0.1, by uid; None while there is none."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    here = (f"0100007F:{port:04X}", f"00000000:{port:04X}")
    found = [int(row[7]) for row in rows if row[1] in here and row[3] == "0A"]
    return found[0] if found else None


def push() -> None:
    """Bring each learner what they haven't changed and you have; or NOTEBOOK anew, theirs kept beside it."""
    if (running := _lock()) not in (CLASS, None):
        sys.exit(f"The hub that runs is another class's: sudo make push CLASS={running}")
    learner, notebook = os.environ.get("LEARNER", ""), os.environ.get("NOTEBOOK", "")
    if notebook not in ("", "all") and not [*(ROOT / "notebooks").glob(f"{notebook.zfill(2)}*")]:
        sys.exit(f"There is no notebook {notebook}: give its number, as in NOTEBOOK=03, or all.")
    failed = False
    for name in [learner] if learner else accounts():
        if name not in accounts():
            sys.exit(f"There is no {name} in this class: {', '.join(accounts()) or 'begin with make hub'}.")
        try:
            said = give(name, notebook).replace("make fresh ", f"sudo make push CLASS={CLASS} LEARNER={name} ")
            print(f"{name}: {said or 'nothing new'}")
        except SystemExit as error:
            print(error)
            failed = True
    sys.exit(failed)


def give(name: str, notebook: str = "") -> str:
    """Bring a learner's files up to date, under their account, so that a link that they made leads nowhere else.

    Returns what was brought, or ends with what went wrong.
    """
    command = (python_for_learners(), "-P", HERE / "give.py", accounts()[name].pw_dir, notebook)
    try:
        done = run_as(name, *command, timeout=60)
    except subprocess.TimeoutExpired:
        sys.exit(f"{name}: it took more than a minute, and was ended.")
    said = (done.stdout + done.stderr).strip()
    said = "".join(letter for letter in said if letter.isprintable() or letter == "\n")  # a terminal obeys the others
    if done.returncode:
        sys.exit(f"{name}: {said.splitlines()[-1] if said else 'it failed'}")
    return said


def end_processes(name: str) -> None:
    """End all that runs under an account, in one go: what forks can't outrun it, and what kills can't reach it.

    It has their account as the effective one only, so it may end their processes, and they may not end it.
    """
    uid = accounts()[name].pw_uid
    nobody = NOBODY - uid  # one for each, else those that end others' processes at the same time would end each other
    become = f"os.setgroups([]); os.setresgid(*[{nobody}] * 3); os.setresuid({nobody}, {uid}, {nobody})"
    code = f"import os; {become}; os.kill(-1, 9)"
    subprocess.run([sys.executable, "-I", "-c", code], stderr=subprocess.DEVNULL)


def end() -> None:
    """Remove the accounts with their homes, and what the hub kept of this class."""
    _one_at_a_time()
    theirs = accounts()
    if not theirs:
        sys.exit(f"There are no accounts of {CLASS}.")
    if not os.environ.get("YES"):
        question = f"Remove {len(theirs)} accounts of {CLASS}, with all that learners wrote? Then type yes: "
        if not sys.stdin.isatty() or input(question) != "yes":
            sys.exit(f"Nothing is removed. Without a question: sudo make hub-end CLASS={CLASS} YES=1")
    for name in theirs:  # of all, before anything of one is removed: two could help each other
        end_processes(name)
        run_as(name, "ipcrm", "--all")
    # Else the next account of the same number would own what lies there.
    places = [*(one.pw_dir for one in theirs.values()), "/tmp", "/var/tmp", "/dev/shm", "/run/lock"]
    owners = " -o ".join(f"-user {one.pw_uid}" for one in theirs.values()).split()
    subprocess.run(["find", *places, "-xdev", "(", *owners, ")", "-delete"], capture_output=True)
    for name, one in theirs.items():
        done = subprocess.run(["userdel", "--remove", name], capture_output=True, text=True)
        if name in accounts() or Path(one.pw_dir).exists():
            sys.exit(f"{name} or {one.pw_dir} is still there: {done.stderr.strip()}")
        print(f"{name} is removed.", flush=True)
    shutil.rmtree(FOLDER, ignore_errors=True)


def main(what: str, *options: str) -> None:
    need_root()
    if not re.fullmatch("[a-z][a-z0-9]{0,15}", CLASS):
        sys.exit(f"CLASS is {CLASS!r}: take at most 16 small letters and digits, a letter first.")
    {"hub": hub, "push": push, "end": end}[what](*options)


def _one_at_a_time() -> None:
    """End with a sentence while a hub runs; the lock stays with this process, and with the hub that it becomes."""
    if _lock():
        sys.exit("A hub runs here already: end it first, by Ctrl-C in its terminal.")


def _lock() -> str | None:
    """Return the class of the hub that runs, or lock others out and return None."""
    HUBS.mkdir(parents=True, exist_ok=True)
    lock = os.open(HUBS / "lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return os.read(lock, 100).decode()
    os.ftruncate(lock, 0)
    os.write(lock, CLASS.encode())
    os.set_inheritable(lock, True)
    return None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _runs(*command: str | Path) -> bool:
    try:
        return run_as("nobody", *command).returncode == 0
    except OSError:
        return False


def _write(file: Path, text: str) -> Path:
    new = file.with_suffix(".new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    return new.replace(file)


if __name__ == "__main__":
    main(*sys.argv[1:])
