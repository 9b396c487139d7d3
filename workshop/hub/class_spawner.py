"""Each learner's server: a process on this machine, under an account and in a folder of the learner's own, with limits."""

from __future__ import annotations

import asyncio
import os
import pwd
import shutil
import tempfile
from pathlib import Path

import walls
from class_place import Place, free_port
from class_push import change_files
from jupyterhub.spawner import LocalProcessSpawner, set_user_setuid
from traitlets import Unicode


class ClassSpawner(LocalProcessSpawner):
    """With walls, where the hub is root; without, all servers run under the account that started the hub."""

    class_folder = Unicode(config=True, help="where the class is kept")
    # A server that is asked to end tells its kernels; one that computes doesn't listen, and is ended by its account.
    interrupt_timeout, term_timeout, kill_timeout = 1, 1, 1
    # A port of a server that died is soon anybody's: until the hub looks, it would send the learner's browser there.
    poll_interval = 1
    sockets = ""

    @property
    def place(self) -> Place:
        return Place(Path(self.class_folder))

    @property
    def home(self) -> Path:
        return self.place.learners / self.user.name

    @property
    def account(self) -> pwd.struct_passwd | None:
        return walls.account(self.user.name, self.place.learners) if walls.possible() else None

    def make_preexec_fn(self, name):
        one = self.account
        if one is None:
            return walls.into_the_walls(lambda: os.chdir(self.home), name)
        return walls.into_the_walls(set_user_setuid(one.pw_name), one.pw_name, one.pw_uid)

    def user_env(self, env):
        sockets = {
            "JUPYTER_RUNTIME_DIR": self.sockets,
            "TUTORIAL_PROGRESS": str(self.home / ".progress.jsonl"),
        }
        user = self.account.pw_name if self.account else self.user.name
        return {
            **env,
            **sockets,
            "USER": user,
            "LOGNAME": user,
            "HOME": str(self.home),
            "SHELL": "/bin/sh",
        }

    async def start(self):
        """Give the learner their files, and start the server on a port that is really its own."""
        if self.account:  # of a server that was on its way when the hub crashed, nobody knows any more
            await asyncio.to_thread(walls.end_processes, self.account)
        trouble = await asyncio.to_thread(change_files, "give", self.place, self.user.name)
        if trouble:
            raise OSError(f"The files of {self.user.name} can't be written: {trouble}")
        self.sockets = self._folder_for_sockets()
        self.port = free_port()
        # Not the hub's own output: what a learner writes there would reach the teacher's terminal.
        with self.place.log(self.user.name).open("ab") as log:
            self.popen_kwargs = {"stdout": log, "stderr": log}
            address = await super().start()
        while (owner := listener(self.port)) is None and await self.poll() is None:
            await asyncio.sleep(0.2)
        if owner != (self.account.pw_uid if self.account else os.getuid()):
            await self.stop(now=True)
            raise OSError(f"Port {self.port} is not that of the server of {self.user.name}: start it again.")
        return address

    async def run_post_stop_hook(self):
        """However the server ended, by its learner's own hand too: what they left running ends, and its sockets go."""
        if self.account:
            await asyncio.to_thread(walls.end_processes, self.account)
        shutil.rmtree(self.sockets, ignore_errors=True)

    def get_state(self):
        return {**super().get_state(), "sockets": self.sockets}

    def load_state(self, state):
        super().load_state(state)
        self.sockets = state.get("sockets", "")

    def _folder_for_sockets(self) -> str:
        """Kernels speak over sockets in this folder instead of ports, five for each, which clash and are open to all.

        The name of such a socket may have some 100 characters, so the folder isn't the learner's own.
        """
        folder = tempfile.mkdtemp(prefix="class-", dir="/tmp")
        if self.account:
            os.chown(folder, self.account.pw_uid, self.account.pw_gid)
        return folder


def listener(port: int) -> int | None:
    """Whose process listens on this port of the loopback address; None if there is none."""
    try:
        lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    except OSError:  # no Linux: then there are no walls either
        return os.getuid()
    for line in lines:
        fields = line.split()
        if fields[1] == f"0100007F:{port:04X}" and fields[3] == "0A":
            return int(fields[7])
    return None
