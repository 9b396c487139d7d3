"""JupyterHub for a class, as `make hub` starts it; jupyterhub_config.py beside this file has the settings."""

from __future__ import annotations

import sys
from pathlib import Path

import walls
from class_place import Place
from jupyterhub.app import JupyterHub
from sqlalchemy.exc import SQLAlchemyError


class ClassHub(JupyterHub):
    async def cleanup(self):
        """JupyterHub 6.1 stays, and ends nothing, where the disk is full and its database can't be written."""
        commit = self.db.commit

        def commit_if_possible() -> None:
            try:
                commit()
            except SQLAlchemyError as error:
                self.log.error("Not written to the database: %s", error)
                self.db.rollback()

        self.db.commit = commit_if_possible
        await super().cleanup()
        if walls.possible():  # of some, a hub that was killed and started again knows nothing
            for one in walls.accounts(Place.from_environment().learners):
                walls.end_processes(one)


if __name__ == "__main__":
    ClassHub.launch_instance(["-f", str(Path(__file__).with_name("jupyterhub_config.py")), *sys.argv[1:]])
