"""The production pattern: one call for everybody, no reader waits once warm, and nothing is served that should not be."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from names import SECRET_NAME

from helpers.measure import OVERLAP, at_once
from helpers.sandbox.keys import new_api_key
from helpers.token_source import TokenSource, TokenUnavailable

NO_RETRY = Config(retries={"total_max_attempts": 1}, read_timeout=1)


def source_of(cloud, **settings) -> TokenSource:
    return TokenSource(boto3.client("secretsmanager", config=NO_RETRY), SECRET_NAME, **settings)


def test_many_threads_make_one_call(cloud):
    source = source_of(cloud)
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("cold") as page:
        assert set(at_once(source.get, 32)) == {cloud.api_key}
    assert page.count() == source.refreshes == 1


def test_many_tasks_make_one_call_and_a_cancelled_one_cancels_nobody(cloud):
    source = source_of(cloud)
    cloud.add_fault("aws", delay=OVERLAP)

    async def ask() -> list[object]:
        tasks = [asyncio.create_task(source.aget()) for _ in range(32)]
        await asyncio.sleep(OVERLAP / 4)
        tasks[0].cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    with cloud.ledger.page("cold") as page:
        first, *others = asyncio.run(ask())
    assert isinstance(first, asyncio.CancelledError)
    assert set(others) == {cloud.api_key} and page.count() == 1


def test_threads_and_tasks_share_one_call(cloud):
    source = source_of(cloud)
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("cold") as page, ThreadPoolExecutor(8) as pool:
        by_threads = [pool.submit(source.get) for _ in range(8)]

        async def ask():
            return await asyncio.gather(*[source.aget() for _ in range(8)])

        by_tasks = asyncio.run(ask())
    assert {job.result() for job in by_threads} == set(by_tasks) == {cloud.api_key}
    assert page.count() == 1


def test_a_refresh_makes_nobody_wait(cloud):
    source = source_of(cloud, ttl=0.4, max_age=60)
    source.get()
    cloud.add_fault("aws", delay=OVERLAP)
    end, waited = time.monotonic() + 1.5, []

    def read_on() -> None:
        while time.monotonic() < end:
            started = time.perf_counter()
            source.get()
            waited.append(time.perf_counter() - started > OVERLAP / 2)
            time.sleep(0.002)

    readers = [threading.Thread(target=read_on) for _ in range(4)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert source.refreshes >= 3 and source.misses == 1
    assert not any(waited)


def test_an_unchanged_secret_changes_nothing_and_a_new_version_is_a_new_number(cloud):
    clock = Clock()
    source = source_of(cloud, ttl=10, clock=clock)
    first = source.held()
    clock.now += 11
    again = source.held()
    assert again.token is first.token and again.number == first.number
    key = cloud.issue_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=f"  {key}\n")
    clock.now += 11
    assert source.get() == key and source.held().number == first.number + 1


def test_counters_are_exact_with_many_threads(cloud):
    source = source_of(cloud)
    source.get()
    at_once(lambda: [source.get() for _ in range(2_000)], 8)
    assert source.hits == 16_000


@pytest.mark.parametrize(
    "code, status",
    [
        ("ThrottlingException", 400),
        ("InternalServiceError", 500),
        ("ServiceUnavailableException", 503),
        ("ExpiredTokenException", 400),
    ],
)
def test_not_now_serves_the_old_copy_up_to_its_age_and_says_so(code, status, caplog):
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, max_age=100, retry=1, clock=clock)
    token = source.get()
    service.error = failure(code, status)
    clock.now += 99
    assert source.get() == token
    assert source.stale == 1 and code in str(source.problem) and source.problem.passing
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    clock.now += 2
    with pytest.raises(TokenUnavailable, match=code):
        source.get()
    service.error = None
    clock.now += 1
    assert source.get() == token and source.problem is None


@pytest.mark.parametrize(
    "code",
    [
        "AccessDeniedException",
        "ResourceNotFoundException",
        "InvalidRequestException",
        "DecryptionFailure",
        "UnrecognizedClientException",
        "SomethingNobodyKnows",
    ],
)
def test_no_is_seen_at_the_refresh_and_nothing_old_is_served(code):
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, max_age=100, retry=1, clock=clock)
    source.get()
    service.error = failure(code)
    clock.now += 11
    for _ in range(3):
        with pytest.raises(TokenUnavailable, match=code):
            source.get()
    assert service.calls == 2  # and not one for each reader
    assert source.stale == 0


def test_a_connection_that_fails_is_not_now(cloud):
    clock = Clock()
    source = source_of(cloud, ttl=10, max_age=1000, retry=0, clock=clock)
    token = source.get()
    for error in ("CONNECTION_REFUSED", "CONNECTION_DROPPED"):
        cloud.add_fault("aws", error=error)
        clock.now += 20
        assert source.get() == token and source.problem.passing, error
        cloud.clear_faults()
    cloud.add_fault("aws", delay=1.5)
    clock.now += 20
    assert source.get() == token
    cloud.clear_faults()


WRONG_VALUES = {
    '{"apiKey": "x", "refreshToken": "y"}': "rotation example",
    '{"MOMENTO_API_KEY": "x"}': "is JSON",
    "no key": "characters inside that no API key has",
    "eyJlbmRwb2ludCI6ICJlIn0=": "`api_key` is missing",
    "eyJhcGlfa2V5IjogImsifQ==": "`endpoint` is missing",
    "   ": "is empty",
}


@pytest.mark.parametrize("value", WRONG_VALUES)
def test_a_wrong_value_is_named_and_the_last_good_one_kept(value):
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, max_age=100, clock=clock)
    token = source.get()
    service.value = value
    clock.now += 11
    assert source.get() == token
    assert WRONG_VALUES[value] in str(source.problem)
    with pytest.raises(TokenUnavailable, match="holds no usable token"):
        TokenSource(service, "s").get()


def test_a_binary_secret_is_named():
    service = Service()
    service.value = None
    with pytest.raises(TokenUnavailable, match="SecretBinary"):
        TokenSource(service, "s").get()


def test_a_refused_token_is_asked_for_anew_once_in_a_while():
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=1000, max_age=1000, retry=5, clock=clock)
    held = source.held()
    assert not any(source.renew(held) for _ in range(100))
    assert service.calls == 2
    clock.now += 5.1
    assert not source.renew(held) and service.calls == 3
    service.value, service.version = new_api_key(), "2"
    clock.now += 5.1
    assert source.renew(held) and source.get() == service.value
    # Another one that comes late with the first token makes no call.
    assert source.renew(held) and service.calls == 4


def test_many_refused_at_once_make_one_call(cloud):
    source = source_of(cloud)
    held = source.held()
    key = cloud.issue_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=key)
    cloud.add_fault("aws", delay=OVERLAP)
    with cloud.ledger.page("refused") as page:
        assert at_once(lambda: source.renew(held), 32) == [True] * 32
    assert page.count() == 1 and source.get() == key


def test_settings_that_contradict_each_other_are_told():
    for wrong in ({"ttl": 0}, {"ttl": 10, "max_age": 5}, {"retry": -1}):
        with pytest.raises(ValueError, match="seconds"):
            TokenSource(None, "s", **wrong)


def test_it_hides_the_token():
    service = Service()
    source = TokenSource(service, "s")
    assert service.value not in f"{source.held()!r} {source!r}"


# The rest drives it step by step, with a clock that stands still and a read that lands when told to.


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Service:
    """What `TokenSource` knows of boto3's client."""

    def __init__(self) -> None:
        self.value, self.version, self.calls = new_api_key(), "1", 0
        self.error: Exception | None = None

    def get_secret_value(self, SecretId: str, VersionStage: str) -> dict:
        self.calls += 1
        if self.error:
            raise self.error
        return {"SecretString": self.value, "VersionId": self.version}


def failure(code: str, status: int = 400) -> ClientError:
    answer = {
        "Error": {"Code": code, "Message": "…"},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, "GetSecretValue")


class Later(Future):
    """A future whose work is done when somebody waits for it, or by `land`."""

    def __init__(self, work: Callable) -> None:
        super().__init__()
        self._work = work

    def land(self) -> None:
        if not self.done():
            self.set_result(self._work())

    def result(self, timeout=None):
        self.land()
        return super().result(timeout)


class Steps(Executor):
    def __init__(self) -> None:
        self.flights: list[Later] = []

    def submit(self, work, /, *args, **kwargs):
        self.flights.append(Later(work))
        return self.flights[-1]

    @property
    def under_way(self) -> list[Later]:
        return [flight for flight in self.flights if not flight.done()]


TTL, MAX_AGE, RETRY = 10.0, 40.0, 2.0
NOT_NOW = failure("ThrottlingException")
TIMEOUT = ReadTimeoutError(endpoint_url="http://127.0.0.1")
NO = failure("AccessDeniedException")


class TokenSourceMachine(RuleBasedStateMachine):
    """Reads, rotations, failures and time in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.service, self.steps = Clock(), Service(), Steps()
        self.source = TokenSource(
            self.service,
            "s",
            ttl=TTL,
            max_age=MAX_AGE,
            retry=RETRY,
            clock=self.clock,
            executor=self.steps,
        )
        self.read_at: float | None = None  # when the copy that may be served was asked for
        self.good: str | None = None
        self.reads = 0

    def landed(self, took_off: float) -> None:
        """Keep in mind what a read that has landed means, from what the service says at that moment."""
        if self.service.error is None:
            self.read_at, self.good = took_off, self.service.value
        elif self.service.error is NO:
            self.read_at = self.good = None

    @rule(error=st.sampled_from([None, NOT_NOW, TIMEOUT, NO]))
    def the_service_changes(self, error: Exception | None) -> None:
        self.service.error = error

    @rule()
    def the_token_is_rotated(self) -> None:
        self.service.version = str(int(self.service.version) + 1)
        self.service.value = new_api_key()

    @precondition(lambda self: self.steps.under_way)
    @rule()
    def the_read_lands(self) -> None:
        self.landed(self.source._took_off_at)
        self.steps.under_way[0].land()

    @rule(seconds=st.floats(0, 1.5 * TTL) | st.just(MAX_AGE))
    def some_time_later_a_reader_reads(self, seconds: float) -> None:
        self.clock.now += seconds
        before, calls = self.source.stale, self.service.calls
        was, now, waiting = self.good, self.clock.now, self.steps.under_way
        trouble = self.source.problem or waiting
        age = None if self.read_at is None else now - self.read_at
        self.reads += 1
        try:
            token = self.source.get()
        except TokenUnavailable as error:
            # Only where there is nothing that may be served, or the service has just said no.
            assert error.passing is False or age is None or age >= MAX_AGE or waiting
            token = None
        if waiting:  # then that is the read to wait for, if any
            assert self.steps.flights[-1] is waiting[0]
        if self.service.calls > calls:  # it waited, and a read landed
            self.landed(self.source._took_off_at)
            assert token in (None, was, self.good)
            return
        if token is None:
            return
        assert token == was == self.good
        served_age = now - self.read_at
        assert served_age < MAX_AGE
        if served_age >= TTL:
            assert self.source.stale == before + 1
            assert trouble
        # No refresh is lost: when one is due, it is under way, or has just failed.
        if served_age >= 0.75 * TTL:
            assert self.steps.under_way or now < self.source._retry_at

    @rule()
    def momento_refuses_the_token(self) -> None:
        held = self.source._held
        if held is None:
            return
        waiting, calls = self.steps.under_way, self.service.calls
        asked_lately = (
            self.source._renewed == held.number and self.clock.now < self.source._renew_at
        )
        renewed = self.source.renew(held)
        assert self.service.calls <= calls + len(waiting) + (not asked_lately)
        if self.service.calls > calls:
            self.landed(self.source._took_off_at)
        assert not renewed or self.source._held.token == self.service.value

    @invariant()
    def there_is_one_flight_at_most(self) -> None:
        assert len(self.steps.under_way) <= 1

    @invariant()
    def every_read_is_counted(self) -> None:
        source = self.source
        assert source.hits + source.misses + source.stale >= self.reads
        assert source.refreshes + source.failures == self.service.calls

    @invariant()
    def after_no_nothing_is_held(self) -> None:
        if self.good is None:
            assert self.source._held is None


TestTokenSourceMachine = TokenSourceMachine.TestCase
TestTokenSourceMachine.settings = settings(
    max_examples=300, stateful_step_count=50, deadline=None, derandomize=True, database=None
)
