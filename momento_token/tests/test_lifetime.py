"""What ends a life or begins one: forks, exits, hangs, snapshots, and what escapes from a read."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fakes import Clock, Service, Steps, at_once, failure, new_api_key, until

from momento_token.observer import Observer
from momento_token.token_source import TokenSource, TokenUnavailable

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
# Forking while other threads run is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")


def in_a_child(work) -> str:
    """What `work()` returns or raises in a forked child. A child that hangs is ended, and says so."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        import signal

        signal.alarm(15)
        try:
            said = str(work())
        except BaseException as error:
            said = f"{type(error).__name__}: {error}"
        os.write(writing, said.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    _, status = os.waitpid(pid, 0)
    return said if status == 0 else f"ended by signal {status}"


@needs_fork
def test_a_child_serves_refreshes_and_sees_a_denial():
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, max_age=100, retry=0, clock=clock)
    token = source.get()

    def child() -> str:
        assert source.get() == token and service.calls == 1  # inherited, not read again
        new = service.rotate()
        clock.now += 11
        assert source.get() == new and source.refreshes == 2
        service.error = failure("AccessDeniedException")
        clock.now += 11
        with pytest.raises(TokenUnavailable):
            source.get()
        return "all well"

    assert in_a_child(child) == "all well"
    assert source.get() == token  # the parent has not noticed


@needs_fork
def test_a_fork_in_the_middle_of_a_read_leaves_nothing_half_done():
    """The reading thread is gone in the child, and with it the locks that it or others held."""
    service, clock, steps = Service(), Clock(), Steps()
    source = TokenSource(service, "s", ttl=10, clock=clock, in_background=steps, timeout=0)
    with pytest.raises(TokenUnavailable):
        source.get()  # a read is under way
    held = threading.Event()

    def hold() -> None:
        with source._lock:
            held.set()
            time.sleep(5)

    threading.Thread(target=hold, daemon=True).start()
    held.wait()

    def child() -> str:
        source._in_background = at_once
        return str(source.get())

    assert in_a_child(child) == service.value


def test_a_warm_up_before_a_fork_reads_in_this_thread_alone(monkeypatch):
    """A thread at its end may hold a lock of OpenSSL: a child that is forked then can't make a boto3 client any more."""
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread"))
    service, clock = Service(), Clock()
    source = TokenSource(service, "s", ttl=10, retry=0, clock=clock)
    service.error = failure("AccessDeniedException")
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        source.warm_up()
    service.error = None
    source.warm_up()
    source.warm_up()
    assert source.get() == service.value and service.calls == 2  # nothing is due the second time
    source.close()
    with pytest.raises(TokenUnavailable, match="closed"):
        source.warm_up()


@needs_fork
def test_the_parents_connections_are_not_used_in_the_child():
    class Client(Service):
        made: list[Client] = []
        closed_by: list[int] = []

        def __init__(self):
            super().__init__()
            Client.made.append(self)

        def close(self):
            Client.closed_by.append(os.getpid())

    clock = Clock()
    by_function = TokenSource(lambda: Client(), "s", ttl=10, clock=clock, in_background=at_once)
    by_client = TokenSource(Client(), "s", ttl=10, clock=clock, in_background=at_once)
    by_function.get(), by_client.get()

    def child() -> str:
        clock.now += 11
        for _ in range(2):
            by_function.get(), by_client.get()
            clock.now += 11
        return f"{len(Client.made)} made, {len(Client.closed_by)} closed"

    assert in_a_child(child) == "3 made, 1 closed"
    clock.now += 11
    by_function.get(), by_client.get()
    assert len(Client.made) == 2 and not Client.closed_by


@needs_fork
def test_what_the_parent_has_still_to_tell_is_not_told_by_the_child_too(monkeypatch):
    told: list[float] = []

    class Notes(Observer):
        def read(self, seconds):
            told.append(seconds)

    steps = Steps()
    source = TokenSource(Service(), "s", in_background=steps, observer=Notes(), timeout=0)
    with pytest.raises(TokenUnavailable):
        source.get()
    with monkeypatch.context() as patch:
        patch.setattr(source, "_tell", lambda: None)  # its thread is stopped just before
        steps.land()

    def child() -> int:
        source.refresh_if_due()
        return len(told)

    assert in_a_child(child) == "0"
    source.refresh_if_due()
    assert len(told) == 1


@needs_fork
def test_children_of_children():
    source = TokenSource(Service(), "s", clock=(clock := Clock()), ttl=10)
    token = source.get()

    def grandchild() -> str:
        clock.now += 11
        return source.get()

    assert in_a_child(lambda: in_a_child(grandchild)) == token


EXIT = """
import sys, threading, time
sys.path[:0] = {path!r}
from fakes import Service
from momento_token.token_source import TokenSource, TokenUnavailable
class Hanging(Service):
    def get_secret_value(self, **which):
        time.sleep(120)
source = TokenSource(Hanging(), "s")
try:
    source.get(timeout=0.2)
except TokenUnavailable:
    print("no answer", flush=True)
"""


def run(code: str, **more) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, **more
    )


def test_a_process_ends_though_a_read_hangs():
    """The read hangs for two minutes, and `run` gives up after one."""
    done = run(EXIT.format(path=[str(Path(__file__).parent), *sys.path]))
    assert (done.returncode, done.stdout, done.stderr) == (0, "no answer\n", "")


AT_EXIT = """
import sys, atexit, threading
sys.path[:0] = {path!r}
from fakes import Service, failure, Clock
from momento_token.token_source import TokenSource, TokenUnavailable
import time
clock = Clock()
source = TokenSource(Service(), "s", ttl=10, clock=clock)
source.get()
def last_words():
    time.sleep(0.5)  # the interpreter is shutting down, and starts no more threads
    clock.now += 9
    print("due:", len(source.get()) > 10, flush=True)
    clock.now += 9
    print("stale:", len(source.get()) > 10, flush=True)
    source.reset()
    try:
        source.get()
        print("a thread could be started", flush=True)
    except TokenUnavailable as error:
        print("said:", error.code, flush=True)
threading.Thread(target=last_words).start()
"""


def test_a_read_that_cannot_be_started_is_a_problem_and_no_crash():
    done = run(AT_EXIT.format(path=[str(Path(__file__).parent), *sys.path]))
    assert done.returncode == 0 and done.stdout.startswith("due: True\nstale: True\n"), done


def test_no_more_threads(clock=None):
    clock = Clock()

    def refuse(work) -> None:
        raise RuntimeError("can't start new thread")

    source = TokenSource(Service(), "s", ttl=10, clock=clock)
    token = source.get()
    source._in_background = refuse
    clock.now += 9
    assert source.get() == token and "RuntimeError" in str(source.problem)
    source.reset()
    with pytest.raises(TokenUnavailable, match="RuntimeError"):
        source.get()


@pytest.mark.parametrize("escapes", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_exception_ends_a_read_and_not_the_source(escapes):
    service, clock = Service(), Clock()
    service.error = escapes
    source = TokenSource(service, "s", clock=clock, retry=0)
    with pytest.raises(TokenUnavailable, match=type(escapes).__name__):
        source.get()
    service.error = None
    assert source.get() == service.value


# Waiting together


def test_a_cancelled_task_cancels_nobody_else():
    steps = Steps()
    service = Service()
    source = TokenSource(service, "s", in_background=steps)

    async def ask() -> list[object]:
        tasks = [asyncio.create_task(source.aget()) for _ in range(32)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        await asyncio.sleep(0)
        steps.land()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(ask())
    assert isinstance(first, asyncio.CancelledError)
    assert set(others) == {service.value} and service.calls == 1


def test_a_loop_that_has_ended_is_no_trouble_for_the_read(caplog):
    steps = Steps()
    service = Service()
    source = TokenSource(service, "s", in_background=steps)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(source.aget(), 0.05))
    steps.land()
    assert source.get() == service.value and not caplog.records


def test_waiting_does_not_stop_the_loop():
    steps = Steps()
    source = TokenSource(Service(), "s", in_background=steps)

    async def ask() -> int:
        waiting, turns = asyncio.create_task(source.aget()), 0
        while turns < 100:
            turns += 1
            await asyncio.sleep(0)
        steps.land()
        await waiting
        return turns

    assert asyncio.run(ask()) == 100


def test_counters_are_exact_with_many_threads():
    source = TokenSource(Service(), "s")
    source.get()
    threads = [
        threading.Thread(target=lambda: [source.get() for _ in range(2_000)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert source.hits == 16_000 and source.misses == source.refreshes == 1


# Ends and beginnings


def test_closed_is_closed():
    service = Service()
    with TokenSource(service, "s") as source:
        token = source.get()
    assert source._copy is None
    for ask in (
        source.get,
        lambda: source.renew(token),
        lambda: asyncio.run(source.aget()),
        lambda: asyncio.run(source.arenew(token)),
    ):
        with pytest.raises(TokenUnavailable, match="was closed: make a new one"):
            ask()
    source.refresh_if_due()
    assert service.calls == 1
    source.close()


def test_closing_sets_free_who_waits_and_waits_for_nobody():
    steps, said = Steps(), []
    source = TokenSource(Service(), "s", in_background=steps)

    def wait() -> None:
        try:
            source.get()
        except TokenUnavailable as error:
            said.append(error.code)

    waiting = threading.Thread(target=wait, daemon=True)
    waiting.start()
    until(lambda: source.misses)
    source.close()
    waiting.join(5)
    assert said == ["Closed"]  # though the read still hangs
    steps.land()
    assert source._copy is None


def test_async_with():
    async def use() -> str:
        async with TokenSource(Service(), "s") as source:
            await source.aget()
        return repr(source)

    assert "empty" in asyncio.run(use())


def test_after_a_restore_all_is_read_anew():
    service, steps, clock = Service(), Steps(), Clock()
    source = TokenSource(service, "s", in_background=steps, clock=clock, timeout=0)
    with pytest.raises(TokenUnavailable):
        source.get()
    steps.land()
    token = source.get()
    clock.now += 290
    source.get()  # a refresh is under way while the snapshot is taken
    source.reset()
    late = new_api_key()
    service.rotate(late)
    steps.land()  # and it lands in the restored process, over a connection that is gone: nobody believes it
    assert source.state == "empty"
    with pytest.raises(TokenUnavailable):
        source.get()
    steps.land()
    assert source.get() == late and source.get().number > token.number
