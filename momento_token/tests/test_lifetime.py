"""What ends a life or begins one: forks, exits, signals, snapshots, jumps of time, and what escapes from a read."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import NoCredentialsError
from fakes import Clock, Notes, Steps, at_once, in_a_child, needs_fork, source_of, until

from momento_token import TokenSource, TokenUnavailable
from momento_token.testing import FakeSecretsManager, error_of

# Forking while other threads run is what these tests are about.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

DENIED = error_of("AccessDeniedException")


@needs_fork
def test_a_child_serves_refreshes_and_sees_a_denial():
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, at_once, ttl=10, max_age=100, clock=clock)
    token = source.get()

    def child() -> str:
        assert source.get() == token and service.calls == 1  # inherited, not read again
        new = service.rotate()
        clock.now += 11
        assert source.get() == new
        service.error = DENIED
        clock.now += 11
        with pytest.raises(TokenUnavailable):
            source.get()
        return "all well"

    assert in_a_child(child) == "all well"
    assert source.get() == token  # the parent has not noticed


@needs_fork
@pytest.mark.parametrize("begin", ["get", "warm_up", "renew"])
def test_a_fork_in_the_middle_of_a_read_leaves_nothing_half_done(begin):
    """In the child the reading thread is gone, and nobody releases the lock that another thread holds."""
    service, hangs = FakeSecretsManager(), threading.Event()
    source = source_of(service, None)
    if begin == "renew":
        token = source.get()
    real = service.get_secret_value
    service.get_secret_value = lambda **which: (hangs.wait(20), real(**which))[1]
    acts = {"get": source.get, "warm_up": source.warm_up, "renew": lambda: source.renew(token)}
    threading.Thread(target=acts[begin], daemon=True).start()
    until(lambda: source._read)

    def hold() -> None:
        with source._lock.here():
            held.set()
            hangs.wait(20)

    held = threading.Event()
    threading.Thread(target=hold, daemon=True).start()
    held.wait()

    def child() -> str:
        service.get_secret_value = real
        source._start = at_once
        if begin == "renew":
            return str(source.renew(token))
        return str(source.get())

    assert in_a_child(child) == ("False" if begin == "renew" else service.value)
    hangs.set()


def test_a_warm_up_reads_in_this_thread_alone(monkeypatch):
    """A thread at its end may hold a lock of OpenSSL: a child that is forked then can't make a boto3 client any more."""
    monkeypatch.setattr(threading.Thread, "start", lambda thread: pytest.fail("a thread"))
    service, clock = FakeSecretsManager(), Clock()
    source = source_of(service, None, ttl=10, clock=clock)
    service.error = DENIED
    with pytest.raises(TokenUnavailable, match="AccessDenied"):
        source.warm_up()
    service.error = None
    clock.now += 1
    source.warm_up()
    source.warm_up()
    assert source.get() == service.value and service.calls == 2  # nothing is due the second time


@pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="this system has no such signals")
@pytest.mark.parametrize("number, error", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
@pytest.mark.parametrize("what", ["warm_up", "get"])
def test_a_signal_goes_through_and_the_next_call_reads(what, number, error):
    service = FakeSecretsManager()
    source, real = source_of(service, None), service.get_secret_value

    def read(**which):
        if service.calls == 0:
            service.calls = 1
            signal.pthread_kill(threading.main_thread().ident, number)
            time.sleep(0.2)
        return real(**which)

    service.get_secret_value = read
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    try:
        with pytest.raises(error):
            getattr(source, what)()
    finally:
        signal.signal(signal.SIGTERM, before)
    source._pause = 0
    assert source.get() == service.value


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="this system has no such signals")
def test_a_time_limit_by_signal_goes_through():
    def stop(*_) -> None:
        raise TimeoutError("a limit of the caller's own")

    source, before = source_of(FakeSecretsManager(), Steps()), signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(TimeoutError, match="of the caller's own"):
            source.get()
    finally:
        signal.signal(signal.SIGALRM, before)


@needs_fork
def test_the_parents_client_is_not_used_in_the_child():
    clock, made = Clock(), []

    def new_client() -> FakeSecretsManager:
        made.append(os.getpid())
        return FakeSecretsManager()

    source = TokenSource("s", new_client, ttl=10, clock=clock)
    source._start = at_once
    source.get()

    def child() -> str:
        for _ in range(2):
            clock.now += 11
            source.get()
        return f"{len(made)} made, the last one here: {made[-1] == os.getpid()}"

    assert in_a_child(child) == "2 made, the last one here: True"
    clock.now += 11
    source.get()
    assert made == [os.getpid()]


@needs_fork
def test_children_of_children():
    source = source_of(FakeSecretsManager(), None, clock=(clock := Clock()), ttl=10)
    token = source.get()

    def grandchild() -> str:
        clock.now += 11
        return source.get()

    assert in_a_child(lambda: in_a_child(grandchild)) == token


def test_credentials_that_come_a_second_after_the_process():
    """A boto3 client keeps the credentials that it finds when it is made, also if there are none."""
    arrived = []

    class Client(FakeSecretsManager):
        def __init__(self):
            super().__init__()
            self.error = None if arrived else NoCredentialsError()

    clock = Clock()
    source = TokenSource("s", Client, clock=clock)
    source._start = at_once
    with pytest.raises(TokenUnavailable, match="give this process AWS credentials"):
        source.get()
    arrived.append(True)
    clock.now += 1
    assert source.get()


def test_a_client_with_expired_credentials_is_not_kept():
    """boto3 reads a credentials file once: a new client sees the new ones."""
    clients = []

    def new_client() -> FakeSecretsManager:
        clients.append(FakeSecretsManager())
        clients[-1].error = error_of("ExpiredTokenException") if len(clients) == 2 else None
        return clients[-1]

    source = TokenSource("s", new_client, ttl=10, clock=(clock := Clock()))
    source._start = at_once
    source.get()
    clients[0].error = error_of("ExpiredTokenException")
    for _ in range(2):
        clock.now += 11
        source.get()
    clock.now += 11
    assert source.get() == clients[2].value and source.problem is None
    clients[2].error = error_of("ThrottlingException")
    clock.now += 11
    source.get()
    assert len(clients) == 3  # which was not the client's fault


def test_a_client_that_hangs_is_replaced():
    hangs, clients = threading.Event(), []

    class Hanging(FakeSecretsManager):
        def get_secret_value(self, **which):
            hangs.wait(20)
            return super().get_secret_value(**which)

    def new_client() -> FakeSecretsManager:
        clients.append(FakeSecretsManager() if clients else Hanging())
        return clients[-1]

    source = TokenSource("s", new_client, clock=(clock := Clock()))
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0.1)
    clock.now += 61
    assert source.get() == clients[1].value
    hangs.set()


def test_a_client_that_cannot_be_made_is_a_problem_and_no_crash():
    source = TokenSource("s", lambda: 1 / 0)
    with pytest.raises(TokenUnavailable, match="ZeroDivisionError"):
        source.get()


# Time


class Clocks:
    def __init__(self) -> None:
        self.monotonic, self.wall = 5_000.0, 1.8e9

    def on(self, source: TokenSource) -> TokenSource:
        source._clocks.monotonic, source._clocks.wall = (lambda: self.monotonic), (lambda: self.wall)
        source.reset()
        return source


@pytest.mark.parametrize("jump", [-86_400, -3_600, -1, 0, 30])
def test_the_wall_clock_is_set_while_a_read_is_in_progress(jump):
    service, steps, clocks = FakeSecretsManager(), Steps(), Clocks()
    source = clocks.on(source_of(service, steps, ttl=100, max_age=1_000))
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    clocks.wall += jump
    steps.land()
    token = source.get()
    service.rotate()
    for _ in range(20):
        clocks.monotonic, clocks.wall = clocks.monotonic + 10, clocks.wall + 10
        source.get()
        if steps:
            steps.land()
    assert source.get() == service.value != token


def test_a_monotonic_clock_that_stands_still_or_goes_back_hides_no_age():
    service, clocks = FakeSecretsManager(), Clocks()
    source = clocks.on(source_of(service, ttl=100, max_age=1_000))
    source.get()
    for monotonic in (0, -3_000):  # a suspended machine, and a process that is restored on another one
        new = service.rotate()
        clocks.wall, clocks.monotonic = clocks.wall + 150, clocks.monotonic + monotonic
        assert source.get() == new
    service.error = DENIED
    clocks.wall += 2_000
    with pytest.raises(TokenUnavailable):
        source.get()


def test_a_clock_that_is_set_back_stops_neither_retries_nor_refreshes():
    service, clocks = FakeSecretsManager(), Clocks()
    source = clocks.on(source_of(service))
    service.error = error_of("ThrottlingException")
    with pytest.raises(TokenUnavailable):
        source.get()
    service.error = None
    clocks.wall, clocks.monotonic = clocks.wall - 86_400, clocks.monotonic + 12
    assert source.get() == service.value


def test_nobody_gets_a_token_that_is_too_old_after_a_freeze():
    service, clock, steps, got = FakeSecretsManager(), Clock(), Steps(), []
    source = source_of(service, steps, clock=clock, ttl=10, max_age=100)
    caller = threading.Thread(target=lambda: got.append(source.get()), daemon=True)
    caller.start()
    until(lambda: steps)
    old, new = {"SecretString": service.value, "VersionId": "1"}, service.rotate()
    real, service.get_secret_value = service.get_secret_value, lambda **which: old
    clock.now += 7_200  # frozen while it waits
    steps.land()
    service.get_secret_value = real
    until(lambda: steps)
    steps.land()
    caller.join(10)
    assert got == [new]


def test_a_process_that_was_frozen_during_a_read_reads_again_and_fails_nothing():
    service, clock, steps = FakeSecretsManager(), Clock(), Steps()
    source = source_of(service, steps, clock=clock, ttl=10, max_age=10_000)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    clock.now += 9
    source.get()  # a refresh is in progress
    clock.now += 4_000
    new, source._start = service.rotate(), at_once
    assert source.get() == new


def test_on_lambda_no_refresh_is_left_to_a_frozen_process(monkeypatch):
    """An invocation every four minutes, frozen in between: a refresh in the background would end four minutes later."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "visits")
    service, clock, notes = FakeSecretsManager(), Clock(), Notes()
    source, threads = source_of(service, None, clock=clock, report=notes), []

    def start(work) -> None:  # a thread that ends soon, but not before its caller looks
        threads.append(threading.Timer(0.005, work))
        threads[-1].start()

    source._start = start
    for _ in range(360):  # a day
        new = service.rotate()
        clock.now += 240
        token = source.get()
        assert token == new or not source._clocks.is_over(source._copy.fresh_until)
        assert not [one for one in threads if one.is_alive()] or source._read is None
        assert source._clocks.since(source._copy.read_at) < 300
    assert set(notes.names) == {"read"}


@pytest.mark.parametrize("start", [None, at_once])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_reads_that_take_longer_than_a_copy_lives_end_in_an_error_and_not_in_a_loop(asynchronous, start):
    service, ended = FakeSecretsManager(), []
    real = service.get_secret_value
    service.get_secret_value = lambda **which: (time.sleep(0.05), real(**which))[1]
    source = source_of(service, start, ttl=0.01, max_age=0.01)

    def get() -> None:
        try:
            asyncio.run(source.aget(0.2)) if asynchronous else source.get(0.2)
        except TokenUnavailable as error:
            ended.append(error.code)

    caller = threading.Thread(target=get, daemon=True)
    caller.start()
    caller.join(10)
    assert ended == ["NoResponse"]


# The end of a process

SCRIPT = """
import sys, threading, time
sys.path[:0] = {path!r}
from fakes import Clock, source_of
from momento_token import TokenSource, TokenUnavailable
from momento_token.testing import FakeSecretsManager
"""
HANGS = """
class Hanging(FakeSecretsManager):
    def get_secret_value(self, **which):
        time.sleep(120)
try:
    TokenSource("s", Hanging).get(timeout=0.2)
except TokenUnavailable:
    print("no response", flush=True)
"""
AT_EXIT = """
source = source_of(FakeSecretsManager(), None, ttl=10, clock=(clock := Clock()))
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


FORK_IN_C = """
import ctypes, os
from fakes import FakeClient, at_once, until
from momento_token import SharedClient
hangs, held, made = threading.Event(), threading.Event(), []
service = FakeSecretsManager()
source = source_of(service, None, ttl=10, clock=(clock := Clock()))
def new_client(token):
    made.append(FakeClient(token))
    return made[-1]
clients = SharedClient(source, new_client)
first = clients.call(lambda client: client)
real, service.get_secret_value = service.get_secret_value, lambda **which: (hangs.wait(20), real(**which))[1]
clock.now += 11
source.refresh_if_due()  # a read is in progress
def hold():
    with source._lock.here(), clients._lock.here():
        held.set()
        hangs.wait(20)
threading.Thread(target=hold, daemon=True).start()
held.wait()
if ctypes.PyDLL(None).fork() == 0:  # as uWSGI does: without the hooks of Python's os.fork
    import signal
    signal.alarm(15)
    service.get_secret_value, source._start = real, at_once
    new = service.rotate()
    second = clients.call(lambda client: client)
    print("a client of its own:", second is not first and second.token == new and not first.closed, flush=True)
    os._exit(0)
os.wait()
hangs.set()
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    code = SCRIPT.format(path=[str(Path(__file__).parent), *sys.path]) + code
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)


@needs_fork
def test_a_fork_in_c_is_noticed():
    done = run(FORK_IN_C)
    assert (done.returncode, done.stdout) == (0, "a client of its own: True\n"), done


def test_a_process_ends_though_a_read_hangs():
    """The read hangs for two minutes, and `run` gives up after one."""
    done = run(HANGS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "no response\n", "")


def test_a_read_that_cannot_be_started_is_a_problem_and_no_crash():
    done = run(AT_EXIT)
    assert done.returncode == 0 and done.stdout.startswith("due: True\nstale: True\n"), done


def test_no_more_threads():
    def refuse(work) -> None:
        raise RuntimeError("can't start new thread")

    source = source_of(FakeSecretsManager(), ttl=10, clock=(clock := Clock()), report=(notes := Notes()))
    token, source._start = source.get(), refuse
    clock.now += 9
    assert source.get() == token and "RuntimeError" in str(source.problem)
    source.reset()
    with pytest.raises(TokenUnavailable, match="RuntimeError"):
        source.get()
    assert notes.names == ["read", "failed", "failed"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(), MemoryError()])
def test_an_exception_while_a_read_is_started_reaches_the_caller_and_ends_nothing(error):
    starts, service, clock = [], FakeSecretsManager(), Clock()

    def begin(work) -> None:
        starts.append(work)
        if len(starts) == 1:
            raise error
        work()

    source = source_of(service, begin, clock=clock)
    with pytest.raises(type(error)):
        source.get()
    clock.now += 1
    assert source.get() == service.value


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("escapes", [SystemExit(), KeyboardInterrupt(), GeneratorExit()])
def test_what_is_no_exception_ends_a_read_and_not_the_source(escapes):
    service, clock = FakeSecretsManager(), Clock()
    service.error = escapes
    source = source_of(service, None, clock=clock)
    with pytest.raises(TokenUnavailable, match=type(escapes).__name__):
        source.get()
    service.error = None
    clock.now += 1
    assert source.get() == service.value


# Waiting together


def test_a_cancelled_task_cancels_nobody_else():
    steps, service = Steps(), FakeSecretsManager()
    source = source_of(service, steps)

    async def get() -> list[object]:
        tasks = [asyncio.create_task(source.aget()) for _ in range(32)]
        await asyncio.sleep(0.05)
        tasks[0].cancel()
        await asyncio.sleep(0)
        steps.land()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(get())
    assert isinstance(first, asyncio.CancelledError)
    assert set(others) == {service.value} and service.calls == 1


def test_a_loop_that_has_ended_does_not_disturb_the_read(caplog):
    steps, service = Steps(), FakeSecretsManager()
    source = source_of(service, steps)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            asyncio.run(asyncio.wait_for(source.aget(), 0.05))
    steps.land()
    assert source.get() == service.value and not caplog.records


def test_waiting_does_not_stop_the_loop():
    steps = Steps()
    source = source_of(FakeSecretsManager(), steps)

    async def get() -> int:
        waiting, turns = asyncio.create_task(source.aget()), 0
        while turns < 100:
            turns += 1
            await asyncio.sleep(0)
        steps.land()
        await waiting
        return turns

    assert asyncio.run(get()) == 100


def test_tasks_that_do_not_wait_leave_nothing_behind():
    service, clock, steps = FakeSecretsManager(), Clock(), Steps()
    source = source_of(service, steps, clock=clock, ttl=10)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    clock.now += 11
    source.get(timeout=0)
    clock.now += 2  # longer than its patience

    async def get() -> None:
        for _ in range(500):
            await source.aget()

    asyncio.run(get())
    assert not source._read.over._done_callbacks


def test_it_can_be_called_in_a_running_loop():
    async def get() -> str:
        return source_of(FakeSecretsManager(), None).get()

    assert asyncio.run(get())


# Snapshots


def test_after_a_restore_everything_is_read_again():
    service, steps, clock = FakeSecretsManager(), Steps(), Clock()
    source = source_of(service, steps, clock=clock)
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    token = source.get()
    clock.now += 290
    source.get()  # a refresh is in progress while the snapshot is taken
    source.reset()
    late = service.rotate()
    steps.land()  # and it ends in the restored process: its result is ignored
    assert source.state == "empty"
    with pytest.raises(TokenUnavailable):
        source.get(timeout=0)
    steps.land()
    assert source.get() == late and source.get().number > token.number


@pytest.mark.slow
def test_a_reset_beside_callers_is_no_outage():
    source, errors, stop = source_of(FakeSecretsManager(), None, ttl=0.02, max_age=60), [], threading.Event()

    def get() -> None:
        while not stop.is_set():
            try:
                source.get()
            except TokenUnavailable as error:
                errors.append(error)

    callers = [threading.Thread(target=get) for _ in range(4)]
    for caller in callers:
        caller.start()
    for _ in range(200):
        source.reset()
        time.sleep(0.002)
    stop.set()
    for caller in callers:
        caller.join()
    assert not errors
