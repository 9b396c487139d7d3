"""A token from AWS Secrets Manager: read once for everybody, refreshed in the background, and never served too old.

Its other half, shared_client.py, keeps the Momento client that is made from it.

The libraries of notebook 03 do parts of this. dogpile.cache comes closest; it serves nothing when a refresh fails, and a
hit takes several times as long. So the thread and the future are the standard library's, and the policy is ours.
"""

from __future__ import annotations

import asyncio
import logging
import os
import random
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import TracebackType
from typing import Any, Protocol, Self, TypeGuard

from .errors import TokenError, TokenUnavailable
from .failed_reads import BrokenOff, caused_by, unavailable
from .observer import Guarded, Observer
from .tokens import Token, check

log = logging.getLogger(__name__)
# Where warnings go is for the service to say; without this, Python writes them to stderr.
log.addHandler(logging.NullHandler())

# Not `random`'s own generator: the copies of a process that was restored from a snapshot would all draw the same.
_chance = random.SystemRandom()


class SecretsManager(Protocol):
    """What the source needs of a boto3 client."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]: ...


class State(StrEnum):
    """How good the source's copy is. google-auth calls these fresh, stale and invalid; botocore's credentials and the AWS
    SDKs have an advisory refresh window, which is `DUE` here, and a mandatory one, which is `STALE`.
    """

    FRESH = "fresh"  # served at once
    DUE = "due"  # served at once, and refreshed in the background
    STALE = "stale"  # older than `ttl`: served only if Secrets Manager can't be asked
    DENIED = "denied"  # Secrets Manager said no at the last read
    UNAVAILABLE = "unavailable"  # no copy that may be served, and the last read failed
    EMPTY = "empty"  # nothing read yet, or nothing for so long that it may not be served


@dataclass(frozen=True)
class _Copy:
    """A token as it was read, and until when it is good, in seconds of the source's clock."""

    token: Token
    version: str
    read_at: float
    refresh_at: float
    expires_at: float
    unusable_at: float


Outcome = _Copy | TokenUnavailable
# Of a read that was under way when the source was reset: who waited for it looks again.
ABANDONED = TokenUnavailable("The source was reset.", code="Reset")


@dataclass(eq=False)
class _Read:
    """A call to Secrets Manager under way, for everybody who waits for it."""

    started_at: float
    background: bool  # readers who have a copy don't wait for it
    after_refusal: bool
    unproved: bool = False  # it brought a new token that Momento hasn't accepted
    outcome: Future[Outcome] = field(default_factory=Future)

    def __post_init__(self) -> None:
        self.outcome.set_running_or_notify_cancel()  # a waiting task that is cancelled can't cancel it for the others

    def land(self, outcome: Outcome) -> None:
        with suppress(InvalidStateError):  # given up, or abandoned, before it was over
            self.outcome.set_result(outcome)

    def wait(self, seconds: float) -> Outcome | None:
        """What it brought; None if it took longer."""
        try:
            return self.outcome.result(min(seconds, threading.TIMEOUT_MAX))
        except TimeoutError:
            return None

    async def await_(self, seconds: float) -> Outcome | None:
        """As `wait`, for asyncio."""
        if self.outcome.done():
            return self.outcome.result()
        if seconds <= 0:  # each that waits leaves a callback until the read is over
            return None
        try:
            async with asyncio.timeout(min(seconds, threading.TIMEOUT_MAX)):
                return await asyncio.wrap_future(self.outcome)
        except TimeoutError:
            return None


def in_daemon_thread(work: Callable[[], None]) -> None:
    """Run it beside the caller. The process may end meanwhile: nobody waits for a daemon thread."""
    threading.Thread(target=work, name="token source", daemon=True).start()


class TokenSource:
    """The token in a secret, for all threads and tasks of a process.

    `client` is a boto3 client for Secrets Manager, or a function that makes one. After a fork the child works on with the
    copy that it has inherited, and reads with connections of its own: the function is called again; of a client that was
    handed over the connections are closed in the child. (AWS: clients can't be shared across processes.)

    Times are in seconds:

    - `ttl`: an older copy isn't served while Secrets Manager answers. A refresh starts in the background after half to
      three quarters of it, at random, so that a fleet doesn't ask in step and no reader waits.
    - `max_age`: while Secrets Manager can't be asked, a copy is served until it is this old.
    - `patience`: a reader whose copy is older than `ttl` waits this long for a newer one, then gets the copy.
    - `timeout`: a reader without a copy waits this long, then gets `TokenUnavailable`.
    - `read_timeout`: a read that takes longer is given up, and counts as a failure. Its thread ends by itself, or never:
      give the client timeouts of its own.
    - `retry`, `max_retry`: after failures in a row the next read waits for a random time of at most `retry`, twice that,
      four times that … `max_retry`. After a token that Momento refused, the secret is read at once, and then again
      `retry` seconds or more after that read's end.
    - `denial_grace`: when Secrets Manager says no, a copy is dropped at once. IAM spreads a change with a delay, and a
      mistake there stops a whole fleet: with a grace the copy is served that much longer, and so to somebody whose
      permission was taken away on purpose.

    `prove(token)` tries a new token before it takes the place of one that works: true if Momento accepts it, false if it
    refuses; an exception if that can't be told. Until it is proved the copy before stays.

    `observer` is told what happens. `clock` gives the seconds. Where a process is frozen between calls, as on AWS Lambda,
    pass `time.time`: a monotonic clock may stand still meanwhile. If it goes back, the copy counts as due at once.

    `hits`, `misses` (reads that waited), `refreshes` (reads of the secret that succeeded), `failures` and `stale` count.
    `hits` is exact where the interpreter has a global lock, and approximate where it has none; the others are exact.
    """

    _copy: _Copy | None
    _read: _Read | None
    _problem: TokenUnavailable | None
    _retry_at: float  # after a failure no read begins before
    _renew_at: float  # nor, after a refusal by Momento, before this
    _failures_in_a_row: int
    _refused: int  # the number of the token that Momento refused last
    _fruitless: int  # reads since, without a newer one
    _problem_until: float  # until then the problem excuses a copy older than `ttl`

    def __init__(
        self,
        client: SecretsManager | Callable[[], SecretsManager],
        secret_id: str,
        *,
        ttl: float = 300,
        max_age: float = 3600,
        patience: float = 1,
        timeout: float = 10,
        read_timeout: float = 60,
        retry: float = 1,
        max_retry: float = 60,
        denial_grace: float = 0,
        prove: Callable[[Token], bool] | None = None,
        observer: Observer | None = None,
        clock: Callable[[], float] = time.monotonic,
        in_background: Callable[[Callable[[], None]], None] = in_daemon_thread,
    ) -> None:
        _check_seconds(
            ttl=ttl,
            max_age=max_age,
            patience=patience,
            timeout=timeout,
            read_timeout=read_timeout,
            retry=retry,
            max_retry=max_retry,
            denial_grace=denial_grace,
        )
        if not 0 < ttl <= max_age:
            raise ValueError("ttl must be above 0, max_age at least ttl: both are seconds.")
        if not isinstance(secret_id, str):
            raise TypeError("The second argument is the secret's name or ARN, a str.")
        self._client: SecretsManager | None = None
        self._make: Callable[[], SecretsManager] | None = None
        if _is_client(client):  # asked first, as a mock of one can be called too
            self._client = client
        elif callable(client):
            self._make = client
        else:
            raise TypeError(
                "The first argument is a boto3 client for Secrets Manager, or a function that makes one."
            )
        self._inherited = False  # from the process that forked this one
        self._secret_id = secret_id
        self._ttl, self._max_age, self._denial_grace = ttl, max_age, denial_grace
        self._patience, self._timeout, self._read_timeout = patience, timeout, read_timeout
        self._retry, self._max_retry = retry, max(retry, max_retry)
        self._prove, self._observer, self._clock = prove, Guarded(observer), clock
        self._in_background = in_background
        # Reentrant, as a signal handler, a finaliser or a log handler of this thread may need the token too. (One that
        # interrupts a cold read gets its answer only after `timeout`: the read can't be concluded meanwhile.)
        self._lock = threading.RLock()
        self._untold: deque[tuple[Outcome, TokenUnavailable | None, float]] = deque()
        self._closed = False
        self._versions = 0
        self._latest = float("-inf")  # that the clock has shown
        self.hits = self.misses = self.refreshes = self.failures = self.stale = 0
        self._forget()
        _SOURCES.add(self)

    # What readers call

    def get(self, timeout: float | None = None) -> Token:
        """The token. It may wait, at most `timeout` seconds (None: the source's own bounds), and never if that is 0.

        Raises `TokenUnavailable`.
        """
        copy = self._copy
        if copy is not None and copy.read_at <= self._clock() < copy.refresh_at:
            self.hits += 1
            return copy.token
        end = self._end(timeout)
        while True:
            read, wait = self._look(end - time.monotonic())
            outcome = None if read is None else read.wait(wait) or self._no_answer(wait)
            if (token := self._settle(outcome, end)) is not None:
                return token

    def warm_up(self) -> None:
        """Read the secret in this thread if a read is due: for a process that will fork. Raises `TokenUnavailable`.

        `get` reads in a thread of its own. A lock that this holds at the moment of a fork, be it OpenSSL's at the thread's
        end, stays locked in the child for ever: there no read would come back. The client's timeouts bound the wait.
        """
        works: list[Callable[[], object]] = []
        with self._lock:
            elsewhere, self._in_background = self._in_background, works.append
            try:
                read = self._start_if_due(self._now())
            finally:
                self._in_background = elsewhere
        for work in works:  # without the lock, as other readers may want it
            work()
        self._settle(read.wait(self._timeout) if read else None, time.monotonic())

    async def aget(self, timeout: float | None = None) -> Token:
        """As `get`, for asyncio: while it waits, the event loop goes on."""
        copy = self._copy
        if copy is not None and copy.read_at <= self._clock() < copy.refresh_at:
            self.hits += 1
            return copy.token
        end = self._end(timeout)
        while True:
            read, wait = self._look(end - time.monotonic())
            outcome = None if read is None else await read.await_(wait) or self._no_answer(wait)
            if (token := self._settle(outcome, end)) is not None:
                return token

    def renew(self, refused: Token, timeout: float | None = None) -> bool:
        """Momento refused this token: read the secret now, unless that was done lately. Is there a newer token now?

        It may wait, as `get` does.
        """
        end = self._end(timeout)
        for _ in range(2):  # a read that was under way already may have missed the change
            read = self._reread(refused)
            if read is None or read.wait(max(0.0, end - time.monotonic())) is None:
                break
        return self.has_newer(refused)

    async def arenew(self, refused: Token, timeout: float | None = None) -> bool:
        """As `renew`, for asyncio."""
        end = self._end(timeout)
        for _ in range(2):
            read = self._reread(refused)
            if read is None or await read.await_(max(0.0, end - time.monotonic())) is None:
                break
        return self.has_newer(refused)

    def has_newer(self, token: Token) -> bool:
        """Has the source seen a newer token than this one? Never waits."""
        if not isinstance(token, Token):
            raise TypeError("Pass the token that `get` returned: another str has no number.")
        copy = self._copy
        return copy is not None and copy.token.number > token.number

    def refresh_if_due(self) -> None:
        """Start a refresh in the background if one is due, for those who hold a token and don't call `get`. Never waits."""
        with self._lock:
            if not self._closed:
                self._start_if_due(self._now())
        self._tell()

    @property
    def state(self) -> State:
        """How good the copy is now. Never waits and asks nobody, so it suits a health check."""
        with self._lock:
            now, copy, problem = self._now(), self._copy, self._problem
            if problem is not None and problem.denied:
                return State.DENIED
            if copy is None or now >= copy.unusable_at:
                return State.EMPTY if problem is None else State.UNAVAILABLE
            if now >= copy.expires_at:
                return State.STALE
            return State.FRESH if now < copy.refresh_at else State.DUE

    @property
    def problem(self) -> TokenUnavailable | None:
        """Why the last read of the secret failed; None if it didn't."""
        return self._problem

    def reset(self) -> None:
        """Forget the token and all that is known, as if just made: for a process that was restored from a snapshot."""
        with self._lock:
            read = self._read
            self._forget()
        if read is not None:
            read.land(ABANDONED)

    def close(self) -> None:
        """Forget the token for good. Waits for nobody: who waits is told, and a read under way ends by itself, unseen."""
        with self._lock:
            self._closed, read = True, self._read
            self._forget()
        if read is not None:
            read.land(self._was_closed())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name} {getattr(self, name)}"
            for name in ("hits", "misses", "refreshes", "failures", "stale")
        )
        return f"<TokenSource {self._secret_id}: {self.state}, {counts}, {self._problem or 'no problem'}>"

    def __reduce__(self) -> str:
        raise TypeError("A TokenSource can't be pickled: make one in each process.")

    # What a reader gets

    def _look(self, timeout: float | None) -> tuple[_Read | None, float]:
        """The read that this reader has to wait for, and how long; None if what there is decides."""
        with self._lock:
            self._raise_if_closed()
            now = self._now()
            copy = self._copy
            fresh = copy is not None and now < copy.expires_at
            usable = copy is not None and now < copy.unusable_at
            read = self._start_if_due(now)
            if fresh or (usable and read is not None and read.background):
                read = None
            self.misses += read is not None
        self._tell()
        if read is None:
            return None, 0
        left = min(self._patience, read.started_at + self._patience - now)
        wait = left if usable else self._timeout
        return read, max(0.0, wait if timeout is None else min(wait, timeout))

    def _settle(self, outcome: Outcome | None, end: float) -> Token | None:
        """The token that a read brought, or else the copy if it may be served. Raises `TokenUnavailable`.

        None if there is neither a token nor a reason why not, as after a reset: look again, unless the end has come.
        """
        with self._lock:
            self._raise_if_closed()
            now = self._now()
            copy = self._copy
            if isinstance(outcome, _Copy):
                if now < outcome.unusable_at:
                    return outcome.token
                outcome = ABANDONED  # the process was frozen while it waited
            if copy is not None and now < copy.expires_at:
                self.hits += 1
                return copy.token
            usable = copy is not None and now < copy.unusable_at
            self.stale += usable
            problem = outcome or self._problem
        if copy is not None and usable:
            self._observer.tell("served_stale", now - copy.read_at)
            return copy.token
        if problem is None or problem is ABANDONED:
            if time.monotonic() < end:
                return None
            problem = TokenUnavailable(
                f"No read of {self._secret_id} brought a token that is young enough in time: "
                "see how long a read takes, and max_age.",
                code="NoAnswer",
            )
        # A new one for each reader: raising one object in many threads would mix up their tracebacks.
        raise caused_by(
            problem.__cause__, TokenUnavailable(str(problem), problem.denied, problem.code)
        )

    def _end(self, timeout: float | None) -> float:
        """When a wait of at most so many seconds is over, by the monotonic clock."""
        return time.monotonic() + (
            self._timeout if timeout is None else min(timeout, self._timeout)
        )

    def _no_answer(self, waited: float) -> TokenUnavailable:
        return TokenUnavailable(
            f"Secrets Manager has not answered for {self._secret_id} within {waited:.3g} s: "
            "check that its endpoint can be reached, and the timeouts of the client.",
            code="NoAnswer",
        )

    def _raise_if_closed(self) -> None:
        if self._closed:
            raise self._was_closed()

    def _was_closed(self) -> TokenUnavailable:
        return TokenUnavailable(
            f"The TokenSource of {self._secret_id} was closed: make a new one.", code="Closed"
        )

    # When the secret is read

    def _now(self) -> float:
        """The time; the lock is held. If the clock has gone back, nothing that was planned by it holds any more."""
        now = self._clock()
        if now < self._latest:
            back = self._latest - now
            self._retry_at = self._renew_at = self._problem_until = float("-inf")
            if (copy := self._copy) is not None:
                self._copy = replace(
                    copy,
                    read_at=copy.read_at - back,
                    refresh_at=now,
                    expires_at=copy.expires_at - back,
                    unusable_at=copy.unusable_at - back,
                )
            if self._read is not None:
                self._read.started_at -= back
        self._latest = now
        return now

    def _reread(self, refused: Token) -> _Read | None:
        """The read to wait for before a refused token is given up, if any."""
        with self._lock:
            self._raise_if_closed()
            now = self._now()
            self._give_up_if_hung(now)
            if self._read is None and not self.has_newer(refused):
                if refused.number > self._refused:
                    self._refused, self._fruitless, self._renew_at = refused.number, 0, now
                if now >= self._renew_at:
                    self._start(now, after_refusal=True)
            read = None if self.has_newer(refused) else self._read
        self._tell()
        return read

    def _start_if_due(self, now: float) -> _Read | None:
        """The read under way, also one that had to be started; None if there is none and none is due."""
        self._give_up_if_hung(now)
        due = self._copy is None or now >= self._copy.refresh_at
        if self._read is None and due and now >= self._retry_at:
            return self._start(now)
        return self._read

    def _give_up_if_hung(self, now: float) -> None:
        read = self._read
        if read is not None and now - read.started_at >= self._read_timeout:
            self._conclude(read, self._no_answer(now - read.started_at))

    def _start(self, now: float, after_refusal: bool = False) -> _Read:
        """Start the one read; the lock is held."""
        # Who has a copy waits only if that is too old, and nothing yet says that Secrets Manager can't be asked.
        copy = self._copy
        background = copy is not None and (now < copy.expires_at or now < self._problem_until)
        read = _Read(now, background, after_refusal)
        try:
            self._read = read
            self._in_background(lambda: self._perform(read))
        except BaseException as error:
            self._conclude(read, unavailable(self._secret_id, error))
            # No more threads: too many, or the interpreter is shutting down. All else is meant for the caller, such as
            # what a signal handler raises, which may happen in the middle of this.
            if not isinstance(error, RuntimeError):
                raise
        return read

    def _perform(self, read: _Read) -> None:
        """The read, in the background: whatever happens in it, it is concluded."""
        try:
            outcome: Outcome = self._fetch(read)
        except BaseException as error:  # also what is no Exception: those who wait must be told
            outcome = unavailable(self._secret_id, error)
        self._conclude(read, outcome)
        self._tell()

    def _fetch(self, read: _Read) -> _Copy:
        token, version = self._ask()
        before = self._copy
        works = before is not None and self._clock() < before.unusable_at
        if before is not None and works and before.version != version and self._prove is not None:
            read.unproved = True
            self._try(token, self._prove, read.after_refusal)
        # The value may have changed while it was on its way, so its age counts from the start of the read.
        return _Copy(
            token,
            version,
            read.started_at,
            refresh_at=read.started_at + self._ttl * _chance.uniform(0.5, 0.75),
            expires_at=read.started_at + self._ttl,
            unusable_at=read.started_at + self._max_age,
        )

    def _ask(self) -> tuple[Token, str]:
        client = self._usable_client()
        answer = client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSCURRENT")
        if "SecretString" not in answer and "SecretBinary" not in answer:
            raise BrokenOff
        version, text = answer["VersionId"], answer.get("SecretString")
        token = Token(text.strip()) if isinstance(text, str) else None
        del answer, text  # a traceback that shows variables must not show it
        check(token)
        assert token is not None
        return token, version

    @staticmethod
    def _try(token: Token, prove: Callable[[Token], bool], after_refusal: bool) -> None:
        """Raises `TokenError` if this token hasn't proved good: then the one before stays."""
        try:
            accepted = prove(token)
        except BaseException as error:
            if after_refusal:
                return  # the one before is no better
            raise TokenError(
                f"Whether Momento accepts it is unknown ({type(error).__name__}), so the previous token stays in use."
            ) from None
        if not accepted:
            raise TokenError(
                "Momento refuses it, so the previous token stays in use: store one that works."
            )

    def _usable_client(self) -> SecretsManager:
        if self._client is None:
            assert self._make is not None
            self._client = self._make()
        if self._inherited:
            self._inherited = False
            if (close := getattr(self._client, "close", None)) is not None:
                close()  # this process' ends of the connections: the parent's stay open
        return self._client

    def _conclude(self, read: _Read, outcome: Outcome) -> None:
        """Keep what the read brought, and let all who wait have it, unless it has been given up or abandoned."""
        with self._lock:
            if self._read is not read:
                return read.land(ABANDONED)
            self._read = None
            now, before = self._now(), self._problem
            if isinstance(outcome, _Copy):
                outcome = self._succeed(outcome)
            else:
                self._fail(read, outcome, now)
            if read.after_refusal:
                self._fruitless += 1
                self._renew_at = now + self._retry + self._pause(self._fruitless)
            self._untold.append((outcome, before, now - read.started_at))
        read.land(outcome)

    def _succeed(self, copy: _Copy) -> _Copy:
        before = self._copy
        if before is not None and before.version == copy.version:
            copy = replace(copy, token=before.token)
        else:
            self._versions += 1
            copy = replace(copy, token=Token.numbered(copy.token, self._versions))
        self._copy, self._problem = copy, None
        self._retry_at = self._problem_until = float("-inf")
        self._failures_in_a_row = 0
        self.refreshes += 1
        return copy

    def _fail(self, read: _Read, problem: TokenUnavailable, now: float) -> None:
        self._problem = problem
        self._failures_in_a_row += 1
        self.failures += 1
        self._retry_at = now + self._pause(self._failures_in_a_row)
        # By then somebody should have asked again. A problem that nobody has looked at for longer excuses no old copy.
        self._problem_until = self._retry_at + self._patience
        copy = self._copy
        if copy is None:
            return
        if problem.denied:
            end = min(copy.unusable_at, now + self._denial_grace)  # that of the first no stays
            self._copy = (
                None
                if now >= end
                else replace(copy, refresh_at=now, expires_at=now, unusable_at=end)
            )
        elif read.unproved:
            # Secrets Manager lets us read, and the copy is the best token there is, until Momento refuses it.
            self._copy = replace(
                copy,
                refresh_at=min(copy.refresh_at, now),
                expires_at=read.started_at + self._ttl,
                unusable_at=read.started_at + self._max_age,
            )

    def _pause(self, failures: int) -> float:
        return backoff(failures, self._retry, self._max_retry)

    def _tell(self) -> None:
        """Log what has happened, and tell the observer. Never under the lock: both may ask for the token, or take long."""
        while self._untold:
            try:
                outcome, before, seconds = self._untold.popleft()
            except IndexError:  # another thread was quicker
                return
            if isinstance(outcome, _Copy):
                self._observer.tell("read", seconds)
                if before is not None:
                    log.warning("The secret %s can be read again.", self._secret_id)
                continue
            self._observer.tell("failed", outcome)
            if outcome.denied:
                self._observer.tell("denied", outcome)
            if before is None or str(before) != str(outcome):
                log.warning("%s", outcome)

    # What ends a life, or begins one

    def _forget(self) -> None:
        self._copy = self._problem = None
        self._read = None  # one that is under way will find that nobody waits for it
        self._retry_at = self._renew_at = self._problem_until = float("-inf")
        self._failures_in_a_row = self._fruitless = self._refused = 0

    def _after_fork(self) -> None:
        """In the child: other threads, and the locks that they held, are gone; connections belong to the parent."""
        self._lock = threading.RLock()
        self._read = None
        self._untold.clear()  # the parent tells it
        if self._make is not None:
            self._client = None
        else:
            self._inherited = True


def backoff(failures: int, first: float, most: float) -> float:
    """Seconds to wait after so many failures in a row: exponential, with full jitter."""
    return _chance.uniform(0, min(most, first * 2.0 ** min(failures - 1, 30)))


def _is_client(client: object) -> TypeGuard[SecretsManager]:
    """By what it can do: instrumentation wraps clients, and a class is a function that makes one."""
    return not isinstance(client, type) and callable(getattr(client, "get_secret_value", None))


def _check_seconds(**seconds: object) -> None:
    for name, value in seconds.items():
        if not isinstance(value, (int, float)) or not value >= 0:
            raise ValueError(
                f"{name} is {value!r}: it should be a number of seconds, not negative."
            )


# A fork leaves the child only the thread that forked: what the others were doing will never be done.
_SOURCES: weakref.WeakSet[TokenSource] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for source in list(_SOURCES):
        source._after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
