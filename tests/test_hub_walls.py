"""Isolation of learners, as far as no hub has to run: accounts, and where the hub refuses to start."""

from __future__ import annotations

import pytest
from class_hub import class_folder, needs_root, walls

pytestmark = needs_root


def test_accounts_are_new_ones_and_go_with_the_class():
    with class_folder() as place:
        one = walls.account("root", place.learners)  # a name that the machine has
        assert one.pw_uid >= 1000 and one.pw_shell.endswith("nologin")
        assert (place.learners / "root").stat().st_mode & 0o777 == 0o700
        assert walls.account("root", place.learners) == one
        walls.remove_accounts(place.learners)
        assert walls.accounts(place.learners) == []


def test_a_folder_that_is_closed_or_that_everybody_can_change_is_refused(monkeypatch, tmp_path):
    (tmp_path / "closed").mkdir(mode=0o700)
    with pytest.raises(walls.WallError, match="lets nobody else in"):
        walls.check(tmp_path / "closed")
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
