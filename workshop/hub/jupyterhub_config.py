"""A hub for a class on one machine: `CLASS_PASSWORD=… make hub`. README.md beside this file explains the settings."""

import json
import os
import stat
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

import walls  # noqa: E402
from class_login import TEACHER, ClassAuthenticator  # noqa: E402
from class_place import Place  # noqa: E402
from class_proxy import ClassProxy  # noqa: E402
from class_push import make_template  # noqa: E402
from class_spawner import ClassSpawner  # noqa: E402
from ipykernel.kernelspec import get_kernel_dict  # noqa: E402

SHORTEST = 8  # characters
TRUST = "we trust each other"
PASSWORD = os.environ.get("CLASS_PASSWORD", "")
if len(PASSWORD.strip()) < SHORTEST:
    sys.exit(
        f"CLASS_PASSWORD is {'too short' if PASSWORD.strip() else 'not set'}: choose a password of at least "
        f"{SHORTEST} characters for the class, and run: CLASS_PASSWORD=… make hub"
    )
if not walls.possible() and os.environ.get("CLASS_WITHOUT_WALLS") != TRUST:
    sys.exit(
        "Started by a user other than root, the hub can't put walls between learners: each could read and change the "
        "files of all others, of the hub, and of this account. Start it as root, or, if that is all right in your "
        f"class, set CLASS_WITHOUT_WALLS='{TRUST}'."
    )
TLS = [os.environ.get(name, "") for name in ("CLASS_TLS_KEY", "CLASS_TLS_CERT")]
if any(TLS):
    for name, file in zip(("CLASS_TLS_KEY", "CLASS_TLS_CERT"), TLS, strict=True):
        if not os.access(file, os.R_OK):
            sys.exit(f"{name} is {file!r}, which can't be read: TLS needs a key and its certificate, as PEM files.")
    if Path(TLS[0]).stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
        sys.exit(f"Others can read the key {TLS[0]}: run `chmod 600 {TLS[0]}`.")

os.umask(0o022)
PLACE = Place.from_environment().make()
PYTHON = sys.executable
if walls.possible():
    try:
        walls.check(PLACE.folder)
        PYTHON = walls.python_for_all(PLACE.python)
    except walls.WallError as error:
        sys.exit(str(error))
PORTS = PLACE.ports()

c = get_config()  # noqa: F821  (given by JupyterHub)

# Who comes in
c.JupyterHub.authenticator_class = ClassAuthenticator
c.ClassAuthenticator.user_password = PASSWORD
c.ClassAuthenticator.admin_users = {TEACHER}
c.ClassAuthenticator.admin_password = PLACE.teacher_password()
c.ClassAuthenticator.words = str(PLACE.words)
c.ClassAuthenticator.allow_all = True
c.JupyterHub.template_paths = [str(HERE / "templates")]
c.JupyterHub.template_vars = {
    "announcement_login": "Choose a username of small letters a to z, digits, - and _, which begins with a letter; the "
    "password is that of the class. The third field is a word that you choose now and need again. Refused, and all of "
    "that is right? Then somebody else has the name: choose another."
}

# Where it listens. Only the first address is for others; the hub, its proxy and its board talk over loopback, on
# ports that are kept: the servers of learners look for the hub there also after a crash.
c.JupyterHub.bind_url = os.environ.get("CLASS_ADDRESS", "https://:8000" if any(TLS) else "http://:8000")
c.JupyterHub.ssl_key, c.JupyterHub.ssl_cert = TLS
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{PORTS['hub']}"
c.JupyterHub.proxy_class = ClassProxy
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PORTS['proxy']}"
c.ConfigurableHTTPProxy.command = [str(ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy")]
c.ConfigurableHTTPProxy.pid_file = str(PLACE.hub / "proxy.pid")
c.ConfigurableHTTPProxy.check_running_interval = 1  # seconds
c.JupyterHub.db_url = f"sqlite:///{PLACE.hub / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(PLACE.hub / "cookie_secret")

# What each learner gets
c.JupyterHub.spawner_class = ClassSpawner
c.ClassSpawner.class_folder = str(PLACE.folder)
c.ClassSpawner.cmd = [PYTHON, "-P", "-m", "jupyterhub.singleuser"]
c.ClassSpawner.args = [
    "--ServerApp.terminals_enabled=False",
    "--KernelManager.transport=ipc",
    # A notebook that was left open keeps 200 MB: after so many seconds without a cell run its kernel ends.
    "--MappingKernelManager.cull_idle_timeout=2700",
    "--MappingKernelManager.cull_connected=True",
]
c.ClassSpawner.default_url = "/lab/tree/work/00_start_here.ipynb"
c.ClassSpawner.env_keep = ["LANG", "LC_ALL", "PATH"]
make_template(PLACE)
# JupyterLab's debugger opens a port that every account of the machine reaches: this kernel offers none.
kernel = get_kernel_dict()
kernel |= {"argv": [PYTHON, *kernel["argv"][1:]], "metadata": {"debugger": False}}
KERNEL = PLACE.jupyter / "kernels" / "python3" / "kernel.json"
KERNEL.parent.mkdir(parents=True, exist_ok=True)
KERNEL.write_text(json.dumps(kernel))
c.ClassSpawner.environment = {"JUPYTER_PATH": str(PLACE.jupyter)}

# A live token passes through the hub's address, and lies in a kernel's memory.
missing = [
    *([] if walls.possible() else ["there are no walls between learners"]),
    *([] if any(TLS) else ["the hub speaks HTTP, which the network can read"]),
]
if missing:
    c.ClassSpawner.environment["TUTORIAL_LIVE_REFUSED"] = (
        f"Not on this hub: {' and '.join(missing)}. Go live on a machine of your own."
    )

# A write for each request of each learner would wear out the disk, and shut all out soon when it is full.
c.JupyterHub.activity_resolution = 600  # seconds

# Limits: a whole class clicks "Start" in the same minute. Nobody is sent away then; on a busy machine a server takes
# its time.
c.JupyterHub.active_server_limit = int(os.environ.get("CLASS_SIZE", "40"))
c.JupyterHub.concurrent_spawn_limit = 0  # no limit
c.ClassSpawner.start_timeout = 180  # seconds
c.ClassSpawner.http_timeout = 180

# Two services: servers that nobody has used for an hour end, with their kernels and sandboxes; and the teacher's board.
CULLER, BOARD = "idle-culler", "board"
with_the_hub = [sys.executable, str(HERE / "with_the_hub.py")]
c.JupyterHub.services = [
    {"name": CULLER, "command": [*with_the_hub, "jupyterhub_idle_culler", "--timeout=3600"]},
    {
        "name": BOARD,
        "command": [*with_the_hub, "board"],
        "url": f"http://127.0.0.1:{PORTS['board']}",
        "environment": {"CLASS_FOLDER": str(PLACE.folder)},
        "oauth_no_confirm": True,
    },
]
c.JupyterHub.load_roles = [
    {
        "name": CULLER,
        "services": [CULLER],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    },
    {
        "name": BOARD,
        "services": [BOARD],
        "scopes": [
            "list:users",
            "read:users:name",
            "read:users:activity",
            "read:servers",
            "servers",
        ],
    },
]
print(f"The teacher's board: /services/board, as {TEACHER!r} with the password in {PLACE.hub / 'teacher_password'}")
