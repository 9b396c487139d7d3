"""Reads, rotations, failures, refusals, resets and time in any order, against what the docstring of `TokenSource` promises."""

from __future__ import annotations

import random

import pytest
from botocore.exceptions import ReadTimeoutError
from fakes import Clock, Notes, Steps
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from momento_token import TokenSource, TokenUnavailable, token_source, waiting
from momento_token.testing import FakeSecretsManager, error_of

TTL, MAX_AGE, GRACE = 10.0, 40.0, 5.0
THROTTLED = error_of("ThrottlingException")
TIMEOUT = ReadTimeoutError(endpoint_url="http://127.0.0.1")
DENIED = error_of("AccessDeniedException")


class Machine(RuleBasedStateMachine):
    grace = 0.0

    def __init__(self) -> None:
        super().__init__()
        waiting._random = random  # which hypothesis seeds, so that what it finds can be found again
        self.hung, token_source.HUNG = token_source.HUNG, 1e9  # how a read is given up is tried elsewhere
        self.clock, self.service, self.steps, self.notes = Clock(), FakeSecretsManager(), Steps(), Notes()
        self.refused_by_momento: set[str] = set()
        self.lands_at_once = False
        self.source = TokenSource(
            "s",
            lambda: self.service,
            ttl=TTL,
            max_age=MAX_AGE,
            denial_grace=self.grace,
            try_token=lambda token: token not in self.refused_by_momento,
            report=self.notes,
            clock=self.clock,
        )
        self.source._start = self.begin
        self.began_at: list[float] = []  # of each read under way
        self.good: str | None = None  # what may be served
        self.good_since = float("-inf")  # when that was asked for, or last found to be the best there is
        self.denied_at: float | None = None
        self.failed_at = float("-inf")
        self.failures_in_a_row = 0

    def teardown(self) -> None:
        waiting._random, token_source.HUNG = random.SystemRandom(), self.hung

    def begin(self, work) -> None:
        self.began_at.append(self.clock.now)
        self.steps.append(work)
        if self.lands_at_once:
            self.land()

    def land(self) -> None:
        """Play the read's end, and note what it means from what the service says at that moment."""
        began, error, value = self.began_at.pop(0), self.service.error, self.service.value
        self.steps.land()
        now = self.clock.now
        unproved = self.may_serve and self.good != value and value in self.refused_by_momento
        if error is None and not unproved:
            self.good, self.good_since, self.denied_at = value, began, None
            self.failures_in_a_row, self.failed_at = 0, float("-inf")
            return
        self.failures_in_a_row += 1
        self.failed_at = now
        if error is None:
            self.good_since, self.denied_at = began, None
        elif error is DENIED:
            self.denied_at = now if self.denied_at is None else self.denied_at
            if now >= self.denied_at + self.grace:
                self.good = None

    @property
    def may_serve(self) -> bool:
        if self.good is None or self.clock.now - self.good_since >= MAX_AGE:
            return False
        return self.denied_at is None or self.clock.now < self.denied_at + self.grace

    @rule(error=st.sampled_from([None, None, THROTTLED, TIMEOUT, DENIED]))
    def the_service_changes(self, error) -> None:
        self.service.error = error

    @rule(good=st.booleans())
    def the_token_is_rotated(self, good: bool) -> None:
        key = self.service.rotate()
        if not good:
            self.refused_by_momento.add(key)

    @rule(at_once=st.booleans())
    def reads_take_time_or_none(self, at_once: bool) -> None:
        self.lands_at_once = at_once

    @precondition(lambda self: self.steps)
    @rule()
    def the_read_lands(self) -> None:
        self.land()

    @rule(eighths=st.integers(0, 120) | st.just(320) | st.integers(0, 8))  # exact in binary
    def some_time_later_a_reader_reads(self, eighths: int) -> None:
        self.clock.now += eighths / 8
        source, calls, stale = self.source, self.service.calls, self.notes.names.count("stale")
        under_way, could_serve, good = bool(self.steps), self.may_serve, self.good
        try:
            token = source.get(timeout=0)
        except TokenUnavailable as error:
            # Only where there is nothing that may be served.
            assert not self.may_serve
            if not self.steps and source.problem is not None:
                assert error.code == source.problem.code
            return
        assert self.may_serve or (self.service.calls > calls and token == self.good)
        assert token in (good, self.good)
        age = self.clock.now - self.good_since
        assert age < MAX_AGE
        if self.service.calls == calls:
            assert could_serve and token == good
        if age >= TTL:
            # Too old, and served all the same: it is counted, and it is being asked for, or was in vain lately.
            assert self.notes.names.count("stale") == stale + 1
            assert under_way or self.steps or self.failed_at > float("-inf")
        if age >= 0.75 * TTL and not self.steps:
            # No refresh is lost: when one is due, it is under way, or the last one failed and its pause isn't over.
            paused = source._clocks.since(source._paused_at) < source._pause
            assert paused or self.service.calls > calls

    @precondition(lambda self: self.source._copy is not None)
    @rule()
    def momento_refuses_the_token(self) -> None:
        token, calls, under_way = self.source._copy.token, self.service.calls, len(self.steps)
        newer = self.source.renew(token, timeout=0)
        assert len(self.steps) <= 1 and self.service.calls <= calls + 2 + under_way
        assert newer == self.source.has_newer(token)

    @rule()
    def the_process_is_restored(self) -> None:
        self.source.reset()
        self.good = self.denied_at = None
        self.failed_at, self.failures_in_a_row = float("-inf"), 0
        for work in [*self.steps]:  # those that were under way land, and change nothing
            self.began_at.pop(0)
            work()
        self.steps.clear()
        assert self.source.state == "empty" and self.source.problem is None

    @invariant()
    def there_is_one_read_at_most(self) -> None:
        assert len(self.steps) <= 1

    @invariant()
    def the_pause_is_within_its_bound(self) -> None:
        assert self.source._pause <= min(12, 2.0 ** max(0, self.source._failures - 1))
        if self.failures_in_a_row:
            assert self.source._failures > 0 and self.source._paused_at[0] >= self.failed_at

    @invariant()
    def the_state_says_what_would_be_served(self) -> None:
        state, age = self.source.state, self.clock.now - self.good_since
        assert (state in ("fresh", "due", "stale")) <= self.may_serve
        if state in ("fresh", "due"):
            assert age < TTL
        if state == "stale":
            assert TTL <= age < MAX_AGE
        if state == "empty":
            assert self.source.problem is None
        if state == "denied":
            assert self.source.problem.denied

    @invariant()
    def after_a_denial_nothing_is_kept_for_longer_than_the_grace(self) -> None:
        if self.denied_at is not None and self.clock.now >= self.denied_at + self.grace:
            assert not self.may_serve


class MachineWithGrace(Machine):
    grace = GRACE


TestMachine, TestMachineWithGrace = Machine.TestCase, MachineWithGrace.TestCase
TestMachineWithGrace.pytestmark = [pytest.mark.slow]
TestMachine.settings = TestMachineWithGrace.settings = settings(
    max_examples=100, stateful_step_count=50, deadline=None, derandomize=True, database=None
)
