"""A hub for a class on one machine: `CLASS_PASSWORD=… make hub`. README.md beside this file explains the settings."""

import os
import sys
from functools import partial
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE))

from class_login import ClassAuthenticator  # noqa: E402
from class_spawner import ClassSpawner, make_template, prepare, tidy_up  # noqa: E402
from jupyterhub.utils import random_port  # noqa: E402

SHORTEST = 8  # characters
PASSWORD = os.environ.get("CLASS_PASSWORD", "")
if len(PASSWORD.strip()) < SHORTEST:
    sys.exit(
        f"CLASS_PASSWORD is {'too short' if PASSWORD.strip() else 'not set'}: choose a password of at least "
        f"{SHORTEST} characters for the class, and run: CLASS_PASSWORD=… make hub"
    )
DATA = Path(os.environ.get("CLASS_FOLDER") or ROOT / "build" / "hub").resolve()
LEARNERS = DATA / "learners"
LEARNERS.mkdir(parents=True, exist_ok=True)
DATA.chmod(0o700)

c = get_config()  # noqa: F821  (given by JupyterHub)

# Who comes in
c.JupyterHub.authenticator_class = ClassAuthenticator
c.ClassAuthenticator.user_password = PASSWORD
c.ClassAuthenticator.words_file = str(DATA / "words.json")
c.ClassAuthenticator.allow_all = True
c.JupyterHub.template_vars = {
    "announcement_login": "Choose a username of small letters a to z, digits, - and _, which begins with a letter; the "
    "password is that of the class. The third field is a word that you choose now and need again. Refused, and all of "
    "that is right? Then somebody else has the name: choose another."
}

# Where it listens. Only the first address is for others; the hub and its proxy talk over loopback.
c.JupyterHub.bind_url = os.environ.get("CLASS_ADDRESS", "http://:8000")
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{random_port()}"
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{random_port()}"
c.ConfigurableHTTPProxy.command = [
    str(ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy")
]
c.ConfigurableHTTPProxy.pid_file = str(DATA / "proxy.pid")
c.JupyterHub.db_url = f"sqlite:///{DATA / 'hub.sqlite'}"
c.JupyterHub.cookie_secret_file = str(DATA / "cookie_secret")

# What each learner gets
c.JupyterHub.spawner_class = ClassSpawner
c.ClassSpawner.home_dir_template = str(LEARNERS / "{username}")
c.ClassSpawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.ClassSpawner.args = [
    "--ServerApp.terminals_enabled=False",
    "--KernelManager.transport=ipc",
    # A notebook that was left open keeps 200 MB: after so many seconds without a cell run its kernel ends.
    "--MappingKernelManager.cull_idle_timeout=2700",
    "--MappingKernelManager.cull_connected=True",
    *(["--allow-root"] if os.geteuid() == 0 else []),
]
c.ClassSpawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.ClassSpawner.pre_spawn_hook = partial(prepare, make_template(DATA / "template"))
c.ClassSpawner.post_stop_hook = tidy_up

# Limits: a whole class clicks "Start" in the same minute. Nobody is sent away then; on a busy machine a server takes
# its time.
c.JupyterHub.active_server_limit = int(os.environ.get("CLASS_SIZE", "40"))
c.JupyterHub.concurrent_spawn_limit = 0  # no limit
c.ClassSpawner.start_timeout = 180  # seconds
c.ClassSpawner.http_timeout = 180

# Servers that nobody has used for an hour end, and so do their kernels and sandboxes
CULLER = "idle-culler"
c.JupyterHub.services = [
    {"name": CULLER, "command": [sys.executable, "-m", "jupyterhub_idle_culler", "--timeout=3600"]}
]
c.JupyterHub.load_roles = [
    {
        "name": CULLER,
        "services": [CULLER],
        "scopes": ["list:users", "read:users:activity", "read:servers", "delete:servers"],
    }
]
