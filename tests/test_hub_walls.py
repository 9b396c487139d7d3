"""The walls between learners, as far as no hub has to run: accounts, folders, and who may start it."""

from __future__ import annotations

import os
import socket

import pytest
from class_hub import HUB, class_folder, needs_root, walls
from class_place import free_port
from class_spawner import listener


def test_a_port_that_somebody_else_took_is_seen():
    port = free_port()
    with socket.socket() as ours:
        ours.bind(("127.0.0.1", port))
        assert listener(port) is None
        ours.listen()
        assert listener(port) == os.getuid()


@needs_root
def test_accounts_are_new_ones_and_go_with_the_class():
    with class_folder() as place:
        one = walls.account("root", place.learners)  # a name that the machine has
        assert one.pw_uid >= 1000 and one.pw_shell.endswith("nologin")
        assert (place.learners / "root").stat().st_mode & 0o777 == 0o700
        assert walls.account("root", place.learners) == one
        walls.remove_accounts(place.learners)
        assert walls.accounts(place.learners) == []


@needs_root
def test_the_walls_do_not_stand_in_a_closed_folder(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(walls.WallError, match="lets nobody else in"):
        walls.check(tmp_path / "closed")


@needs_root
def test_the_walls_do_not_stand_on_ground_that_everybody_can_change(monkeypatch):
    with class_folder() as place:
        open_to_all = place.folder / "open"
        (open_to_all / "class").mkdir(parents=True)
        open_to_all.chmod(0o777)
        with pytest.raises(walls.WallError, match="chmod o-w"):
            walls.check(open_to_all / "class")
        project = place.folder / "project"
        for part in (*walls.ROOMS, "notebooks", "workshop", ".venv/share/jupyter"):
            (project / part).mkdir(parents=True)
        monkeypatch.setattr(walls, "ROOT", project)
        walls.check(place.folder)
        (project / ".venv/share/jupyter").chmod(0o777)
        with pytest.raises(walls.WallError, match="chmod -R o-w"):
            walls.check(place.folder)


def test_the_guide_names_each_limit_and_whether_it_holds_here():
    guide = (HUB / "README.md").read_text()
    for limit in walls.holds():
        assert f"| {limit} |" in guide
