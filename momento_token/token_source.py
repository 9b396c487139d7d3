"""A Momento token from AWS Secrets Manager, shared by all threads and tasks of a process.

One caller reads the secret and the others wait for it; a refresh runs in the background, and no caller waits for that. While
Secrets Manager can't be reached, the last token is served until it is `max_age` old. When Secrets Manager denies the read,
the token is dropped.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field, replace

from . import waiting
from .errors import TokenError, TokenUnavailable
from .events import Event, Reporter, State, log_event
from .secrets_manager import (
    TRANSIENT,
    IncompleteResponse,
    SecretsManager,
    new_secrets_client,
    unavailable,
    without_frames,
)
from .tokens import Token, check
from .waiting import Blocking, Clocks, Moment, ProcessLock, Suspending, end_of, new_future, run

Start = Callable[[Callable[[], None]], None]

PATIENCE = 1.0  # seconds that a caller waits for a newer token if there is a stale one to serve
HUNG = 60.0  # seconds after which a read counts as failed: many times the timeouts of its client


class NotAccepted(TokenError):
    """Momento has not accepted the new token."""


@dataclass(frozen=True)
class _Copy:
    token: Token
    version_id: str
    read_at: Moment  # when its read began
    fresh_until: Moment


@dataclass(eq=False)
class _Read:
    """A read in progress. `over` is set when it has ended, however it ended."""

    began_at: Moment
    after_refusal: bool
    is_retry: bool  # after a refusal, in an outage: no caller waits for it
    pid: int = field(default_factory=os.getpid)
    over: Future[None] = field(default_factory=new_future)


class TokenSource:
    """The current token of a secret. Make one for each process; its threads, tasks and forked children can share it.

    - `new_secrets_client()` makes the client that reads. It is called again in a forked child, and after an error whose
      cause a client may keep, such as missing credentials.
    - `ttl`: seconds until a token is stale. It is refreshed in the background after half to three quarters of that.
    - `max_age`: seconds for which a token is served while Secrets Manager can't be reached.
    - `denial_grace`: seconds, within `max_age`, for which it is served after Secrets Manager has denied a read. With 0 a
      service stops at the next refresh after its permission was revoked, on purpose or by mistake.
    - `try_token(token)` tries a new token before it replaces one that works. Return True if Momento accepts it, False if
      Momento refuses it, and raise an exception if you can't tell, as `is_accepted(response)` does.
    - `report(event)` is called with each `Event`, in the thread that caused it, so return soon.
    - `clock`, for tests, gives the seconds in place of the two clocks of this process.

    The age of a token counts from the start of its read, by the clock that shows more of it: the monotonic clock stands
    still in a suspended process, and the wall clock can be set back. On AWS Lambda, which freezes a process between
    invocations, callers wait for a refresh that is due.
    """

    def __init__(
        self,
        secret_id: str,
        new_secrets_client: Callable[[], SecretsManager] = new_secrets_client,
        *,
        ttl: float = 300,
        max_age: float = 3600,
        denial_grace: float = 0,
        try_token: Callable[[Token], bool] | None = None,
        report: Callable[[Event], None] = log_event,
        clock: Callable[[], float] | None = None,
    ) -> None:
        _check_settings(secret_id, new_secrets_client, ttl, max_age, denial_grace)
        self._secret_id, self._new_client = secret_id, new_secrets_client
        self._ttl, self._max_age, self._denial_grace = ttl, max_age, denial_grace
        self._try_token, self.events = try_token, Reporter(report)
        self._clocks = Clocks(clock)
        self._start = waiting.start_thread
        self._waits_when_due = "AWS_LAMBDA_FUNCTION_NAME" in os.environ
        self._lock = ProcessLock()
        self._client: tuple[int, SecretsManager] | None = None  # and the process that made it
        self._versions = 0
        self._read: _Read | None = None
        self.reset()

    def get(self, timeout: float | None = None) -> Token:
        """Return the token. Waits at most `timeout` seconds, 10 by default, and never if that is 0.

        Raises `TokenUnavailable`.
        """
        copy, clocks = self._copy, self._clocks
        if copy is not None and clocks.monotonic() < copy.fresh_until[0] and clocks.wall() < copy.fresh_until[1]:
            return copy.token
        return run(self.get_as(Blocking, timeout))

    async def aget(self, timeout: float | None = None) -> Token:
        """Return the token as `get` does, without blocking the event loop."""
        return await self.get_as(Suspending, timeout)

    def renew(self, refused: Token, timeout: float | None = None) -> bool:
        """Read the secret again because Momento refused this token, unless that just happened. Waits as `get` does.

        Returns whether there is a newer token.
        """
        return run(self.renew_as(Blocking, refused, timeout))

    async def arenew(self, refused: Token, timeout: float | None = None) -> bool:
        """Read the secret again as `renew` does, without blocking the event loop."""
        return await self.renew_as(Suspending, refused, timeout)

    def warm_up(self) -> None:
        """Read the token in this thread: a server that forks should run no other one then. Raises `TokenUnavailable`."""
        works, read = list[Callable[[], None]](), None
        try:
            with self._lock.here():
                read = self._read_if_due(works.append)
            for work in works:
                work()
        finally:
            if works and read:
                self._finish(read, self._no_response())  # if a signal came between the lines
        self.get()

    def refresh_if_due(self) -> None:
        """Start a refresh in the background if one is due, as for a process without traffic. Never waits."""
        with self._lock.here():
            self._read_if_due()
        self.events.tell_noted()

    def has_newer(self, token: Token) -> bool:
        """Return whether a newer token has been read. Never waits."""
        copy = self._copy
        return copy is not None and copy.token.number > token.number

    @property
    def ready(self) -> bool:
        """Whether there is a token to serve that Momento has not refused. For a readiness check: never waits.

        A refusal counts until a call succeeds or another token is read. If the secret holds no other, it lapses after some
        seconds, as a process that isn't ready may get no calls.
        """
        return self._usable(self._copy) and not self._is_refused()

    @property
    def state(self) -> State:
        """How good the token is, for a person who looks at a health check. Never waits."""
        copy, problem = self._copy, self._problem
        if problem is not None and problem.denied:
            return State.DENIED
        if copy is None or not self._usable(copy):
            return State.EMPTY if problem is None else State.UNAVAILABLE
        if self._is_refused():
            return State.REFUSED
        age = self._clocks.since(copy.read_at)
        if age >= self._ttl:
            return State.STALE
        return State.DUE if self._clocks.is_over(copy.fresh_until) else State.FRESH

    @property
    def version_id(self) -> str | None:
        """The VersionId of the token, or None. It is no secret: compare it with that of Secrets Manager."""
        copy = self._copy
        return None if copy is None else copy.version_id

    @property
    def problem(self) -> TokenUnavailable | None:
        """Why the last read failed, or None."""
        return self._problem

    def reset(self) -> None:
        """Forget everything, as after a restore from a snapshot. A read in progress is ignored when it ends."""
        with self._lock.here():
            read, self._read = self._read, None
            self._copy: _Copy | None = None
            self._problem: TokenUnavailable | None = None
            self._denied_at: Moment | None = None  # when the first denial in a row came
            self._refused_at: Moment | None = None  # when Momento last refused the copy
            self._last_refused = 0  # the highest number of a token that it refused
            self._failures, self._paused_at, self._pause = 0, self._clocks.now(), 0.0
        if read is not None:
            waiting.end(read.over)

    def accepted(self, token: Token) -> None:
        """Note that Momento accepts a token that it refused before."""
        if self._refused_at is not None and self._is_current(token):
            self._refused_at, self._failures, self._pause = None, 1, min(self._pause, waiting.backoff(1))

    def __repr__(self) -> str:
        return f"<TokenSource {self._secret_id}: {self.state}, {self._problem or 'no problem'}>"

    def __reduce__(self) -> str:
        raise TypeError("A TokenSource can't be pickled: make one in each process.")

    # What a caller gets

    async def get_as(self, how: type[Blocking], timeout: float | None) -> Token:
        """Return the token; `how` to wait is the caller's."""
        copy, read, end = self._copy, self._read, end_of(timeout)
        if copy is not None and read is not None and read.pid == os.getpid() and self._is_young(copy):
            return copy.token  # also while the lock is held by the caller that starts the thread of a refresh
        while True:
            with self._lock.here():
                read, copy = self._read_if_due(), self._copy
                usable, wait = self._usable(copy), end - time.monotonic()
                if usable and copy is not None and read is not None:
                    spared = self._is_young(copy) or self._failed_lately()
                    waited = 0 if self._waits_when_due else self._clocks.since(read.began_at)
                    wait = 0 if spared else min(wait, PATIENCE - waited)
            self.events.tell_noted()
            if read is not None and wait > 0:
                await how.until(read.over, wait)
                copy = self._copy
                usable = self._usable(copy)
            if copy is not None and usable:
                if (age := self._clocks.since(copy.read_at)) >= self._ttl:
                    self.events.tell(Event("stale", f"The token is {age:.0f} s old.", seconds=age))
                return copy.token
            problem = self._problem if read is None or read.over.done() else None
            if problem is None and read and read.over.done() and time.monotonic() < end:
                continue  # it was reset in the meantime, or what it brought is too old already
            problem = problem or self._no_response()
            # A new one for each caller: threads must not share a traceback.
            raise without_frames(TokenUnavailable(str(problem), problem.denied, problem.code), problem.__cause__)

    async def renew_as(self, how: type[Blocking], refused: Token, timeout: float | None) -> bool:
        """Do what `renew` does; `how` to wait is the caller's."""
        end = end_of(timeout)
        for _ in range(2):  # a read that was in progress may have missed the change
            with self._lock.here():
                self._refused_at = self._clocks.now() if self._is_current(refused) else self._refused_at
                read = self._reading()
                if read is None and not self.has_newer(refused):
                    is_first, lately = refused.number > self._last_refused, self._failed_lately()
                    self._last_refused = max(self._last_refused, refused.number)
                    if is_first or self._clocks.since(self._paused_at) >= self._pause:
                        read = self._begin(True, lately and not is_first)
            self.events.tell_noted()
            wait = 0 if read is not None and read.is_retry else end - time.monotonic()
            if read is None or wait <= 0 or self.has_newer(refused):
                break
            await how.until(read.over, wait)
            if not read.over.done():
                break
        return self.has_newer(refused)

    def _usable(self, copy: _Copy | None) -> bool:
        if copy is None or self._clocks.since(copy.read_at) >= self._max_age:
            return False
        return self._denied_at is None or self._clocks.since(self._denied_at) < self._denial_grace

    def _is_young(self, copy: _Copy) -> bool:
        young = self._clocks.since(copy.read_at) < self._ttl and self._denied_at is None
        return young and not self._waits_when_due

    def _is_current(self, token: Token) -> bool:
        return self._copy is not None and self._copy.token.number == token.number

    def _is_refused(self) -> bool:
        if self._refused_at is None:
            return False
        return self._problem is not None or self._clocks.since(self._refused_at) < waiting.LONGEST_PAUSE

    def _failed_lately(self) -> bool:
        """Tell whether a read failed so recently that callers need not wait for the next one."""
        return self._problem is not None and self._clocks.since(self._paused_at) < self._pause + PATIENCE

    def _no_response(self) -> TokenUnavailable:
        said = f"Secrets Manager has not responded in time for {self._secret_id}: check that this process can reach it."
        return TokenUnavailable(said, code="NoResponse")

    # Reading the secret. Where a comment doesn't say otherwise, the lock is held.

    def _reading(self) -> _Read | None:
        """Return the read in progress, if it is one of this process: a parent's never ends in its child."""
        read = self._read
        if read is None or read.pid != os.getpid():
            return None
        if self._clocks.since(read.began_at) >= HUNG:
            self._client = None  # it may be the one that hangs
            self._finish(read, self._no_response())
            self._pause = -PATIENCE  # the next one begins immediately, as this process may have been frozen
            return None
        return read

    def _read_if_due(self, start: Start | None = None) -> _Read | None:
        """Return the read in progress, or one that starts now."""
        read, copy = self._reading(), self._copy
        refused, since = self._refused_at is not None, self._clocks.since
        due = copy is None or self._clocks.is_over(copy.fresh_until) or since(copy.read_at) >= self._ttl or refused
        is_retry = refused or self._problem is not None
        if read is None and due and (not is_retry or since(self._paused_at) >= self._pause):
            return self._begin(refused, refused and self._failed_lately(), start)
        return read

    def _begin(self, after_refusal: bool, is_retry: bool, start: Start | None = None) -> _Read:
        read = _Read(self._clocks.now(), after_refusal, is_retry)
        try:
            self._read = read
            (start or self._start)(lambda: self._perform(read))
        except BaseException as error:
            self._finish(read, unavailable(self._secret_id, error))
            if not isinstance(error, RuntimeError):  # no more threads, or the interpreter is ending
                raise
        return read

    def _perform(self, read: _Read) -> None:  # without the lock
        try:
            self._finish(read, self._fetch(read))
        except BaseException as error:  # whatever it is, callers are waiting
            result = unavailable(self._secret_id, error)
            if result.code not in TRANSIENT:
                self._client = None  # it may be the client that keeps the cause, such as expired credentials
            self._finish(read, result, isinstance(error, NotAccepted))
            if not isinstance(error, Exception):
                raise
        finally:
            self.events.tell_noted()

    def _fetch(self, read: _Read) -> _Copy:  # without the lock
        pid, client = self._client or (0, None)
        if client is None or pid != os.getpid():  # a parent's connections stay open there
            client = self._new_client()
            self._client = os.getpid(), client
        response = client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSCURRENT")
        if "SecretString" not in response and "SecretBinary" not in response:
            raise IncompleteResponse
        version_id, text = response["VersionId"], response.get("SecretString")
        token = Token(text.strip()) if isinstance(text, str) else None
        del response, text  # a traceback that shows variables must not show the token
        kind, before = check(token), self._copy
        assert token is not None
        if before is None or before.token != token:
            if before is not None and self._usable(before):
                self._try(token, read.after_refusal)
            if kind.name == "unknown":
                said = f"{self._secret_id} holds a token of an unknown format: compare it with the key in Momento's console."
                self.events.note(Event("unknown_key", said, logging.WARNING))
        refresh_after = self._ttl * waiting.uniform(0.5, 0.75)  # a fleet must not read in step
        return _Copy(
            token, version_id, read.began_at, (read.began_at[0] + refresh_after, read.began_at[1] + refresh_after)
        )

    def _try(self, token: Token, after_refusal: bool) -> None:
        if self._try_token is None:
            return
        try:
            accepted = self._try_token(token)
        except BaseException as error:
            if after_refusal:
                return  # the old token is no better
            reason = f"Whether Momento accepts the new token is unknown ({type(error).__name__})"
            raise NotAccepted(f"{reason}, so the previous one stays in use.") from None
        if not accepted:
            raise NotAccepted("Momento refuses the new token, so the previous one stays in use.")

    def _finish(self, read: _Read, result: _Copy | TokenUnavailable, old_is_best: bool = False) -> None:  # fmt: skip
        with self._lock.here():
            if self._read is read:
                self._read = None
                took, before = self._clocks.since(read.began_at), self._problem
                level = logging.WARNING
                if isinstance(result, _Copy):
                    self._keep(result, read.after_refusal)
                    level = logging.DEBUG if before is None else level
                    said = f"The secret {self._secret_id} was read{' again' if before else ''}."
                    self.events.note(Event("read", said, level, seconds=took))
                else:
                    self._fail(result)
                    if old_is_best and self._copy is not None:  # and Secrets Manager let us read
                        self._copy, self._denied_at = replace(self._copy, read_at=read.began_at), None
                    level, said = logging.DEBUG if str(before) == str(result) else level, str(result)
                    if result.denied and self._copy is not None:
                        said += f" The token is served for {self._denial_grace:g} s after the first denial."
                    self.events.note(Event("failed", said, level, result.code, result.denied, took))
                self._paused_at, self._pause = self._clocks.now(), waiting.backoff(self._failures)
        waiting.end(read.over)

    def _keep(self, copy: _Copy, after_refusal: bool) -> None:
        old = self._copy
        if old is not None and old.token == copy.token:
            self._copy = replace(copy, token=old.token)
            self._failures = self._failures + 1 if after_refusal else 0
        else:
            self._versions += 1
            self._copy = replace(copy, token=Token.numbered(copy.token, self._versions))
            self._failures, self._refused_at = 0, None
        self._problem = self._denied_at = None

    def _fail(self, problem: TokenUnavailable) -> None:
        self._problem, copy = problem, self._copy
        self._failures += 1
        if problem.denied and copy is not None:
            self._denied_at = self._denied_at or self._clocks.now()
            self._copy = replace(copy, fresh_until=copy.read_at) if self._usable(copy) else None


def _check_settings(secret_id: object, new_secrets_client: object, *seconds: object) -> None:
    if not isinstance(secret_id, str) or not secret_id.strip():
        raise ValueError("secret_id is empty: pass the secret's name or ARN, and see whether its variable is set.")
    is_client = hasattr(new_secrets_client, "get_secret_value") and not isinstance(new_secrets_client, type)
    if is_client or not callable(new_secrets_client):
        raise TypeError("new_secrets_client is a function that makes a client: to pass one that you have, write `lambda: client`.")  # fmt: skip
    ttl, max_age, grace = (it if isinstance(it, (int, float)) else -1 for it in seconds)
    if not (0 < ttl <= max_age and grace >= 0):
        raise ValueError("ttl, max_age and denial_grace are numbers of seconds: ttl above 0, max_age at least ttl, denial_grace at least 0.")  # fmt: skip
