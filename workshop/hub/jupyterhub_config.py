"""JupyterHub for a class on one machine, as `make hub` starts it: what it has by default, for the accounts of accounts.py."""

import asyncio
import ctypes
import os
import resource
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import accounts  # noqa: E402

c = get_config()  # noqa: F821  (given by JupyterHub)
os.umask(0o077)
LIBC = ctypes.CDLL(None)
PYTHON, PORTS = accounts.python_for_learners(), accounts.ports()
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # connections, which anyone in the room can open and leave

# Who comes in: the accounts of the class, with the passwords that are on their slips, checked by PAM.
c.JupyterHub.authenticator_class = "pam"
c.PAMAuthenticator.open_sessions = False  # a login on a terminal is more than they need
c.Authenticator.allowed_users = set(accounts.accounts())
c.JupyterHub.hub_port = PORTS["hub"]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{PORTS['proxy']}"
c.JupyterHub.ssl_key, c.JupyterHub.ssl_cert = accounts.TLS
c.ConfigurableHTTPProxy.command = [str(accounts.ROOT / ".venv/proxy/node_modules/.bin/configurable-http-proxy")]
c.JupyterHub.log_level = c.ConfigurableHTTPProxy.log_level = "WARN"

# What each gets: a server under their account, in their home.
c.Spawner.cmd = [PYTHON, "-P", "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab/tree/work/00_start_here.ipynb"
c.Spawner.args = [
    "--ServerApp.log_level=WARN",
    "--ServerApp.terminals_enabled=False",
    "--KernelManager.transport=ipc",  # sockets in their home: on ports of the machine others could read outputs
    # A notebook that was left open keeps 200 MB: after so many seconds without a cell run its kernel ends.
    "--MappingKernelManager.cull_idle_timeout=2700",
    "--MappingKernelManager.cull_connected=True",
    "--ServerApp.shutdown_no_activity_timeout=3600",
]
c.Spawner.environment = {
    "PATH": f"{Path(PYTHON).parent}:{os.defpath}",
    "PYTHONPATH": str(accounts.HUB),
    # Of the two the first has a kernel without a debugger, which would open a port to all accounts.
    "JUPYTER_PATH": f"{HERE}:{accounts.HUB / 'share' / 'jupyter'}",
    "JUPYTER_CONFIG_PATH": str(accounts.HUB / "etc" / "jupyter"),  # of jupyter-resource-usage
}
if not any(accounts.TLS):  # a live token would pass through the room's network
    c.Spawner.environment["TUTORIAL_LIVE_REFUSED"] = (
        "Not on this hub: it speaks HTTP, which the network can read. Go live on a machine of your own."
    )
# A whole class clicks "Start" in the same minute; on a busy machine a server takes its time.
c.Spawner.start_timeout = c.Spawner.http_timeout = 300  # seconds

SYSTEMD = Path("/run/systemd/system").exists()
if SYSTEMD:
    from systemdspawner import SystemdSpawner as Spawner

    c.SystemdSpawner.unit_name_template = UNIT = "hub-{USERNAME}"
    c.SystemdSpawner.mem_limit = "2G"
    c.SystemdSpawner.isolate_tmp = c.SystemdSpawner.isolate_devices = c.SystemdSpawner.disable_user_sudo = True
    c.SystemdSpawner.unit_extra_properties = {
        "CPUWeight": "100",  # alike for all
        "MemorySwapMax": "0",
        "TasksMax": "400",
        "InaccessiblePaths": "-/run/dbus",  # by which one could ask for processes outside of the limits
        "TimeoutStopSec": "5",
        "UMask": "0077",
        "ProtectProc": "invisible",  # others' processes
        "TemporaryFileSystem": "/dev/shm:mode=1777",
    }
else:
    from jupyterhub.spawner import LocalProcessSpawner as Spawner

    # Not our terminal: learners can write where their servers do, and a terminal obeys.
    log = os.open("servers.log", os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
    c.LocalProcessSpawner.popen_kwargs = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log}
    print("There is no systemd here: nothing limits what memory, processes and processors a learner takes.", flush=True)


class ClassSpawner(Spawner):
    """Start a server, and make sure that it is the learner's own that listens: another's cell may have been faster."""

    poll_interval = 5  # seconds: the port of a server that died is anybody's until the hub looks

    def make_preexec_fn(self, name):  # where there is no systemd
        become = super().make_preexec_fn(name)

        def preexec():
            become()
            LIBC.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS: no program gives more rights, a neighbour's neither

        return preexec

    async def start(self):
        address = await super().start()
        while (owner := accounts.listener(self.port)) is None and await self.poll() is None:
            await asyncio.sleep(0.2)
        if owner != accounts.accounts()[self.user.name].pw_uid:
            await self.stop()
            raise OSError(f"Another program took the port of {self.user.name}'s server: start it again.")
        return address


async def give(spawner):
    """Bring the learner's files up to date before their server starts."""
    await clear(spawner)
    try:
        await asyncio.to_thread(accounts.give, spawner.user.name)
    except SystemExit as error:
        raise OSError(f"The notebooks can't be written: {error}") from None


async def clear(spawner):
    """End what a learner left running, however their server ended."""
    await asyncio.to_thread(accounts.end_processes, spawner.user.name)
    if SYSTEMD:
        # A unit that is still on its way down has a folder that is the learner's, and the spawner would write into it as
        # root: through a link, if they put one there.
        unit = UNIT.format(USERNAME=spawner.user.name)
        await asyncio.to_thread(subprocess.run, ["systemctl", "stop", unit], stderr=subprocess.DEVNULL)


c.JupyterHub.spawner_class = ClassSpawner
c.Spawner.pre_spawn_hook, c.Spawner.post_stop_hook = give, clear
c.JupyterHub.services = [  # the board, which the teacher alone may open
    {
        "name": "board",
        "url": f"http://127.0.0.1:{PORTS['board']}",
        "command": [sys.executable, str(HERE / "board.py")],
        "environment": {"CLASS": accounts.CLASS},
        "oauth_no_confirm": True,
    }
]
c.JupyterHub.load_roles = [  # less than an admin: not into others' servers, and no hub is shut down by a click
    {
        "name": "teacher",
        "users": [accounts.TEACHER],
        "scopes": ["self", "admin-ui", "list:users", "read:users", "read:servers", "servers", "access:services"],
    }
]
