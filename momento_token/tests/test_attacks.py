"""What somebody found who had never seen the pattern and wanted to break it. Each of these once did."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from contextlib import suppress

import pytest
from botocore.exceptions import ClientError
from fakes import Clock, Service, Steps, at_once, failure, new_api_key, until
from momento.errors import MomentoErrorCode
from test_errors import everything_about, pieces
from test_shared_client import REFUSED, Answer, Bench, FakeClient

from momento_token.errors import TokenError, TokenUnavailable
from momento_token.observer import Guarded, Observer
from momento_token.shared_client import AsyncSharedClient, SharedClient, is_refused
from momento_token.subscription import Position
from momento_token.token_source import TokenSource, in_daemon_thread
from momento_token.tokens import check

# The shared client


@pytest.mark.parametrize("what", ["close", "reset", "call"])
def test_a_signal_handler_or_a_finaliser_meets_no_lock_of_its_own_thread(what):
    bench = Bench()
    bench.clients.call(lambda client: client)
    acts = {
        "close": bench.clients.close,
        "reset": bench.clients.reset,
        "call": lambda: bench.clients.call(lambda client: client),
    }

    def interrupted() -> None:
        with bench.clients._lock:  # where it finds the thread that it interrupts
            acts[what]()

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_client_is_closed_once():
    bench = Bench()
    make = bench.clients._make

    def interrupted(token: str) -> FakeClient:
        bench.clients.close()
        return make(token)

    bench.clients._make = interrupted
    bench.clients.call(lambda client: client)
    bench.clients.close()  # a fake client asserts that it wasn't closed before
    assert bench.made[0].closed


def test_a_swap_is_told_under_no_lock():
    told = []

    class Meddler(Observer):
        def swapped(self, number):
            told.append(number)
            bench.clients.reset()
            bench.clients.call(lambda client: client)

    bench = Bench(observer=Meddler())
    bench.clients.call(lambda client: client)
    bench.rotate()
    thread = threading.Thread(target=lambda: bench.clients.call(lambda client: 0), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive() and told == [2]


def test_a_client_that_cannot_be_closed_is_nobodys_trouble(caplog):
    bench = Bench()
    bench.clients.call(lambda client: client)
    bench.made[0].closed = True  # so that closing it raises
    bench.rotate()
    assert bench.clients.call(lambda client: client) is bench.made[1]
    assert "could not be closed (AssertionError)" in caplog.text


def test_a_make_that_hangs_makes_others_wait_no_longer_than_they_will():
    bench, hangs = Bench(), threading.Event()
    bench.clients._make = lambda token: hangs.wait(30)
    threading.Thread(target=lambda: bench.clients.call(str), daemon=True).start()
    until(bench.clients._making.locked)
    with pytest.raises(TokenUnavailable, match="has not been made within 0.05 s"):
        bench.clients.call(str, timeout=0.05)
    hangs.set()


def test_a_cancelled_task_leaves_no_client_half_closed():
    closed = []

    class Slow(FakeClient):
        async def __aexit__(self, *_):
            await asyncio.sleep(0.05)
            closed.append(self.token)

    async def use() -> None:
        bench = Bench(AsyncSharedClient)
        bench.clients._make = Slow
        await bench.clients.call(lambda client: asyncio.sleep(0))
        bench.rotate()
        call = asyncio.create_task(bench.clients.call(lambda client: asyncio.sleep(0)))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0.2)

    asyncio.run(use())
    assert len(closed) == 1


def test_a_closed_source_ends_a_subscription():
    bench = Bench()
    position = Position("topic", Guarded(None))
    position.begin()
    bench.source.close()
    with pytest.raises(TokenUnavailable) as caught:
        bench.source.get()
    with pytest.raises(TokenUnavailable, match="closed"):
        bench.clients._pause(position, caught.value)


def test_some_failed_subscriptions_do_not_cost_everybody_their_client():
    from momento.errors import SdkException
    from momento.internal.services import Service as Of
    from momento.responses import TopicSubscribe

    bench = Bench()
    lease, _ = bench.clients._take(bench.source.get(), 1)
    failed = {
        code: TopicSubscribe.Error(SdkException("…", code, Of.TOPICS, message_wrapper="…"))
        for code in (
            MomentoErrorCode.SERVER_UNAVAILABLE,
            MomentoErrorCode.CLIENT_RESOURCE_EXHAUSTED,
        )
    }
    away, exhausted = failed.values()
    assert [bench.clients._worn_out(lease, away) for _ in range(50)] == [False] * 49 + [True]
    lease.failed_subscriptions = 0
    assert bench.clients._worn_out(lease, exhausted)


# The source


def test_a_read_from_before_a_reset_brings_no_old_token_back():
    service, steps, clock = Service(), Steps(), Clock()
    source = TokenSource(service, "s", in_background=steps, clock=clock, retry=0, ttl=10)
    clients, got = SharedClient(source, FakeClient), []
    old = {"SecretString": service.value, "VersionId": "1"}

    def reader() -> threading.Thread:
        call = lambda: got.append(clients.call(lambda client: client.token))  # noqa: E731
        thread = threading.Thread(target=call, daemon=True)
        thread.start()
        return thread

    first = reader()
    until(lambda: source.misses)
    source.reset()
    clients.reset()
    new = service.rotate()
    until(lambda: len(steps) == 2)  # the first reader has looked again
    second = reader()
    until(lambda: source.misses == 3)
    steps.pop(1)()
    answer, service.get_secret_value = service.get_secret_value, lambda **which: old
    steps.pop(0)()  # the abandoned read lands late
    service.get_secret_value = answer
    first.join(10), second.join(10)
    assert got == [new, new]
    source._in_background = at_once
    for _ in range(5):
        clock.now += 11
        assert not is_refused(
            clients.call(lambda client: Answer() if client.token == new else REFUSED)
        )


@pytest.mark.slow
def test_a_reset_beside_readers_is_no_outage():
    source, errors, stop = TokenSource(Service(), "s", ttl=0.02, max_age=60), [], threading.Event()

    def read() -> None:
        while not stop.is_set():
            try:
                source.get()
            except TokenUnavailable as error:
                errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    for _ in range(200):
        source.reset()
        time.sleep(0.002)
    stop.set()
    for reader in readers:
        reader.join()
    assert not errors


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(), MemoryError()])
def test_an_exception_while_a_read_is_started_reaches_the_caller_and_ends_nothing(error):
    starts = []

    def begin(work) -> None:
        starts.append(work)
        if len(starts) == 1:
            raise error
        at_once(work)

    service = Service()
    source = TokenSource(service, "s", in_background=begin, retry=0)
    with pytest.raises(type(error)):
        source.get()
    assert source.get() == service.value


def test_a_read_that_hangs_is_given_up_and_said():
    service, clock, steps, told = Service(), Clock(), Steps(), []

    class Notes(Observer):
        def failed(self, error):
            told.append(error.code)

    settings = {"ttl": 10, "max_age": 1_000, "timeout": 0, "patience": 0}
    source = TokenSource(
        service, "s", clock=clock, in_background=steps, observer=Notes(), **settings
    )
    with suppress(TokenUnavailable):
        source.get()
    steps.land()
    clock.now += 9
    source.get()
    hanging = steps.pop()
    for _ in range(60):
        clock.now += 10
        source.get()
        if steps:
            steps.land()
    assert told == ["NoAnswer"] and source.state in ("fresh", "due")
    hanging()  # and lands after all: nobody believes it
    assert source.refreshes == source.failures + service.calls - 2


def test_a_thread_that_cannot_be_started_is_told():
    told = []

    class Notes(Observer):
        def failed(self, error):
            told.append(error.code)

    def refuse(work) -> None:
        raise RuntimeError("can't start new thread")

    with pytest.raises(TokenUnavailable):
        TokenSource(Service(), "s", in_background=refuse, observer=Notes()).get()
    assert told == ["RuntimeError"]


def test_an_observer_hears_of_a_denial_though_the_log_fails():
    told = []

    class Notes(Observer):
        def denied(self, error):
            told.append(error.code)

    class Broken(logging.Filter):
        def filter(self, record):
            raise RuntimeError("no log today")

    service, log = Service(), logging.getLogger("momento_token.token_source")
    service.error, broken = failure("AccessDeniedException"), Broken()
    source = TokenSource(service, "s", observer=Notes())
    log.addFilter(broken)
    try:
        with pytest.raises((TokenUnavailable, RuntimeError)):
            source.get()
        until(lambda: told)
    finally:
        log.removeFilter(broken)
    assert told == ["AccessDeniedException"]


def test_a_clock_that_goes_back_stops_neither_retries_nor_refreshes():
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", in_background=at_once, clock=clock)
    service.error = failure("ThrottlingException")
    with pytest.raises(TokenUnavailable):
        source.get()
    service.error = None
    clock.now -= 900
    assert source.get() == service.value
    clock.now -= 86_400
    new = service.rotate()
    source.get()
    assert source.get() == new


def test_no_wait_grows_by_a_clock_that_goes_back():
    service, clock, steps = Service(), Clock(), Steps()
    source = TokenSource(service, "s", in_background=steps, clock=clock, ttl=10, timeout=0)
    with suppress(TokenUnavailable):
        source.get()
    steps.land()
    clock.now += 11
    assert source._look(None)[1] <= 1
    clock.now -= 500
    assert source._look(None)[1] <= 1


def test_nobody_gets_a_token_that_is_too_old_after_a_freeze():
    service, clock, steps, got = Service(), Clock(), Steps(), []
    source = TokenSource(
        service, "s", in_background=steps, clock=clock, ttl=10, max_age=100, retry=0
    )
    reader = threading.Thread(target=lambda: got.append(source.get()), daemon=True)
    reader.start()
    until(lambda: source.misses)
    old, new = {"SecretString": service.value, "VersionId": "1"}, service.rotate()
    answer, service.get_secret_value = service.get_secret_value, lambda **which: old
    clock.now += 7_200  # frozen while it waits
    steps.land()
    service.get_secret_value = answer
    until(lambda: steps)
    steps.land()
    reader.join(10)
    assert got == [new]


@pytest.mark.parametrize("in_background", [in_daemon_thread, at_once])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_reads_that_take_longer_than_a_copy_lives_end_in_an_error_and_not_in_a_loop(
    asynchronous, in_background
):
    service, ended = Service(), []
    answer = service.get_secret_value
    service.get_secret_value = lambda **which: (time.sleep(0.05), answer(**which))[1]
    source = TokenSource(service, "s", ttl=0.01, max_age=0.01, in_background=in_background)

    def ask():
        try:
            asyncio.run(source.aget(0.2)) if asynchronous else source.get(0.2)
        except TokenUnavailable as error:
            ended.append(error.code)

    reader = threading.Thread(target=ask, daemon=True)
    reader.start()
    reader.join(10)
    source.close()  # sets a reader free that would go on for ever
    assert ended == ["NoAnswer"]


def test_a_renewal_waits_no_longer_than_it_may():
    service, steps = Service(), Steps()
    source = TokenSource(service, "s", in_background=at_once, ttl=1_000)
    token = source.get()
    source._in_background = steps
    started = time.monotonic()
    assert not source.renew(token, timeout=0)
    assert len(steps) == 1 and time.monotonic() - started < 5  # the source's own timeout is 10


def test_a_renewal_says_what_it_takes():
    source = TokenSource(Service(), "s", in_background=at_once)
    for _ in range(2):  # without a copy, and with one
        with pytest.raises(TypeError, match="the token that `get` returned"):
            source.renew("text")
        source.get()


def test_two_refused_tokens_by_turns_are_not_read_for_each():
    service, clock = Service(), Clock()
    source = TokenSource(
        service, "s", in_background=at_once, clock=clock, ttl=1e5, max_age=1e6, retry=5
    )
    one = source.get()
    service.rotate()
    source.renew(one)
    two = source.get()
    service.error = failure("AccessDeniedException")
    source.renew(two)
    calls = service.calls
    for _ in range(100):
        source.renew(one)
        source.renew(two)
    assert service.calls == calls


def test_tasks_that_do_not_wait_leave_nothing_behind():
    service, clock, steps = Service(), Clock(), Steps()
    source = TokenSource(service, "s", in_background=steps, clock=clock, ttl=10, timeout=0)
    with suppress(TokenUnavailable):
        source.get()
    steps.land()
    clock.now += 11
    source.get(timeout=0)
    clock.now += 2  # longer than its patience

    async def ask() -> None:
        for _ in range(500):
            await source.aget()

    asyncio.run(ask())
    assert not source._read.outcome._done_callbacks


class Wrapped:
    """As instrumentation wraps a client."""

    def __init__(self, inner: Service) -> None:
        self._inner = inner

    def __getattr__(self, name: str):
        return getattr(self._inner, name)


def test_a_wrapped_client_is_a_client_and_a_class_is_a_function_that_makes_one():
    service = Service()
    assert TokenSource(Wrapped(service), "s").get() == service.value
    assert TokenSource(Service, "s").get()


@pytest.mark.parametrize(
    "arguments, settings, said",
    [
        (("s", Service()), {}, "second argument is the secret's name"),
        ((None, "s"), {}, "first argument is a boto3 client"),
        ((Service(), None), {}, "second argument is the secret's name"),
        ((Service(), "s"), {"timeout": "10"}, "timeout is '10'"),
        ((Service(), "s"), {"max_retry": -5}, "max_retry is -5"),
        ((Service(), "s"), {"patience": float("nan")}, "patience is nan"),
    ],
)
def test_a_newcomers_mistake_is_told_at_once(arguments, settings, said):
    with pytest.raises((TypeError, ValueError), match=said):
        TokenSource(*arguments, **settings)


def test_for_ever_is_a_timeout():
    service = Service()
    assert TokenSource(service, "s", timeout=float("inf")).get() == service.value


# Errors


def test_a_proxys_403_is_no_denial():
    answer = {"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, clock=clock, in_background=at_once)
    token = source.get()
    service.error = ClientError(answer, "GetSecretValue")
    clock.now += 11
    assert source.get() == token and not source.problem.denied


def keep(secret: str, error: BaseException) -> BaseException:
    """The error, having passed through a frame that holds the secret."""
    try:
        raise error
    except BaseException as passed:
        return passed


def test_no_frame_survives_in_groups_and_contexts():
    secret, service = new_api_key(), Service()
    outer = keep(secret, ValueError("outer"))
    outer.__cause__, outer.__context__ = keep(secret, KeyError()), keep(secret, OSError())
    for error in (ExceptionGroup("two", [keep(secret, ValueError()), outer]), outer):
        service.error = error
        with pytest.raises(TokenUnavailable) as caught:
            TokenSource(service, "s").get()
        told = everything_about(caught.value)
        assert not [piece for piece in pieces(secret) if piece in told]


def test_what_a_proof_says_of_a_token_is_not_repeated():
    service, clock = Service(), Clock()

    def prove(token) -> bool:
        raise SystemExit(f"bad token: {token}")

    source = TokenSource(service, "s", prove=prove, ttl=10, clock=clock, in_background=at_once)
    source.get()
    new = service.rotate()
    clock.now += 11
    source.get()
    assert "SystemExit" in str(source.problem)
    assert not [piece for piece in pieces(new) if piece in repr(source.problem)]
    assert source.problem.__cause__ is source.problem.__traceback__ is None


def test_json_that_is_too_deep_is_a_mistake_like_others():
    with pytest.raises(TokenError, match="is JSON"):
        check("{" + '"a":{' * 100_000)


# Subscriptions


class Item:
    def __init__(self, kind: str, number: int = 0, page: int = 1) -> None:
        self.kind, self.topic_sequence_number, self.sequence_page = kind, number, page
        self.item, self.value, self.text = self, self, f"message {number}"

    def WhichOneof(self, of: str) -> str:
        return "text" if self is self.value and self.kind == "item" and self.asked() else self.kind

    def asked(self) -> bool:
        """The second question is for the kind of the value."""
        self.questions = getattr(self, "questions", 0) + 1
        return self.questions > 1


def read(position: Position, *items: Item) -> list[bool]:
    return [message.gap for item in items if (message := position.read(item))]


def test_gaps():
    position = Position("topic", Guarded(None))
    position.begin()
    assert read(position, Item("item", 5)) == [False]  # the latest, for a new subscriber
    assert read(position, Item("item", 5), Item("item", 4)) == []  # seen before
    assert read(position, Item("heartbeat"), Item("item", 6), Item("item", 9)) == [False, True]
    assert read(position, Item("discontinuity"), Item("item", 10)) == [True]
    assert read(position, Item("item", 11)) == [False]
    assert read(position, Item("item", 1, page=2)) == [True]
    assert position.resume_at == (2, 2)


def test_what_came_to_an_empty_topic_between_two_streams_is_missing():
    position = Position("topic", Guarded(None))
    position.begin()  # nothing there
    position.begin()
    assert read(position, Item("item", 5)) == [True]


def test_pauses_grow_until_a_stream_has_lasted(monkeypatch):
    position = Position("topic", Guarded(None))
    for lasted, failures in ((float("inf"), 1), (float("inf"), 2), (-1, 1)):
        monkeypatch.setattr("momento_token.subscription.LASTED", lasted)
        position.begin()
        assert position.fail() == failures
