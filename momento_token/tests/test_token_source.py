"""Which copy is served when, step by step: the clock stands still and a read lands when told to."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from itertools import pairwise

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes import Clock, Service, Steps, at_once, failure, new_api_key, until

from momento_token.observer import Observer
from momento_token.token_source import State, TokenSource, TokenUnavailable, backoff

TTL, MAX_AGE, PATIENCE, RETRY, MAX_RETRY = 10.0, 100.0, 1.0, 1.0, 30.0
THROTTLED = failure("ThrottlingException")
DENIED = failure("AccessDeniedException")


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(service, clock):
    """Sources whose reads are over at once, unless `in_background` says otherwise."""

    def make(**settings) -> TokenSource:
        times = {"ttl": TTL, "max_age": MAX_AGE, "retry": RETRY, "max_retry": MAX_RETRY}
        defaults = {**times, "patience": PATIENCE, "clock": clock, "in_background": at_once}
        return TokenSource(service, "s", **{**defaults, **settings})

    return make


def test_it_waits_no_longer_than_it_must():
    service = Service()
    source = TokenSource(service, "s")
    assert source.state == State.EMPTY
    assert source.get() == service.value and source.state == State.FRESH


def test_states_over_a_life(make, service, clock):
    steps = Steps()
    source = make(in_background=steps, timeout=0)
    assert source.state == "empty"
    with pytest.raises(TokenUnavailable, match="within 0 s"):
        source.get()
    steps.land()
    assert source.state == "fresh"
    clock.now += 0.76 * TTL
    assert source.state == "due" and source.get() == service.value and len(steps) == 1
    clock.now += 0.3 * TTL
    assert source.state == "stale"
    service.error = THROTTLED
    steps.land()
    assert source.state == "stale" and source.get() == service.value
    clock.now += MAX_AGE
    assert source.state == "unavailable"
    service.error = DENIED
    with pytest.raises(TokenUnavailable):
        source.get()
    steps.land()
    assert source.state == "denied"
    service.error = None
    source.reset()
    assert source.state == "empty"


def test_an_unchanged_secret_changes_nothing_and_a_new_version_is_a_new_number(
    make, service, clock
):
    source = make()
    first = source.get()
    clock.now += TTL + 1
    assert source.get() is first
    key = new_api_key()
    service.rotate(f"  {key}\n")
    clock.now += TTL + 1
    token = source.get()
    assert token == key and token.number == first.number + 1
    assert source.has_newer(first) and not source.has_newer(token)


def test_it_serves_the_old_copy_up_to_its_age_and_says_so(make, service, clock, caplog):
    source = make()
    token = source.get()
    service.error = THROTTLED
    clock.now += MAX_AGE - 1
    assert source.get() == token
    assert source.stale == 1 and "ThrottlingException" in str(source.problem)
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    clock.now += 2
    with pytest.raises(TokenUnavailable, match="ThrottlingException"):
        source.get()
    service.error = None
    clock.now += MAX_RETRY
    assert source.get() == token and source.problem is None
    assert "can be read again" in caplog.text


# A copy is not served for longer than it may


def test_a_problem_that_nobody_has_looked_at_excuses_no_old_copy(make, service, clock):
    source = make()
    source.get()
    service.error = THROTTLED
    clock.now += 0.76 * TTL
    source.get()  # one failed refresh
    service.error = None
    new = service.rotate()
    clock.now += MAX_AGE / 2  # and no reads for a while
    assert source.get() == new and source.stale == 0


def test_a_retry_in_an_outage_makes_nobody_wait(make, service, clock):
    source, steps = make(), Steps()
    source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    source.get()
    source._in_background = steps
    clock.now = source._retry_at + PATIENCE / 2
    assert source._look(None) == (None, 0) and len(steps) == 1


def test_nor_does_it_hide_that_the_permission_was_taken_away(make, service, clock):
    source = make()
    source.get()
    service.error = THROTTLED
    clock.now += 0.76 * TTL
    source.get()
    service.error = DENIED
    clock.now += MAX_AGE / 2
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        source.get()


def test_a_denial_stops_at_once_unless_there_is_a_grace(make, service, clock):
    strict, patient = make(), make(denial_grace=5, retry=0)
    token = strict.get()
    patient.get()
    service.error = DENIED
    clock.now += TTL + 1
    with pytest.raises(TokenUnavailable):
        strict.get()
    for _ in range(5):
        assert patient.get() == token and patient.state == "denied"
        clock.now += 0.9
    clock.now += 1
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        patient.get()
    assert patient.stale == 5


def test_a_grace_counts_from_the_first_no_and_ends_with_a_yes(make, service, clock):
    source = make(denial_grace=5, retry=0)
    token = source.get()
    service.error = DENIED
    clock.now += TTL + 1
    source.get()
    service.error = THROTTLED  # in between it can't be asked
    clock.now += 4
    assert source.get() == token
    service.error = DENIED
    clock.now += 2
    with pytest.raises(TokenUnavailable):
        source.get()
    service.error = None
    assert source.get() == token
    service.error = DENIED
    clock.now += TTL + 1
    assert source.get() == token  # a grace of its own


# Nobody waits for longer than he must


def test_a_reader_with_a_copy_waits_for_its_patience_and_gets_the_copy(make, clock):
    steps = Steps()
    source = make(in_background=steps, patience=0.05)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    clock.now += TTL + 1
    assert source.get() == source.get() and len(steps) == 1  # after a wait for nothing
    assert source.stale == 2
    clock.now += 0.06
    assert source._look(None)[1] == 0  # who comes later doesn't wait at all


def test_a_reader_without_a_copy_waits_for_the_timeout(make):
    with pytest.raises(TokenUnavailable, match="not answered for s within 0.05 s") as caught:
        make(in_background=Steps(), timeout=0.05).get()
    assert not caught.value.denied and caught.value.code == "NoAnswer"


def test_the_callers_own_bound_is_the_shorter_one(make):
    source = make(in_background=Steps(), timeout=60)
    with pytest.raises(TokenUnavailable, match="within 0.02 s"):
        source.get(timeout=0.02)
    with pytest.raises(TokenUnavailable, match="within 0.02 s"):
        asyncio.run(source.aget(timeout=0.02))


def test_a_read_that_hangs_makes_no_second_one(make, service, clock):
    steps = Steps()
    source = make(in_background=steps, timeout=0, read_timeout=1_000)
    for _ in range(10):
        with pytest.raises(TokenUnavailable):
            source.get()
        clock.now += 9
    assert len(steps) == 1
    steps.land()
    assert source.get() == service.value


# It asks no more often than it should


def test_failures_are_followed_by_longer_and_longer_pauses(make, service, clock):
    source = make()
    service.error = THROTTLED
    asked, end = [], clock.now + 600
    while clock.now < end:
        before = service.calls
        with pytest.raises(TokenUnavailable):
            source.get()
        if service.calls > before:
            asked.append(clock.now)
        clock.now += 0.05
    pauses = [later - earlier for earlier, later in pairwise(asked)]
    assert max(pauses) <= MAX_RETRY + 0.1 and pauses[0] <= RETRY + 0.1
    assert len(asked) <= 15 + 600 / (MAX_RETRY / 4)
    service.error = None
    clock.now += MAX_RETRY
    source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    source.get()
    assert source._retry_at - clock.now <= RETRY  # it began anew


def test_the_pauses_are_drawn_at_random_from_their_whole_range():
    for failures, most in ((1, 1), (2, 2), (4, 8), (6, 30), (10_000, 30)):
        drawn = [backoff(failures, 1, 30) for _ in range(2_000)]
        assert 0 <= min(drawn) < 0.05 * most and 0.95 * most < max(drawn) <= most


def test_a_fleet_does_not_ask_in_step(make, clock):
    sources = [make() for _ in range(200)]
    for source in sources:
        source.get()
    due = sorted(source._copy.refresh_at - clock.now for source in sources)
    assert TTL / 2 <= due[0] < 0.55 * TTL and 0.7 * TTL < due[-1] <= 0.75 * TTL


# A token that Momento refused


def test_a_refused_token_is_asked_for_anew_once_in_a_while(make, service, clock):
    source = make(ttl=1000, max_age=1000, retry=5, max_retry=5)
    token = source.get()
    assert not any(source.renew(token) for _ in range(100))
    assert service.calls == 2
    clock.now += 10
    assert not source.renew(token) and service.calls == 3
    service.rotate()
    clock.now += 10
    assert source.renew(token) and source.get() == service.value
    # Another one that comes late with the first token makes no call.
    assert source.renew(token) and service.calls == 4


def test_a_slow_read_ends_a_renewal_all_the_same(clock):
    """The interval counts from the end of a read: a read that takes longer than `retry` doesn't allow the next."""

    class Slow(Service):
        def get_secret_value(self, **which):
            time.sleep(0.3)
            return super().get_secret_value(**which)

    service = Slow()
    source = TokenSource(service, "s", retry=0.1)
    token = source.get()
    answers: list[bool] = []
    threads = [
        threading.Thread(target=lambda: answers.append(source.renew(token)), daemon=True)
        for _ in range(64)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [False] * 64
    assert service.calls <= 4  # not one for each


def test_a_renewal_waits_for_a_read_under_way_and_then_reads_itself(make, service, clock):
    steps = Steps()
    source = make(in_background=steps)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    token = source.get()
    clock.now += 0.76 * TTL
    source.get()  # starts a refresh, which sees the old version
    old_answer = service.get_secret_value(SecretId="s", VersionStage="AWSCURRENT")
    service.rotate()
    answers: list[bool] = []
    renewal = threading.Thread(target=lambda: answers.append(source.renew(token)), daemon=True)
    renewal.start()
    new_answer, service.get_secret_value = service.get_secret_value, lambda **which: old_answer
    steps.land()
    until(lambda: steps)
    service.get_secret_value = new_answer
    steps.land()
    renewal.join(20)
    assert answers == [True] and source.get() == service.value


def test_a_token_refused_for_good_is_asked_for_less_and_less(make, service, clock):
    source = make(ttl=1e6, max_age=1e6)
    token, calls = source.get(), service.calls
    for _ in range(6_000):
        source.renew(token)
        clock.now += 0.1
    assert service.calls - calls <= 15 + 600 / (MAX_RETRY / 4)


# A new token is tried first


def test_a_new_token_that_momento_refuses_never_takes_the_place_of_one_that_works(
    make, service, clock
):
    good = {service.value}
    tried: list[str] = []

    def prove(token) -> bool:
        tried.append(token)
        return str(token) in good

    source = make(prove=prove)
    token = source.get()
    assert not tried  # the first one has nothing to take the place of
    service.rotate()
    for _ in range(50):
        clock.now += MAX_AGE / 3  # longer than a copy lives while Secrets Manager can't be asked
        assert source.get() is token
    assert "Momento refuses it" in str(source.problem) and not source.problem.denied
    assert source.state in ("fresh", "due") and source.stale == 0
    good.add(service.value)
    clock.now += MAX_RETRY
    source.get()
    assert source.get() == service.value and source.problem is None
    tries = len(tried)
    clock.now += TTL + 1
    source.get()
    assert len(tried) == tries  # what was proved once isn't tried again


def test_if_it_cannot_be_told_the_old_one_stays_until_momento_refuses_it(make, service, clock):
    def prove(token) -> bool:
        raise ConnectionError("Momento is away")

    source = make(prove=prove)
    token = source.get()
    service.rotate()
    clock.now += TTL + 1
    assert source.get() is token and "is unknown (ConnectionError)" in str(source.problem)
    assert source.renew(token) and source.get() == service.value


def test_a_wrong_value_is_named_and_the_last_good_one_kept(make, service, clock):
    source = make(retry=0)
    token = source.get()
    wrong = {
        '{"apiKey": "x", "refreshToken": "y"}': "rotation example",
        '{"MOMENTO_API_KEY": "x"}': "is JSON",
        "no key": "characters inside that no API key has",
        "eyJlbmRwb2ludCI6ICJlIn0=": "`api_key` is missing",
        "   ": "is empty",
        None: "SecretBinary",
    }
    for value, cause in wrong.items():
        service.value = value
        service.version += "+"
        clock.now += TTL + 1
        assert source.get() == token
        assert cause in str(source.problem) and not source.problem.denied
    with pytest.raises(TokenUnavailable, match="SecretBinary"):
        make().get()


# What it tells


class Notes(Observer):
    def __init__(self) -> None:
        self.told: list[str] = []

    def read(self, seconds):
        self.told.append("read")

    def failed(self, error):
        self.told.append(f"failed {error.code}")

    def denied(self, error):
        self.told.append("denied")

    def served_stale(self, age):
        self.told.append(f"stale {age:g}")


def test_an_observer_is_told(make, service, clock):
    notes = Notes()
    source = make(observer=notes)
    source.get()
    service.error = THROTTLED
    clock.now += 11
    source.get()
    service.error = DENIED
    clock.now += 31
    with pytest.raises(TokenUnavailable):
        source.get()
    assert notes.told == [
        "read",
        "failed ThrottlingException",
        "stale 11",
        "failed AccessDeniedException",
        "denied",
    ]


def test_an_observer_that_fails_changes_nothing(make, service, caplog):
    class Broken(Observer):
        def read(self, seconds):
            raise RuntimeError("no metrics today")

    assert make(observer=Broken()).get() == service.value
    assert "no metrics today" in caplog.text


def test_a_log_handler_may_read_the_token(clock):
    """It is called outside of the lock, after the read has landed; else this would never end."""
    service = Service()
    source = TokenSource(service, "s", ttl=TTL, max_age=MAX_AGE, clock=clock, retry=0)
    got: list[str] = []

    class Sender(logging.Handler):
        def emit(self, record):
            for thread in (threading.current_thread(), None):
                if thread:
                    got.append(source.get())
                else:  # and so may another thread, while the handler waits for it
                    other = threading.Thread(target=lambda: got.append(source.get()))
                    other.start()
                    other.join()

    log, handler = logging.getLogger("momento_token.token_source"), Sender()
    log.addHandler(handler)
    try:
        token = source.get()
        service.error = THROTTLED
        clock.now += TTL + 1
        assert source.get() == token
        until(lambda: len(got) >= 2)
    finally:
        log.removeHandler(handler)
    assert set(got) == {token}


def test_it_hides_the_token(make, service):
    source = make()
    token = source.get()
    told = f"{source!r} {source._copy!r} {token!r}"

    async def as_a_task():
        task = asyncio.create_task(source.aget())
        await task
        return repr(task)

    told += asyncio.run(as_a_task())
    assert service.value not in told and "fresh" in told
    with pytest.raises(TypeError, match="in each process"):
        import pickle

        pickle.dumps(source)


# Settings


def test_settings_that_contradict_each_other_are_told(service):
    for wrong in ({"ttl": 0}, {"ttl": 10, "max_age": 5}, {"retry": -1}, {"patience": -1}):
        with pytest.raises(ValueError, match="seconds"):
            TokenSource(service, "s", **wrong)


def test_a_mock_of_a_client_is_a_client():
    from unittest.mock import MagicMock

    key, client = new_api_key(), MagicMock()
    client.get_secret_value.return_value = {"SecretString": key, "VersionId": "1"}
    assert TokenSource(client, "s").get() == key


def test_a_timeout_of_boto3_is_not_now(make, service, clock):
    source = make()
    token = source.get()
    service.error = ReadTimeoutError(endpoint_url="https://…")
    clock.now += TTL + 1
    assert source.get() == token and "ReadTimeoutError" in str(source.problem)
