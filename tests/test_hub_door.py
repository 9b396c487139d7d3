"""The hub's door under attack: guesses wait, hashing is off the loop, TLS is checked, and live tokens need both walls and TLS."""

from __future__ import annotations

import asyncio
import os
import threading
from types import SimpleNamespace

import class_login
import pytest
from class_hub import HUB, PASSWORD, class_folder, walls
from class_login import ClassAuthenticator, Throttle
from class_place import Place
from tornado.web import HTTPError
from traitlets.config.loader import PyFileConfigLoader


class Clock:
    """The clock of the throttles, which stands still until a test moves it."""

    def __init__(self, monkeypatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(class_login.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def door(tmp_path) -> ClassAuthenticator:
    return ClassAuthenticator(user_password=PASSWORD, words=str(tmp_path), allow_all=True)


async def knock(door, name="anna", password=PASSWORD, word="my own word", address="192.0.2.1", headers=()):
    """True for in, False for refused, and the seconds to wait for "too many"."""
    request = SimpleNamespace(
        headers={"X-Forwarded-For": f"10.9.8.7, {address}", **dict(headers)}, remote_ip="127.0.0.1"
    )
    try:
        data = {"username": name, "password": password, "otp": word}
        return bool(await door.authenticate(SimpleNamespace(request=request), data))
    except HTTPError as error:
        return error.status_code


def test_two_hundred_guesses_for_one_name_are_six(door, clock):
    async def attack():
        said = [await knock(door, password=f"guess {number}") for number in range(200)]
        assert said == [False] * 6 + [429] * 194
        assert await knock(door) == 429  # the right one has to wait too, else waiting would tell
        clock.now += 2
        assert await knock(door) is True
        assert await knock(door, password="wrong") is False  # and begins anew

    asyncio.run(attack())


def test_guesses_for_many_names_from_one_address_wait_whatever_they_say_of_themselves(door, clock):
    async def attack():
        said = []
        for number in range(200):
            lie = {"X-Real-Ip": f"198.51.100.{number}", "Forwarded": f"for=198.51.100.{number}"}
            said.append(await knock(door, name=f"name-{number}", password="guess", headers=lie.items()))
        assert said.count(False) == 101 and said.count(429) == 99
        assert await knock(door, name="elsewhere", address="192.0.2.77") is True
        clock.now += 2.1  # a class behind that address is slowed down, not shut out
        assert await knock(door, name="another") is True

    asyncio.run(attack())


def test_guesses_at_the_same_moment_are_counted_too(door, clock):
    async def attack():
        assert await knock(door) is True
        return await asyncio.gather(*(knock(door, word=f"guess {one}") for one in range(100)))

    said = asyncio.run(attack())
    assert said.count(False) == 6 and said.count(429) == 94


def test_a_class_that_comes_in_at_once_from_one_address_does_not_wait(door, clock, monkeypatch):
    monkeypatch.setattr(class_login, "_hash", lambda word, salt: f"{word}{salt}".replace(" ", ""))

    async def crowd():
        return [await knock(door, name=f"learner-{one}") for one in range(100)]

    assert asyncio.run(crowd()) == [True] * 100


def test_waits_double_up_to_a_limit_and_are_forgotten(clock):
    throttle, waits = Throttle(free=2, most=30), []
    for _ in range(10):
        throttle.wrong("anna")
        waits.append(throttle.wait("anna"))
    assert waits == [0, 0, 2, 4, 8, 16, 30, 30, 30, 30]
    clock.now += Throttle.FORGETS
    throttle.wrong("anna")
    assert throttle.wait("anna") == 0


def test_a_storm_of_names_takes_no_memory_for_ever(clock):
    throttle = Throttle(free=2, most=30)
    for number in range(50_000):
        clock.now += 0.01
        throttle.wrong(f"name-{number}")
    assert len(throttle._wrong) <= 10_001


def test_words_are_hashed_aside_and_two_at_a_time(door, monkeypatch):
    hashed, at_once = [], []
    running = threading.Semaphore(0)

    def slow(word: str, salt: str) -> str:
        running.release()
        at_once.append(running._value)
        hashed.append(threading.current_thread() is threading.main_thread())
        threading.Event().wait(0.01)
        running.acquire()
        return f"{word}{salt}".replace(" ", "")

    monkeypatch.setattr(class_login, "_hash", slow)

    async def crowd():
        return await asyncio.gather(*(knock(door, name=f"learner-{one}") for one in range(12)))

    assert asyncio.run(crowd()) == [True] * 12
    assert not any(hashed) and max(at_once) <= 2


def test_of_two_who_take_a_name_at_once_one_has_it(door, tmp_path):
    async def race():
        return await asyncio.gather(*(knock(door, word=f"word of {one}") for one in range(6)))

    assert asyncio.run(race()).count(True) == 1
    assert [one.name for one in tmp_path.iterdir()] == ["anna"]


@pytest.mark.parametrize("password", [" " * 12, "short"])
def test_without_a_good_password_it_does_not_start(password, monkeypatch, tmp_path):
    with pytest.raises(SystemExit, match="choose a password of at least 8 characters"):
        settings(monkeypatch, Place(tmp_path / "new"), CLASS_PASSWORD=password)
    assert not (tmp_path / "new").exists()


def test_without_root_it_starts_only_where_all_trust_each_other(monkeypatch, tmp_path):
    monkeypatch.setattr(walls, "possible", lambda: False)
    with pytest.raises(SystemExit, match="set CLASS_WITHOUT_WALLS='we trust each other'"):
        settings(monkeypatch, Place(tmp_path / "new"), CLASS_WITHOUT_WALLS="yes")
    assert not (tmp_path / "new").exists()


def settings(monkeypatch, place: Place, **environment: str):
    """The hub's configuration with these settings. Raises SystemExit with what it says."""
    for name in ("CLASS_TLS_KEY", "CLASS_TLS_CERT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLASS_WITHOUT_WALLS", "we trust each other")
    for name, value in {
        "CLASS_PASSWORD": PASSWORD,
        "CLASS_FOLDER": str(place.folder),
        **environment,
    }.items():
        monkeypatch.setenv(name, value)
    mask = os.umask(0o022)
    try:
        return PyFileConfigLoader(str(HUB / "jupyterhub_config.py")).load_config()
    finally:
        os.umask(mask)


@pytest.mark.slow
def test_tls_by_two_settings_and_live_only_behind_it(monkeypatch, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    with class_folder() as place:
        plain = settings(monkeypatch, place)
        assert "HTTP" in plain.ClassSpawner.environment["TUTORIAL_LIVE_REFUSED"]
        with pytest.raises(SystemExit, match="CLASS_TLS_CERT is '', which can't be read"):
            key.touch(mode=0o600)
            settings(monkeypatch, place, CLASS_TLS_KEY=str(key))
        certificate.touch()
        key.chmod(0o644)
        tls = {"CLASS_TLS_KEY": str(key), "CLASS_TLS_CERT": str(certificate)}
        with pytest.raises(SystemExit, match="chmod 600"):
            settings(monkeypatch, place, **tls)
        key.chmod(0o600)
        safe = settings(monkeypatch, place, **tls)
    assert safe.JupyterHub.bind_url == "https://:8000" and safe.JupyterHub.ssl_key == str(key)
    assert ("TUTORIAL_LIVE_REFUSED" in safe.ClassSpawner.environment) == (not walls.possible())


@pytest.mark.slow
def test_ports_keys_and_the_teachers_password_stay_the_same(monkeypatch):
    with class_folder() as place:
        one, two = (settings(monkeypatch, place) for _ in range(2))
        assert one == two
        assert len(place.teacher_password()) >= 32
        for file in ("teacher_password",):
            assert (place.hub / file).stat().st_mode & 0o077 == 0


def test_the_doctor_says_what_is_missing(monkeypatch, tmp_path):
    import class_doctor

    monkeypatch.setattr(class_doctor, "PROXY", tmp_path / "nothing")
    found = list(class_doctor.checks(10_000, Place(tmp_path / "class"), ("", 8000)))
    wrong = [what for what, fine, _ in found if not fine]
    assert [what for what in wrong if what.startswith("memory for 10000 learners")]
    assert [what for what in wrong if what.startswith("disk")] and "the hub's proxy" in wrong
    assert all(fine or otherwise for _, fine, otherwise in found)
    assert not (tmp_path / "class").exists()
