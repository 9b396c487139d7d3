"""One client for all callers: when it is made, replaced and closed. With clients that only note what is done to them."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
import time

import pytest
from fakes import REFUSED, Bench, FakeClient, Response, in_a_child, in_threads, needs_fork, until
from momento.errors import MomentoErrorCode

from momento_token import AsyncSharedClient, SharedClient, TokenUnavailable, is_accepted, is_refused
from momento_token.testing import error_of, fake_key

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


@pytest.fixture
def bench() -> Bench:
    return Bench(SharedClient)


def use(bench: Bench) -> FakeClient:
    return bench.clients.call(lambda client: client)


def test_an_unchanged_token_keeps_its_client(bench):
    for _ in range(3):
        use(bench)
        bench.clock.now += 11
    assert len(bench.made) == 1


def test_a_call_in_progress_keeps_its_client_open_until_it_returns(bench):
    def operate(client: FakeClient) -> FakeClient:
        bench.rotate()
        assert use(bench) is bench.made[1] and not client.closed
        return client

    assert bench.clients.call(operate) is bench.made[0]
    assert bench.made[0].closed and not bench.made[1].closed
    bench.clients.close()
    assert bench.made[1].closed


def test_a_refused_call_is_repeated_with_a_newer_token(bench):
    use(bench)
    bench.service.rotate()
    current = lambda client: Response() if client.token == bench.service.value else REFUSED  # noqa: E731
    assert not is_refused(bench.clients.call(current))
    assert len(bench.made) == 2 and bench.service.calls == 2 and bench.made[0].closed
    assert bench.notes.names == ["read", "read", "client_replaced"]


def test_a_late_caller_never_brings_an_old_token_back(bench):
    old = bench.source.get()
    bench.rotate()
    use(bench)

    async def get_old(how, timeout):
        return old

    bench.source.get_as = get_old
    assert use(bench) is bench.made[-1] and len(bench.made) == 1 and bench.made[0].token != old


def test_while_one_makes_a_client_the_others_use_the_old_one_and_can_give_it_back(bench):
    use(bench)
    bench.rotate()
    making, go_on, make = threading.Event(), threading.Event(), bench.clients._new_client

    def slowly(token: str) -> FakeClient:
        making.set()
        assert go_on.wait(20)
        return make(token)

    bench.clients._new_client = slowly
    maker = threading.Thread(target=lambda: use(bench), daemon=True)
    maker.start()
    assert making.wait(20)
    for _ in range(100):
        assert use(bench) is bench.made[0]
    go_on.set()
    maker.join(20)
    assert use(bench) is bench.made[1] and bench.made[0].closed


def test_a_refused_client_is_not_used_while_another_is_made(bench):
    """Else a thread would come back with it, be refused, find that there is a newer token, and so on until it is made."""
    calls: list[str] = []
    making, go_on, make = threading.Event(), threading.Event(), bench.clients._new_client
    use(bench)
    bench.service.rotate()

    def slowly(token: str) -> FakeClient:
        making.set()
        assert go_on.wait(20)
        return make(token)

    def operate(client: FakeClient) -> Response:
        calls.append(client.token)
        return Response() if client.token == bench.service.value else REFUSED

    bench.clients._new_client = slowly
    threads = [threading.Thread(target=lambda: bench.clients.call(operate), daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert making.wait(20)
    time.sleep(0.1)  # in which none of them may come back for the refused one
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(calls) <= 16 and calls.count(bench.service.value) == 8 and len(bench.made) == 2


def test_a_make_that_hangs_makes_others_wait_no_longer_than_they_will(bench):
    hangs = threading.Event()
    bench.clients._new_client = lambda token: hangs.wait(30)
    threading.Thread(target=lambda: use(bench), daemon=True).start()
    until(lambda: bench.clients._making)
    with pytest.raises(TokenUnavailable, match="No Momento client was made in time") as caught:
        bench.clients.call(str, timeout=0.05)
    assert caught.value.code == "NoClient"
    hangs.set()


def test_many_swaps_under_many_threads_close_every_client_but_the_last(bench):
    stop, wrong = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            bench.clients.call(lambda client: wrong.append("closed in use") if client.closed else 0)

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for count in range(1, 51):
        until(lambda count=count: len(bench.made) == count)
        bench.rotate()
    use(bench)
    stop.set()
    for worker in workers:
        worker.join()
    assert [client.closed for client in bench.made] == [True] * (len(bench.made) - 1) + [False]
    assert len(bench.made) >= 50 and not wrong and bench.notes.names.count("client_replaced") == len(bench.made) - 1


def test_a_refusal_without_a_newer_token_reaches_the_caller_and_makes_no_storm(bench):
    responses = [bench.clients.call(lambda client: REFUSED) for _ in range(100)]
    assert all(map(is_refused, responses)) and bench.service.calls == 2 and len(bench.made) == 1
    assert not bench.clients.ready and bench.source.state == "refused"
    bench.clients.call(lambda client: Response(MomentoErrorCode.TIMEOUT_ERROR))  # says nothing
    assert not bench.clients.ready
    bench.clients.call(lambda client: Response())
    assert bench.clients.ready and bench.source.state == "fresh"


def test_refused_and_no_read_succeeds_is_not_ready(bench):
    use(bench)
    bench.service.error = RecursionError()
    assert is_refused(bench.clients.call(lambda client: REFUSED))
    assert not bench.clients.ready and "RecursionError" in str(bench.clients.problem)


def test_a_refusal_that_passes_is_over_for_every_client_of_the_source(bench):
    other = SharedClient(bench.source, bench.make)
    bench.clients.call(lambda client: REFUSED)
    assert not other.ready
    other.call(lambda client: Response())
    assert other.ready and bench.clients.ready


def test_without_calls_a_refusal_lapses_if_the_secret_can_be_read(bench):
    """A load balancer that sends no calls to a process that isn't ready would never find out that it is."""
    bench.clients.call(lambda client: REFUSED)
    for _ in range(3):
        assert not bench.clients.ready
        bench.clock.now += 5
        bench.source.refresh_if_due()
    assert bench.clients.ready
    bench.service.error = RecursionError()
    bench.clients.call(lambda client: REFUSED)
    bench.clock.now += 200
    bench.source.refresh_if_due()
    assert not bench.clients.ready  # no read succeeds, so no lapse
    bench.service.error, new = None, bench.service.rotate()
    bench.clock.now += 13
    bench.source.refresh_if_due()
    assert bench.clients.ready and use(bench).token == new


def test_after_an_incident_at_momento_a_rotation_is_noticed_within_a_second(bench):
    use(bench)
    for _ in range(12):
        bench.clock.now += 5
        bench.clients.call(lambda client: REFUSED)
    bench.clients.call(lambda client: Response())
    bench.service.rotate()
    bench.clock.now += 1
    current = lambda client: Response() if client.token == bench.service.value else REFUSED  # noqa: E731
    assert not is_refused(bench.clients.call(current))


# A key that no client can be made with


def test_a_client_that_cannot_be_made_leaves_the_old_one_in_use_and_is_reported(bench):
    use(bench)
    bench.rotate()
    make, tries = bench.clients._new_client, []
    bench.clients._new_client = lambda token: tries.append(token) or 1 / 0
    assert [use(bench) for _ in range(100)] == [bench.made[0]] * 100 and not bench.made[0].closed
    assert len(tries) == 1 and bench.notes.names.count("client_failed") == 1  # and not one for each call
    assert bench.clients.ready and "can be made with the new token (ZeroDivisionError)" in str(bench.clients.problem)
    bench.clients._new_client = make
    bench.clients._failed_at -= 11
    assert use(bench) is bench.made[1] and bench.made[0].closed and bench.clients.problem is None


def test_the_first_client_that_cannot_be_made_raises_what_its_maker_raises(bench):
    bench.clients._new_client = lambda token: 1 / 0
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            use(bench)
        assert not bench.clients.ready and "ZeroDivisionError" in str(bench.clients.problem)
    assert not bench.clients._making and bench.notes.names.count("client_failed") == 2
    bench.clients._new_client = bench.make
    assert use(bench) and bench.clients.ready


def test_nor_is_a_refused_client_kept_when_no_other_can_be_made(bench):
    use(bench)
    bench.service.rotate()
    bench.clients._new_client = lambda token: 1 / 0
    with pytest.raises(ZeroDivisionError):
        bench.clients.call(lambda client: REFUSED)
    assert not bench.clients.ready


# Ends and interrupts


@pytest.mark.parametrize("what", ["close", "report"])
def test_a_close_or_a_report_that_hangs_holds_up_its_own_caller_only(bench, what):
    hangs, hanging = threading.Event(), threading.Event()

    def hang(*_) -> None:
        hanging.set()
        hangs.wait(20)

    use(bench)
    if what == "close":
        FakeClientThatHangs = type("FakeClientThatHangs", (FakeClient,), {"__exit__": hang})
        bench.made[0].__class__ = FakeClientThatHangs
    else:
        bench.source.events._report = lambda event: event.name == "client_replaced" and hang()
    current = lambda client: Response() if client.token == bench.service.value else REFUSED  # noqa: E731
    bench.service.rotate()
    threading.Thread(target=lambda: bench.clients.call(current), daemon=True).start()
    assert hanging.wait(20)
    bench.source.events._report = lambda event: None
    for _ in range(3):
        bench.service.rotate()
        bench.clock.now += 13
        assert not is_refused(bench.clients.call(current, timeout=2))
    hangs.set()


def test_an_exception_of_an_operation_gives_the_client_back(bench):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            bench.clients.call(lambda client: 1 / 0)
    bench.clients.close()
    assert bench.made[0].closed


def test_closed_is_closed(bench):
    with bench.clients as clients:
        use(bench)
    assert bench.made[0].closed and not clients.ready
    with pytest.raises(TokenUnavailable, match="was closed: make a new one"):
        use(bench)
    with pytest.raises(TypeError, match="in each process"):
        pickle.dumps(clients)
    clients.close()
    assert bench.source.get()  # it isn't the source's owner


def test_closed_while_a_client_is_made(bench):
    make = bench.clients._new_client

    def interrupted(token: str) -> FakeClient:
        bench.clients.close()
        return make(token)

    bench.clients._new_client = interrupted
    use(bench)
    bench.clients.close()  # a fake client asserts that it isn't closed twice
    assert bench.made[0].closed


def test_a_client_that_cannot_be_closed_is_logged(bench, caplog):
    use(bench)
    bench.made[0].closed = True  # so that closing it raises
    bench.rotate()
    assert use(bench) is bench.made[1]
    assert "could not be closed (AssertionError)" in caplog.text


@pytest.mark.parametrize("what", ["close", "call"])
def test_a_signal_handler_or_a_finaliser_meets_no_lock_of_its_own_thread(bench, what):
    use(bench)

    def interrupted() -> None:
        with bench.clients._lock.here(), bench.source._lock.here():  # where it finds the thread that it interrupts
            bench.clients.close() if what == "close" else use(bench)

    thread = threading.Thread(target=interrupted, daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning")
@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such signals")
def test_interrupts_between_any_two_lines_leave_a_client_that_works():
    """A signal raises in whatever line it meets, once in a call."""

    class Interrupt(BaseException):
        pass

    armed = False

    def interrupt(*_) -> None:
        nonlocal armed
        if armed:
            armed = False
            raise Interrupt

    bench, interrupts = Bench(SharedClient), 0
    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.00007)
    try:
        end = time.monotonic() + 5
        while time.monotonic() < end:
            bench.service.rotate()
            bench.clock.now += 13
            try:
                armed = True
                use(bench)
            except Interrupt:
                interrupts += 1
            finally:
                armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    bench.rotate()
    bench.clock.now += 61
    started = time.monotonic()
    assert use(bench).token == bench.service.value and interrupts > 100
    assert time.monotonic() - started < 1 and bench.source._read is None and not bench.clients._making


# Forks


@needs_fork
def test_a_child_makes_its_own_client_and_never_closes_its_parents(bench):
    def operate(client: FakeClient) -> str:
        bench.rotate()
        use(bench)  # from now on the first is closed by its last user

        def child() -> str:
            assert use(bench) is bench.made[2]
            bench.rotate()
            use(bench)
            bench.clients.close()
            return str([client.closed for client in bench.made])

        return in_a_child(child)

    assert bench.clients.call(operate) == "[False, False, True, True]"
    assert use(bench) is bench.made[1] and bench.made[0].closed


@needs_fork
def test_a_fork_while_a_client_is_made(bench):
    making, go_on, make = threading.Event(), threading.Event(), bench.clients._new_client

    def slowly(token: str) -> FakeClient:
        making.set()
        go_on.wait(20)
        return make(token)

    bench.clients._new_client = slowly
    threading.Thread(target=lambda: use(bench), daemon=True).start()
    assert making.wait(20)

    def child() -> str:
        bench.clients._new_client = make
        return use(bench).token

    assert in_a_child(child) == bench.service.value
    go_on.set()


def test_a_client_of_the_other_kind_is_told_at_the_first_call(bench):
    async def result() -> None:
        """Awaited by nobody."""

    pending = result()
    with pytest.raises(TypeError, match="use AsyncSharedClient"):
        bench.clients.call(lambda client: pending)
    pending.close()
    clients = Bench(AsyncSharedClient).clients
    with pytest.raises(TypeError, match="use an async client, or SharedClient"):
        asyncio.run(clients.call(lambda client: client.token))


def test_what_tells_that_a_token_is_accepted():
    assert is_accepted(Response()) and is_accepted(Response(MomentoErrorCode.NOT_FOUND_ERROR))
    assert not is_accepted(REFUSED) and not is_accepted(Response(MomentoErrorCode.PERMISSION_ERROR))
    for code in (MomentoErrorCode.SERVER_UNAVAILABLE, MomentoErrorCode.TIMEOUT_ERROR):
        with pytest.raises(RuntimeError, match=code.name):
            is_accepted(Response(code))


# The same for asyncio


async def operate(client: FakeClient) -> FakeClient:
    await asyncio.sleep(0)
    return client


def test_async_swaps_and_closing():
    bench = Bench(AsyncSharedClient)

    async def swap(client: FakeClient) -> None:
        bench.rotate()
        assert await bench.clients.call(operate) is bench.made[1] and not client.closed

    async def run() -> None:
        async with bench.clients as clients:
            await clients.call(swap)
            assert bench.made[0].closed and not bench.made[1].closed
        assert bench.made[1].closed
        with pytest.raises(TokenUnavailable, match="was closed"):
            await clients.call(operate)

    asyncio.run(run())


def test_async_a_refused_call_is_repeated():
    bench = Bench(AsyncSharedClient)

    async def current(client: FakeClient) -> Response:
        return Response() if client.token == bench.service.value else REFUSED

    async def run() -> list[object]:
        await bench.clients.call(current)
        bench.service.rotate()
        return await asyncio.gather(*[bench.clients.call(current) for _ in range(16)])

    assert not any(map(is_refused, asyncio.run(run())))
    assert len(bench.made) == 2 and bench.made[0].closed


def test_async_a_cancelled_call_gives_the_client_back():
    bench = Bench(AsyncSharedClient)

    async def run() -> None:
        call = asyncio.create_task(bench.clients.call(lambda client: asyncio.sleep(60)))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await bench.clients.close()

    asyncio.run(run())
    assert bench.made[0].closed


def test_async_a_cancelled_task_leaves_no_client_half_closed():
    closed, bench = [], Bench(AsyncSharedClient)

    class Slow(FakeClient):
        async def __aexit__(self, *_):
            await asyncio.sleep(0.05)
            closed.append(self.token)

    async def run() -> None:
        bench.clients._new_client = Slow
        await bench.clients.call(operate)
        bench.rotate()
        call = asyncio.create_task(bench.clients.call(operate))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.sleep(0.2)

    asyncio.run(run())
    assert len(closed) == 1


def test_async_a_task_that_is_cancelled_while_it_closes_the_old_client_leaks_none():
    bench = Bench(AsyncSharedClient)

    class Slow(FakeClient):
        async def __aexit__(self, *_):
            await asyncio.sleep(0.02)
            self.closed = True

    async def run() -> None:
        bench.clients._new_client = lambda token: bench.made.append(Slow(token)) or bench.made[-1]
        await bench.clients.call(operate)
        for _ in range(10):
            bench.rotate()
            call = asyncio.create_task(bench.clients.call(operate))
            await asyncio.sleep(0.01)
            call.cancel()
            await asyncio.gather(call, return_exceptions=True)
        await bench.clients.close()
        await asyncio.sleep(0.1)

    asyncio.run(run())
    assert [client.closed for client in bench.made] == [True] * len(bench.made) and len(bench.made) == 11


def test_async_each_loop_has_a_client_of_its_own():
    """One at module level, used by `asyncio.run` twice, got UNKNOWN_ERROR for every call from then on."""
    bench = Bench(AsyncSharedClient)
    first, second = (asyncio.run(bench.clients.call(operate)) for _ in range(2))
    assert first is not second and len(bench.clients._open) == 1

    async def run() -> tuple[FakeClient, FakeClient]:
        here = await bench.clients.call(operate)
        there = await asyncio.to_thread(asyncio.run, bench.clients.call(operate))
        assert await bench.clients.call(operate) is here
        return here, there

    here, there = asyncio.run(run())
    assert here is not there and os.getpid() in {place[0] for place in bench.clients._current}


def test_after_a_denial_no_client_is_used(bench):
    use(bench)
    bench.service.error = error_of("AccessDeniedException")
    bench.clock.now += 301
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        use(bench)
    assert not bench.clients.ready


def test_threads_share_one_client_and_one_read(bench):
    bench.source._start = lambda work: threading.Thread(target=work, daemon=True).start()
    assert set(in_threads(lambda: use(bench))) == {bench.made[0]}
    assert len(bench.made) == bench.service.calls == 1


def test_a_restored_process_makes_a_new_client(bench):
    use(bench)
    bench.source.reset()
    assert use(bench) is bench.made[1] and bench.made[0].closed and fake_key() not in repr(bench.clients)
