"""One client for everybody: when it is made, replaced and closed. With clients that only note what is done to them."""

from __future__ import annotations

import asyncio
import os
import pickle
import threading
import time

import pytest
from fakes import Clock, Service, at_once, until
from momento.errors import MomentoErrorCode
from test_lifetime import in_a_child, needs_fork

from momento_token.observer import Observer
from momento_token.shared_client import AsyncSharedClient, SharedClient, is_refused, proves
from momento_token.token_source import TokenSource, TokenUnavailable

pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


class Answer:
    def __init__(self, code: MomentoErrorCode | None = None) -> None:
        if code:
            self.error_code = code


REFUSED = Answer(MomentoErrorCode.AUTHENTICATION_ERROR)


class FakeClient:
    """What the shared clients know of a client."""

    def __init__(self, token: str) -> None:
        self.token, self.closed = token, False

    def __enter__(self):
        return self

    def __exit__(self, *_) -> None:
        assert not self.closed
        self.closed = True

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_) -> None:
        self.__exit__()


class Bench:
    def __init__(self, kind=SharedClient, **settings) -> None:
        self.service, self.clock, self.made = Service(), Clock(), []
        self.source = TokenSource(
            self.service, "s", ttl=10, clock=self.clock, in_background=at_once, retry=0
        )
        self.clients = kind(self.source, self.make, **settings)

    def make(self, token: str) -> FakeClient:
        self.made.append(FakeClient(token))
        return self.made[-1]

    def rotate(self) -> None:
        self.service.rotate()
        self.clock.now += 11


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_unchanged_token_keeps_its_client(bench):
    for _ in range(3):
        bench.clients.call(lambda client: client)
        bench.clock.now += 11
    assert len(bench.made) == 1


def test_a_call_under_way_keeps_its_client_open_until_it_is_over(bench):
    with bench.clients.lease() as client:
        bench.rotate()
        assert bench.clients.call(lambda client: client) is bench.made[1]
        assert client is bench.made[0] and not client.closed
    assert bench.made[0].closed and not bench.made[1].closed
    bench.clients.close()
    assert bench.made[1].closed


def test_a_late_reader_never_brings_an_old_token_back(bench):
    old = bench.source.get()
    bench.rotate()
    bench.clients.call(lambda client: client)
    lease, _ = bench.clients._take(old, 1)
    assert lease.client is bench.made[-1] and lease.token.number > old.number


def test_a_client_that_cannot_be_made_leaves_the_old_one_in_place(bench):
    bench.clients.call(lambda client: client)
    bench.rotate()
    bench.clients._make, make = lambda token: 1 / 0, bench.clients._make
    with pytest.raises(ZeroDivisionError):
        bench.clients.call(lambda client: client)
    assert not bench.made[0].closed
    bench.clients._make = make
    assert bench.clients.call(lambda client: client) is bench.made[1] and bench.made[0].closed


def test_while_one_makes_a_client_the_others_use_the_old_one_and_can_give_it_back(bench):
    bench.clients.call(lambda client: client)
    bench.rotate()
    making, go_on, make = threading.Event(), threading.Event(), bench.clients._make

    def slowly(token: str) -> FakeClient:
        making.set()
        assert go_on.wait(20)
        return make(token)

    bench.clients._make = slowly
    maker = threading.Thread(target=lambda: bench.clients.call(lambda client: client), daemon=True)
    maker.start()
    assert making.wait(20)
    for _ in range(100):
        assert bench.clients.call(lambda client: client) is bench.made[0]
    go_on.set()
    maker.join(20)
    assert bench.clients.call(lambda client: client) is bench.made[1] and bench.made[0].closed


def test_a_refused_client_is_not_used_while_another_is_made(bench):
    """Else a thread would come back with it, be refused, find that there is a newer token, and so on until it is made."""
    calls: list[str] = []
    making, go_on, make = threading.Event(), threading.Event(), bench.clients._make
    bench.clients.call(lambda client: client)
    bench.service.rotate()

    def slowly(token: str) -> FakeClient:
        making.set()
        assert go_on.wait(20)
        return make(token)

    def operate(client: FakeClient) -> Answer:
        calls.append(client.token)
        return Answer() if client.token == bench.service.value else REFUSED

    bench.clients._make = slowly
    threads = [
        threading.Thread(target=lambda: bench.clients.call(operate), daemon=True) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    assert making.wait(20)
    time.sleep(0.1)  # in which none of them may come back for the refused one
    go_on.set()
    for thread in threads:
        thread.join(20)
    assert len(calls) <= 16 and calls.count(bench.service.value) == 8 and len(bench.made) == 2


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
    bench.clients.call(lambda client: client)
    stop.set()
    for worker in workers:
        worker.join()
    assert [client.closed for client in bench.made] == [True] * (len(bench.made) - 1) + [False]
    assert len(bench.made) >= 50 and not wrong


def test_a_refusal_without_a_newer_token_reaches_the_caller_and_makes_no_storm(bench):
    bench.source._retry = 5
    answers = [bench.clients.call(lambda client: REFUSED) for _ in range(100)]
    assert all(map(is_refused, answers)) and bench.service.calls == 2 and len(bench.made) == 1


def test_an_exception_of_an_operation_gives_the_client_back(bench):
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            bench.clients.call(lambda client: 1 / 0)
    bench.clients.close()
    assert bench.made[0].closed


def test_closed_is_closed(bench):
    with bench.clients as clients:
        clients.call(lambda client: client)
    assert bench.made[0].closed
    with pytest.raises(TokenUnavailable, match="was closed: make a new one"):
        clients.call(lambda client: client)
    with pytest.raises(TypeError, match="in each process"):
        pickle.dumps(clients)
    clients.close()
    assert list(clients.messages("cache", "topic")) == []
    assert bench.source.get()  # it isn't the source's owner


def test_closed_while_a_client_is_made(bench):
    make = bench.clients._make

    def interrupted(token: str) -> FakeClient:
        bench.clients.close()
        return make(token)

    bench.clients._make = interrupted
    bench.clients.call(lambda client: client)
    assert bench.made[0].closed


def test_after_a_restore_there_is_a_new_client(bench):
    bench.clients.call(lambda client: client)
    bench.source.reset()
    bench.clients.reset()
    assert bench.clients.call(lambda client: client) is bench.made[1] and bench.made[0].closed


@needs_fork
def test_a_child_makes_its_own_client_and_never_closes_its_parents(bench):
    lease = bench.clients.lease()
    lease.__enter__()  # left in the child too
    bench.rotate()
    bench.clients.call(lambda client: client)  # from now on the first is closed by its last user

    def child() -> str:
        lease.__exit__(None, None, None)
        assert bench.clients.call(lambda client: client) is bench.made[2]
        bench.rotate()
        bench.clients.call(lambda client: client)
        bench.clients.close()
        return str([client.closed for client in bench.made])

    assert in_a_child(child) == "[False, False, True, True]"
    lease.__exit__(None, None, None)
    assert bench.clients.call(lambda client: client) is bench.made[1] and bench.made[0].closed
    assert os.getpid() == bench.clients._lease.pid


def test_an_observer_hears_of_a_swap():
    told = []

    class Notes(Observer):
        def swapped(self, number):
            told.append(number)

    bench = Bench(observer=Notes())
    bench.clients.call(lambda client: client)
    bench.rotate()
    bench.clients.call(lambda client: client)
    assert told == [2] and "token 2" in repr(bench.clients)


def test_what_proves_a_token():
    assert proves(Answer()) and proves(Answer(MomentoErrorCode.NOT_FOUND_ERROR))
    assert not proves(REFUSED) and not proves(Answer(MomentoErrorCode.PERMISSION_ERROR))
    for code in (MomentoErrorCode.SERVER_UNAVAILABLE, MomentoErrorCode.TIMEOUT_ERROR):
        with pytest.raises(RuntimeError, match=code.name):
            proves(Answer(code))


# The same for asyncio


def test_async_swaps_leases_and_closing():
    bench = Bench(AsyncSharedClient)

    async def operate(client: FakeClient) -> FakeClient:
        await asyncio.sleep(0)
        return client

    async def use() -> None:
        async with bench.clients as clients:
            async with clients.lease() as client:
                bench.rotate()
                assert await clients.call(operate) is bench.made[1]
                assert client is bench.made[0] and not client.closed
            assert bench.made[0].closed and not bench.made[1].closed
        assert bench.made[1].closed
        with pytest.raises(TokenUnavailable, match="was closed"):
            await clients.call(operate)
        assert [message async for message in clients.messages("cache", "topic")] == []

    asyncio.run(use())


def test_async_a_refused_call_is_done_again():
    bench = Bench(AsyncSharedClient)

    async def operate(client: FakeClient) -> Answer:
        return Answer() if client.token == bench.service.value else REFUSED

    async def use() -> list[object]:
        await bench.clients.call(operate)
        bench.service.rotate()
        return await asyncio.gather(*[bench.clients.call(operate) for _ in range(16)])

    assert not any(map(is_refused, asyncio.run(use())))
    assert len(bench.made) == 2 and bench.made[0].closed


def test_async_a_cancelled_call_gives_the_client_back():
    bench = Bench(AsyncSharedClient)

    async def use() -> None:
        call = asyncio.create_task(bench.clients.call(lambda client: asyncio.sleep(60)))
        await asyncio.sleep(0.01)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await bench.clients.close()

    asyncio.run(use())
    assert bench.made[0].closed
