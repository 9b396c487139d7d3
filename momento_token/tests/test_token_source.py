"""Which copy is served when, step by step: the clock stands still and a read ends when told to."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from itertools import pairwise

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes import Clock, Notes, Steps, at_once, in_threads, source_of, until

from momento_token import State, TokenSource, TokenUnavailable, waiting
from momento_token.testing import FakeSecretsManager, error_of, fake_key
from momento_token.token_source import PATIENCE
from momento_token.waiting import LONGEST_PAUSE, backoff

TTL, MAX_AGE = 10.0, 100.0
THROTTLED, DENIED = error_of("ThrottlingException"), error_of("AccessDeniedException")


@pytest.fixture
def service() -> FakeSecretsManager:
    return FakeSecretsManager()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make(service, clock):
    def make(start=at_once, **settings) -> TokenSource:
        return source_of(service, start, **{"ttl": TTL, "max_age": MAX_AGE, "clock": clock, **settings})

    return make


def test_it_needs_a_name_and_a_client():
    service = FakeSecretsManager()
    source = TokenSource("s", lambda: service)
    assert source.state == State.EMPTY and not source.ready and source.version_id is None
    assert source.get() == service.value
    assert source.state == State.FRESH and source.ready and source.version_id == "version-1"


def test_states_over_a_life(make, service, clock):
    steps = Steps()
    source = make(steps)
    with pytest.raises(TokenUnavailable, match="not responded in time"):
        source.get(timeout=0)
    steps.land()
    assert source.state == "fresh"
    clock.now += 0.76 * TTL
    assert source.state == "due" and source.get() == service.value and len(steps) == 1
    clock.now += 0.3 * TTL
    assert source.state == "stale" and source.ready
    service.error = THROTTLED
    steps.land()
    assert source.state == "stale" and source.get() == service.value
    clock.now += MAX_AGE
    assert source.state == "unavailable" and not source.ready
    service.error = DENIED
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    assert source.state == "denied" and not source.ready
    service.error = None
    source.reset()
    assert source.state == "empty"


def test_an_unchanged_secret_changes_nothing_and_a_new_value_is_a_new_number(make, service, clock):
    source = make()
    first = source.get()
    clock.now += TTL + 1
    assert source.get() is first
    key = service.rotate(f"  {fake_key()}\n").strip()
    clock.now += TTL + 1
    token = source.get()
    assert token == key and token.number == first.number + 1 and source.version_id == "version-2"
    assert source.has_newer(first) and not source.has_newer(token)
    service.rotate(key)  # another version with the same value
    clock.now += TTL + 1
    assert source.get() is token and source.version_id == "version-3"


def test_the_same_version_id_with_another_value_is_a_new_token(make, service, clock):
    """A secret that was made again with a fixed ClientRequestToken."""
    source = make()
    first = source.get()
    service.value = fake_key()
    clock.now += TTL + 1
    assert source.get() == service.value and source.has_newer(first)


def test_it_serves_the_old_copy_up_to_its_age_and_reports_it(make, service, clock):
    notes = Notes()
    source = make(report=notes)
    token = source.get()
    service.error = THROTTLED
    clock.now += MAX_AGE - 1
    assert source.get() == token and "ThrottlingException" in str(source.problem)
    assert notes.names == ["read", "failed", "stale"] and notes[-1].seconds == MAX_AGE - 1
    clock.now += 2
    with pytest.raises(TokenUnavailable, match="ThrottlingException"):
        source.get()
    service.error = None
    clock.now += LONGEST_PAUSE
    assert source.get() == token and source.problem is None


# A copy is not served for longer than it may


def test_a_problem_that_nobody_has_looked_at_excuses_no_old_copy(make, service, clock):
    source = make(report=(notes := Notes()))
    source.get()
    service.error = THROTTLED
    clock.now += 0.76 * TTL
    source.get()  # one failed refresh
    service.error = None
    new = service.rotate()
    clock.now += MAX_AGE / 2  # and no calls for a while
    assert source.get() == new and "stale" not in notes.names


def test_a_retry_in_an_outage_makes_nobody_wait(make, service, clock):
    source, steps = make(), Steps()
    token = source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    source.get()
    source._start = steps
    clock.now += source._pause + PATIENCE / 2
    started = time.monotonic()
    assert source.get() == token and len(steps) == 1 and time.monotonic() - started < PATIENCE


def test_nor_does_it_hide_that_the_permission_was_revoked(make, service, clock):
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
    strict, lenient = make(), make(denial_grace=20)
    token = strict.get()
    lenient.get()
    service.error = DENIED
    clock.now += TTL + 1
    with pytest.raises(TokenUnavailable):
        strict.get()
    assert strict._copy is None
    for _ in range(20):
        assert lenient.get() == token and lenient.state == "denied" and lenient.ready
        clock.now += 1
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        lenient.get()
    assert not lenient.ready


def test_a_grace_counts_from_the_first_denial_and_ends_with_a_read(make, service, clock):
    source = make(denial_grace=20)
    token = source.get()
    service.error = DENIED
    clock.now += TTL + 1
    source.get()
    service.error = THROTTLED  # in between it can't be reached
    clock.now += 15
    assert source.get() == token
    service.error = DENIED
    clock.now += 6
    with pytest.raises(TokenUnavailable):
        source.get()
    service.error = None
    clock.now += LONGEST_PAUSE
    assert source.get() == token
    service.error = DENIED
    clock.now += TTL + 1
    assert source.get() == token  # a grace of its own


def test_a_denial_that_is_taken_back_is_noticed_within_15_seconds(make, service, clock):
    for outage in (1, 10, 60, 600, 3_600):
        source = make()
        service.error = DENIED
        end = clock.now + outage
        while clock.now < end:
            with pytest.raises(TokenUnavailable):
                source.get()
            clock.now += 0.25
        service.error = None
        while not source.ready:
            clock.now += 0.25
            try:
                source.get()
            except TokenUnavailable:
                assert clock.now - end < 13


# Nobody waits for longer than they must


def test_a_caller_with_a_copy_waits_for_a_second_at_most(make, clock, monkeypatch):
    monkeypatch.setattr("momento_token.token_source.PATIENCE", 0.05)
    steps = Steps()
    source = make(steps, report=(notes := Notes()))
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    clock.now += TTL + 1
    assert source.get() == source.get() and len(steps) == 1  # after a wait in vain
    assert notes.names == ["read", "stale", "stale"]


def test_a_caller_without_a_copy_waits_for_the_timeout(make, monkeypatch):
    monkeypatch.setattr("momento_token.waiting.TIMEOUT", 0.05)
    with pytest.raises(TokenUnavailable, match="not responded in time for s") as caught:
        make(Steps()).get(timeout=float("inf"))
    assert not caught.value.denied and caught.value.code == "NoResponse"


def test_the_callers_own_bound_is_the_shorter_one(make):
    source, started = make(Steps()), time.monotonic()
    with pytest.raises(TokenUnavailable, match="not responded"):
        source.get(timeout=0.02)
    with pytest.raises(TokenUnavailable, match="not responded"):
        asyncio.run(source.aget(timeout=0.02))
    assert time.monotonic() - started < 5


def test_a_read_that_hangs_makes_no_second_one_and_is_given_up(make, service, clock):
    notes, steps = Notes(), Steps()
    source = make(steps, max_age=10_000, report=notes)
    for _ in range(6):
        with pytest.raises(TokenUnavailable):
            source.get(timeout=0)
        clock.now += 9
    assert len(steps) == 1 and not notes
    clock.now += 7
    with pytest.raises(TokenUnavailable, match="not responded"):
        source.get(timeout=0)
    assert [note.code for note in notes] == ["NoResponse"]
    hanging = steps.pop(0)  # and another one has begun at once
    steps.land()
    assert source.get() == service.value
    service.rotate()
    hanging()  # and ends after all: its result is ignored
    assert source.get() != service.value and notes.names == ["failed", "read"]


def test_many_threads_make_one_read_and_one_refusal_another(service):
    real = service.get_secret_value
    service.get_secret_value = lambda **which: (time.sleep(0.2), real(**which))[1]
    source = source_of(service, None)
    assert in_threads(source.get) == [service.value] * 32 and service.calls == 1
    token = source.get()
    service.rotate()
    assert in_threads(lambda: source.renew(token)) == [True] * 32 and service.calls == 2


# It reads no more often than it should


def test_failures_are_followed_by_longer_and_longer_pauses(make, service, clock):
    for error in (THROTTLED, DENIED):
        source, service.error, read_at, begun = make(), error, [], clock.now
        while clock.now < begun + 600:
            before = service.calls
            with pytest.raises(TokenUnavailable):
                source.get()
            if service.calls > before:
                read_at.append(clock.now)
            clock.now += 0.05
        pauses = [later - earlier for earlier, later in pairwise(read_at)]
        assert max(pauses) <= LONGEST_PAUSE + 0.1 and pauses[0] <= 1.1
        assert sum(at < begun + 60 for at in read_at) <= 15
    service.error = None
    clock.now += LONGEST_PAUSE
    source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    source.get()
    assert source._pause <= 1  # it began again


def test_the_pauses_are_chosen_at_random():
    assert backoff(0) == 0
    for failures, most in ((1, 1), (2, 2), (4, 8), (6, 12), (10_000, 12)):
        pauses = [backoff(failures) for _ in range(2_000)]
        assert most / 2 <= min(pauses) < 0.55 * most and 0.95 * most < max(pauses) <= most


def test_a_fleet_does_not_read_in_step(make):
    sources = [make() for _ in range(200)]
    for source in sources:
        source.get()
    due = sorted(source._copy.fresh_until[0] - source._copy.read_at[0] for source in sources)
    assert TTL / 2 <= due[0] < 0.55 * TTL and 0.7 * TTL < due[-1] <= 0.75 * TTL


# A token that Momento refused


def test_a_refused_token_is_read_again_once_and_then_less_and_less(make, service, clock):
    source = make(ttl=1e6, max_age=1e6)
    token = source.get()
    assert not any(source.renew(token) for _ in range(100)) and service.calls == 2
    for _ in range(6_000):
        source.renew(token)
        clock.now += 0.1
    assert service.calls <= 10 + 600 / (LONGEST_PAUSE / 2)
    service.rotate()
    clock.now += LONGEST_PAUSE
    assert source.renew(token) and source.get() == service.value
    calls = service.calls
    assert source.renew(token) and service.calls == calls  # one that comes late with the first token


def test_never_ready_while_momento_refuses_the_token(make, service):
    """Behind gevent, an SSL module patched too late fails every read: health said "fresh", and every request failed."""
    source = make()
    token = source.get()
    service.error = RecursionError()
    assert not source.renew(token)
    assert not source.ready and source.state == "refused" and "RecursionError" in str(source.problem)
    source.accepted(token)
    assert source.ready and source.state == "fresh"
    source.renew(token)
    service.error = None
    service.rotate()
    source._paused_at = (0.0, 0.0)
    assert source.renew(token) and source.ready and source.state == "fresh"


def test_a_slow_read_ends_a_renewal_anyway(service):
    """The pause counts from the end of a read: one that takes longer than the pause doesn't allow the next."""
    source = source_of(service, None)
    token, real = source.get(), service.get_secret_value
    service.get_secret_value = lambda **which: (time.sleep(0.3), real(**which))[1]
    assert in_threads(lambda: source.renew(token), 64) == [False] * 64
    assert service.calls <= 4  # not one for each


def test_a_renewal_waits_for_a_read_in_progress_and_then_reads_itself(make, service, clock):
    steps = Steps()
    source = make(steps)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    token = source.get()
    clock.now += 0.76 * TTL
    source.get()  # starts a refresh, which sees the old version
    old = service.get_secret_value(SecretId="s", VersionStage="AWSCURRENT")
    service.rotate()
    results: list[bool] = []
    renewal = threading.Thread(target=lambda: results.append(source.renew(token)), daemon=True)
    renewal.start()
    real, service.get_secret_value = service.get_secret_value, lambda **which: old
    steps.land()
    until(lambda: steps)
    service.get_secret_value = real
    steps.land()
    renewal.join(20)
    assert results == [True] and source.get() == service.value


def test_a_renewal_waits_no_longer_than_it_may(make):
    source = make(ttl=1_000, max_age=1_000)
    token, steps, started = source.get(), Steps(), time.monotonic()
    source._start = steps
    assert not source.renew(token, timeout=0) and not asyncio.run(source.arenew(token, timeout=0))
    assert len(steps) == 1 and time.monotonic() - started < 5


def test_a_refused_call_waits_for_one_read_in_an_outage_and_not_for_each_retry(service):
    source, goes_on = source_of(service, None, clock=(clock := Clock())), threading.Event()
    token, real = source.get(), service.get_secret_value
    service.error = THROTTLED
    service.get_secret_value = lambda **which: (time.sleep(0.3), real(**which))[1]
    assert in_threads(lambda: source.renew(token)) == [False] * 32 and service.calls == 2
    clock.now += 1
    service.get_secret_value = lambda **which: (goes_on.wait(20), real(**which))[1]
    assert in_threads(lambda: source.renew(token, timeout=60)) == [False] * 32 and source._read is not None
    goes_on.set()  # they were back before it was over
    until(lambda: source._read is None)
    service.error = None
    service.rotate()
    clock.now += 20
    assert source.renew(token) and source.get() == service.value


def test_two_refused_tokens_in_turn_are_not_read_for_each(make, service):
    source = make(ttl=1e5, max_age=1e6)
    one = source.get()
    service.rotate()
    source.renew(one)
    two = source.get()
    service.error = DENIED
    source.renew(two)
    calls = service.calls
    for _ in range(100):
        source.renew(one)
        source.renew(two)
    assert service.calls == calls


# A new token is tried first


def test_a_new_token_that_momento_refuses_never_replaces_one_that_works(make, service, clock):
    good, tried = {service.value}, []
    source = make(try_token=lambda token: tried.append(token) or str(token) in good, report=(notes := Notes()))
    token = source.get()
    assert not tried  # the first one has nothing to replace
    service.rotate()
    for _ in range(50):
        clock.now += MAX_AGE / 3  # together, longer than a copy lives while Secrets Manager can't be reached
        assert source.get() is token
    assert "Momento refuses the new token" in str(source.problem) and not source.problem.denied
    assert source.state in ("fresh", "due") and source.ready and "stale" not in notes.names
    good.add(service.value)
    clock.now += MAX_AGE / 3
    source.get()
    assert source.get() == service.value and source.problem is None
    tries = len(tried)
    clock.now += TTL + 1
    source.get()
    assert len(tried) == tries  # what was accepted once isn't tried again


def test_if_it_is_unknown_the_old_one_stays_until_momento_refuses_it(make, service, clock):
    def try_token(token) -> bool:
        raise ConnectionError("Momento can't be reached")

    source = make(try_token=try_token)
    token = source.get()
    service.rotate()
    clock.now += TTL + 1
    assert source.get() is token and "is unknown (ConnectionError)" in str(source.problem)
    assert source.renew(token) and source.get() == service.value


def test_a_wrong_value_is_named_and_the_last_good_one_kept(make, service, clock):
    source = make(max_age=1_000)
    token = source.get()
    wrong = {
        '{"apiKey": "x", "refreshToken": "y"}': "rotation example",
        f"MOMENTO_API_KEY={fake_key()}": "has a name before it",
        "   ": "is empty",
        b"x": "SecretBinary",
    }
    for value, cause in wrong.items():
        service.value = value
        clock.now += LONGEST_PAUSE
        assert source.get() == token and cause in str(source.problem) and not source.problem.denied
    with pytest.raises(TokenUnavailable, match="SecretBinary"):
        make().get()


def test_a_key_of_an_unknown_format_is_a_warning_and_no_outage(make, service):
    service.value = "momento_live_0123456789abcdef"
    assert make(report=(notes := Notes())).get() == service.value
    assert notes.names == ["unknown_key", "read"] and notes[0].level == logging.WARNING


# What it reports


def test_what_is_logged(make, service, clock, caplog):
    caplog.set_level(logging.DEBUG, logger="momento_token")
    source = make()
    source.get()
    service.error = THROTTLED
    for _ in range(3):
        clock.now += LONGEST_PAUSE
        source.get()
    service.error = None
    clock.now += LONGEST_PAUSE
    source.get()
    warnings = [record.message for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2 and "ThrottlingException" in warnings[0] and "was read again" in warnings[1]
    assert service.value not in caplog.text


def test_a_report_that_fails_changes_nothing(make, service, caplog):
    def broken(event) -> None:
        raise RuntimeError("no metrics today")

    assert make(report=broken).get() == service.value
    assert "no metrics today" in caplog.text


def test_a_report_may_get_the_token_in_its_thread_and_in_another(clock, service):
    got: list[str] = []

    def report(event) -> None:
        if event.name == "failed":
            got.append(source.get())
            other = threading.Thread(target=lambda: got.append(source.get()))
            other.start()
            other.join()

    source = source_of(service, None, ttl=TTL, max_age=MAX_AGE, clock=clock, report=report)
    token = source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    assert source.get() == token
    until(lambda: len(got) >= 2)
    assert set(got) == {token}


def test_a_report_that_gets_the_token_is_not_told_of_that(make, service, clock):
    told = []
    source = make(report=lambda event: (told.append(event.name), source.get()))
    service.error = None
    source.get()
    service.error = THROTTLED
    clock.now += TTL + 1
    source.get()
    assert told == ["read", "failed", "stale"]


def test_it_hides_the_token(make, service):
    source = make()
    token = source.get()
    told = f"{source!r} {source._copy!r} {token!r} {token[:40]!r} {[token[5:]]}"

    async def as_a_task():
        task = asyncio.create_task(source.aget())
        await task
        return repr(task)

    told += asyncio.run(as_a_task())
    assert service.value[:12] not in told and "fresh" in told
    with pytest.raises(TypeError, match="in each process"):
        import pickle

        pickle.dumps(source)


# Settings


@pytest.mark.parametrize(
    "arguments, settings, said",
    [
        (("",), {}, "secret_id is empty"),
        ((None,), {}, "secret_id is empty"),
        (("s", FakeSecretsManager()), {}, "write `lambda: client`"),
        (("s", None), {}, "is a function that makes a client"),
        (("s",), {"ttl": 0}, "numbers of seconds"),
        (("s",), {"ttl": "300"}, "numbers of seconds"),
        (("s",), {"ttl": 10, "max_age": 5}, "max_age at least ttl"),
        (("s",), {"max_age": float("nan")}, "max_age at least ttl"),
        (("s",), {"denial_grace": -1}, "denial_grace at least 0"),
    ],
)
def test_a_newcomers_mistake_is_told_at_once(arguments, settings, said):
    with pytest.raises((TypeError, ValueError), match=said):
        TokenSource(*arguments, **settings)


def test_a_timeout_of_boto3_will_pass(make, service, clock):
    source = make()
    token = source.get()
    service.error = ReadTimeoutError(endpoint_url="https://…")
    clock.now += TTL + 1
    assert source.get() == token and "ReadTimeoutError" in str(source.problem)


def test_the_constants_keep_their_promises():
    """14 reads in a minute at the most: 0.5, 1, 2, 4 and then 6 s apart."""
    assert 5 + (60 - 7.5) / (waiting.LONGEST_PAUSE / 2) <= 15
