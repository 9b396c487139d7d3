"""The production pattern, first half: a token that is read once, kept fresh in the background, and never served too old.

The second half, shared_client.py, holds the Momento client that is made from it. To use both in a service, copy them
with tokens.py and show.py. Make them after a fork, not before, like the clients of boto3 and gRPC.

Of the libraries in notebook 04 none does all of this. dogpile.cache comes closest; it serves nothing when a refresh
fails, and a hit takes several times as long. So the thread and the future are the standard library's, the policy is ours.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

from botocore.exceptions import (
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    IncompleteReadError,
)

from .show import PlainError
from .tokens import TokenError, check

log = logging.getLogger(__name__)

# Error codes that say "not now"; so do connection errors, timeouts and every answer with HTTP status 500 and above.
# All other codes say "no", or "no longer", and nothing stale is served after them.
NOT_NOW = {"ThrottlingException", "Throttling", "RequestLimitExceeded", "TooManyRequestsException"}
# Our own credentials have run out: that says nothing about whether we may read.
NOT_NOW |= {"ExpiredTokenException", "ExpiredToken", "RequestExpired"}

PASSING = (ConnectionError, HTTPClientError, IncompleteReadError, CredentialRetrievalError)

CURES = {
    "AccessDeniedException": "allow secretsmanager:GetSecretValue on it for this identity",
    "ResourceNotFoundException": "correct its name, its region or its label",
    "InvalidRequestException": "if it waits for its deletion, restore it",
    "DecryptionFailure": "allow kms:Decrypt on its key, and see that the key is enabled",
}


class TokenUnavailable(PlainError):
    """There is no token that may be served. `passing` is true if asking again later may help."""

    def __init__(self, message: str, passing: bool) -> None:
        super().__init__(message)
        self.passing = passing


@dataclass(frozen=True)
class Held:
    """A token as it was read. Times in seconds of the source's clock; `number` counts the versions seen."""

    token: str = field(repr=False)
    version: str
    number: int
    refresh_at: float
    expires_at: float
    unusable_at: float


class TokenSource:
    """The token in a secret, for all threads and tasks of a process.

    - `ttl`, seconds: an older copy isn't served while Secrets Manager answers. A refresh starts in the background after
      half to three quarters of it, at random, so that a fleet doesn't ask in step and no reader waits.
    - `max_age`, seconds: while Secrets Manager can't be asked, a copy is served until it is this old.
    - `retry`, seconds: after a failure, and after a token that Momento refused, ask again this much later.

    `hits`, `misses` (reads that waited), `refreshes` (reads of the secret that succeeded), `failures` and `stale` count;
    exact where the interpreter has a global lock. `problem` is None, or the error of the last read.
    """

    def __init__(
        self,
        client: Any,
        secret_id: str,
        *,
        ttl: float = 300,
        max_age: float = 3600,
        retry: float = 1,
        clock: Callable[[], float] = time.monotonic,
        executor: Executor | None = None,
    ) -> None:
        if not 0 < ttl <= max_age or retry < 0:
            raise ValueError(
                "ttl must be above 0, max_age at least ttl, retry not negative: all are seconds."
            )
        self._client, self._secret_id = client, secret_id
        self._ttl, self._max_age, self._retry, self._clock = ttl, max_age, retry, clock
        self._executor = executor or ThreadPoolExecutor(1, thread_name_prefix="token source")
        self._lock = threading.Lock()
        self._held: Held | None = None
        self._flight: Future[Held | TokenUnavailable] | None = None
        self._took_off_at = self._retry_at = self._renew_at = float("-inf")
        self._renewed = self._versions = 0
        self.problem: TokenUnavailable | None = None
        self.hits = self.misses = self.refreshes = self.failures = self.stale = 0

    def get(self) -> str:
        """The token. Raises `TokenUnavailable`."""
        return self.held().token

    async def aget(self) -> str:
        """The token, for asyncio: waiting for it doesn't block the event loop. Raises `TokenUnavailable`."""
        return (await self.aheld()).token

    def held(self) -> Held:
        """The token with its version. Raises `TokenUnavailable`."""
        held = self._held
        if held is not None and self._clock() < held.refresh_at:
            self.hits += 1
            return held
        return self._ready() or self._after(self._miss().result())

    async def aheld(self) -> Held:
        """As `held`, for asyncio."""
        if ready := self._ready():
            return ready
        # Shielded, as the flight is everybody's: one task that is cancelled must not cancel it.
        return self._after(await asyncio.shield(asyncio.wrap_future(self._miss())))

    def renew(self, refused: Held) -> bool:
        """Momento refused this token: read the secret again, once per `retry` seconds. Is there a newer one now?"""
        while flight := self._renewal(refused):
            flight.result()
        return self._has_newer(refused)

    async def arenew(self, refused: Held) -> bool:
        """As `renew`, for asyncio."""
        while flight := self._renewal(refused):
            await asyncio.shield(asyncio.wrap_future(flight))
        return self._has_newer(refused)

    def __repr__(self) -> str:
        counts = ", ".join(
            f"{name} {getattr(self, name)}"
            for name in ("hits", "misses", "refreshes", "failures", "stale")
        )
        return f"<TokenSource {self._secret_id}: {counts}, {self.problem or 'no problem'}>"

    def _ready(self) -> Held | None:
        """What may be served without waiting, if anything. Starts a refresh in the background when one is due."""
        held, now = self._held, self._clock()
        if held is None:
            return None
        if now < held.expires_at:
            self.hits += 1
        elif now < held.unusable_at and (self.problem or self._is_late(held)):
            self.stale += 1
        else:
            return None
        if now >= held.refresh_at:
            with self._lock:
                if self._held is held and not self._flight and now >= self._retry_at:
                    self._take_off()
        return held

    def _miss(self) -> Future[Held | TokenUnavailable]:
        """The read under way that a reader has to wait for."""
        with self._lock:
            self.misses += 1
            now = self._clock()
            if self._held and now < self._held.expires_at:
                return _landed(self._held)  # since we looked
            if self.problem and not self._flight and now < self._retry_at:
                return _landed(self.problem)
            return self._flight or self._take_off()

    def _is_late(self, held: Held) -> bool:
        """Is a refresh under way that began while this copy was fresh? Then nobody waits for it."""
        return self._flight is not None and self._took_off_at < held.expires_at

    def _after(self, outcome: Held | TokenUnavailable) -> Held:
        if isinstance(outcome, Held):
            return outcome
        if ready := self._ready():
            return ready
        # A new one for each reader: raising one object in many threads would mix up their tracebacks.
        raise TokenUnavailable(str(outcome), outcome.passing) from outcome.__cause__

    def _renewal(self, refused: Held) -> Future[Held | TokenUnavailable] | None:
        """The read to wait for before a refused token is given up; None if there is nothing to wait for."""
        with self._lock:
            if self._has_newer(refused):
                return None
            if self._flight:
                return self._flight
            if self._renewed == refused.number and self._clock() < self._renew_at:
                return None
            self._renewed, self._renew_at = refused.number, self._clock() + self._retry
            return self._take_off()

    def _has_newer(self, refused: Held) -> bool:
        return self._held is not None and self._held.number > refused.number

    def _take_off(self) -> Future[Held | TokenUnavailable]:
        """Start the one read; the lock is held."""
        self._took_off_at = self._clock()
        self._flight = self._executor.submit(self._fly)
        return self._flight

    def _fly(self) -> Held | TokenUnavailable:
        try:
            outcome = self._hold(*self._read())
        except Exception as error:
            outcome = _unavailable(self._secret_id, error)
        with self._lock:
            self._flight = None
            self._land(outcome)
        return outcome

    def _land(self, outcome: Held | TokenUnavailable) -> None:
        if isinstance(outcome, Held):
            if self.problem:
                log.warning("The secret %s can be read again.", self._secret_id)
            self._held, self.problem = outcome, None
            self.refreshes += 1
            return
        if str(outcome) != str(self.problem):
            log.warning("%s", outcome)
        if not outcome.passing:
            self._held = None
        self.problem = outcome
        self.failures += 1
        self._retry_at = self._clock() + self._retry

    def _read(self) -> tuple[str, str]:
        answer = self._client.get_secret_value(SecretId=self._secret_id, VersionStage="AWSCURRENT")
        token = answer.get("SecretString")
        token = token.strip() if isinstance(token, str) else token
        check(token)
        return token, answer["VersionId"]

    def _hold(self, token: str, version: str) -> Held:
        started = self._took_off_at  # the value may have changed since, so its age counts from here
        times = {
            "refresh_at": started + self._ttl * random.uniform(0.5, 0.75),
            "expires_at": started + self._ttl,
            "unusable_at": started + self._max_age,
        }
        before = self._held
        if before is not None and before.version == version:
            return replace(before, **times)
        self._versions += 1
        return Held(token, version, self._versions, **times)


def _landed(outcome: Held | TokenUnavailable) -> Future[Held | TokenUnavailable]:
    flight: Future[Held | TokenUnavailable] = Future()
    flight.set_result(outcome)
    return flight


def _unavailable(secret_id: str, error: Exception) -> TokenUnavailable:
    """What a failed read means, in one sentence."""
    name = type(error).__name__
    if isinstance(error, TokenError):
        # Somebody stored a wrong value: whatever was right before may still be.
        message, passing = f"The secret {secret_id} holds no usable token. {error}", True
    elif isinstance(error, ClientError):
        name = error.response.get("Error", {}).get("Code", name)
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        passing = name in NOT_NOW or status >= 500
        message = f"Secrets Manager doesn't give {secret_id} ({name}): "
        message += CURES.get(name, "try again later" if passing else "see AWS's page on this error")
    else:
        passing = isinstance(error, PASSING)
        message = f"Secrets Manager can't be asked for {secret_id} ({name}): "
        message += "see whether its endpoint can be reached" if passing else f"{error}"
    unavailable = TokenUnavailable(message, passing)
    unavailable.__cause__ = error
    return unavailable
