"""The hub's door: guesses wait, nobody takes another's name, and what is missing is told before a class begins."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import class_login
import pytest
from class_hub import HUB, PASSWORD, class_folder, walls
from class_login import ClassAuthenticator
from class_place import Place
from tornado.web import HTTPError
from traitlets.config.loader import PyFileConfigLoader


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """The clock of the throttles, which stands still until a test moves it."""
    clock = SimpleNamespace(now=1000.0)
    monkeypatch.setattr(class_login.time, "monotonic", lambda: clock.now)
    return clock


@pytest.fixture
def door(tmp_path) -> ClassAuthenticator:
    return ClassAuthenticator(user_password=PASSWORD, words=str(tmp_path), allow_all=True)


async def knock(door, name="anna", password=PASSWORD, word="my own word", address="192.0.2.1"):
    """Return True for in, False for refused, and 429 for too many guesses."""
    # A browser may write the header, too: the hub's own proxy adds the true address at its end.
    headers = {"X-Forwarded-For": f"10.9.8.{hash(name) % 250}, {address}"}
    request = SimpleNamespace(headers=headers, remote_ip="127.0.0.1")
    try:
        data = {"username": name, "password": password, "otp": word}
        return bool(await door.authenticate(SimpleNamespace(request=request), data))
    except HTTPError as error:
        return error.status_code


def test_guesses_for_one_name_wait_also_those_at_the_same_moment(door, clock):
    async def attack():
        assert await knock(door) is True
        said = await asyncio.gather(*(knock(door, word=f"guess {one}") for one in range(100)))
        assert said.count(False) == 6 and said.count(429) == 94
        assert await knock(door) == 429  # the right one has to wait too, else waiting would tell
        clock.now += 2
        assert await knock(door) is True

    asyncio.run(attack())


def test_guesses_for_many_names_from_one_address_wait(door, clock):
    async def attack():
        said = [await knock(door, name=f"name-{number}", password="guess") for number in range(200)]
        assert said.count(False) == 101 and said.count(429) == 99
        assert await knock(door, name="elsewhere", address="192.0.2.77") is True
        clock.now += 2.1  # a class behind that address is slowed down, not shut out
        assert await knock(door, name="another") is True

    asyncio.run(attack())


def test_of_those_who_take_a_name_at_the_same_moment_one_has_it(door, tmp_path):
    async def race():
        return await asyncio.gather(*(knock(door, word=f"word of {one}") for one in range(6)))

    assert asyncio.run(race()).count(True) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["anna"]


def settings(monkeypatch, place: Place, **environment: str):
    """Return the hub's configuration with these settings. Raises SystemExit with the message of a refusal."""
    for name in ("CLASS_TLS_KEY", "CLASS_TLS_CERT"):
        monkeypatch.delenv(name, raising=False)
    given = {
        "CLASS_WITHOUT_WALLS": "we trust each other",
        "CLASS_PASSWORD": PASSWORD,
        "CLASS_FOLDER": str(place.folder),
    }
    for name, value in (given | environment).items():
        monkeypatch.setenv(name, value)
    mask = os.umask(0o022)
    try:
        return PyFileConfigLoader(str(HUB / "jupyterhub_config.py")).load_config()
    finally:
        os.umask(mask)


def test_it_does_not_start_without_a_good_password_nor_without_root_where_nobody_agreed(monkeypatch, tmp_path):
    place = Place(tmp_path / "new")
    with pytest.raises(SystemExit, match="choose a password of at least 8 characters"):
        settings(monkeypatch, place, CLASS_PASSWORD="short")
    monkeypatch.setattr(walls, "possible", lambda: False)
    with pytest.raises(SystemExit, match="set CLASS_WITHOUT_WALLS='we trust each other'"):
        settings(monkeypatch, place, CLASS_WITHOUT_WALLS="yes")
    assert not place.folder.exists()


@pytest.mark.slow
def test_tls_by_two_settings_and_live_tokens_only_behind_it(monkeypatch, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    key.touch(mode=0o600)
    with class_folder() as place:
        plain = settings(monkeypatch, place)
        assert "HTTP" in plain.ClassSpawner.environment["TUTORIAL_LIVE_REFUSED"]
        assert plain == settings(monkeypatch, place)  # ports, keys and the teacher's password stay the same
        with pytest.raises(SystemExit, match="CLASS_TLS_CERT is '', which can't be read"):
            settings(monkeypatch, place, CLASS_TLS_KEY=str(key))
        certificate.touch()
        tls = {"CLASS_TLS_KEY": str(key), "CLASS_TLS_CERT": str(certificate)}
        safe = settings(monkeypatch, place, **tls)
        key.chmod(0o644)
        with pytest.raises(SystemExit, match="chmod 600"):
            settings(monkeypatch, place, **tls)
    assert safe.JupyterHub.bind_url == "https://:8000" and safe.JupyterHub.ssl_key == str(key)
    assert ("TUTORIAL_LIVE_REFUSED" in safe.ClassSpawner.environment) == (not walls.possible())


def test_the_doctor_says_what_is_missing(monkeypatch, tmp_path):
    import class_doctor

    monkeypatch.setattr(class_doctor, "PROXY", tmp_path / "nothing")
    found = list(class_doctor.checks(10_000, Place(tmp_path / "class"), ("", 8000)))
    wrong = " ".join(what for what, fine, _ in found if not fine)
    assert "memory for 10000 learners" in wrong and "disk" in wrong and "the hub's proxy" in wrong
    assert all(fine or otherwise for _, fine, otherwise in found)
    assert not (tmp_path / "class").exists()
