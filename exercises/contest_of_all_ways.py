"""Exercises of deeper/, the contest of all ways: one call for many threads, and which way to take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from drills.contest import Result
from drills.learner_code import at_once
from helpers.cloud import Cloud
from helpers.timing import THREADS

from .common import Check, counting, current_token, exercise, fault, function_of, misbehaved, run_learner

DELAY = 0.2  # seconds that a call takes longer, so that threads which start together really meet
KEPT = 0.7  # seconds after which the copy should still be there: the task says a second


@exercise("one-call")
def check_single_flight(cloud: Cloud, name: str, make_reader: Callable[[], Callable[[], str]]) -> Check:
    """Does a reader from `make_reader()` fetch the secret once however many threads call it?"""
    token = current_token(name)
    read = yield from function_of(make_reader, "make_reader")
    with fault(cloud, delay=DELAY), counting(cloud) as together:
        runs = at_once(read, THREADS)
    failed = [one for one in runs if one.failed]
    who = f"In {len(failed)} of {THREADS} threads your function" if failed else "Your function"
    yield from misbehaved([*failed, *runs][0], who, "Call it once by itself, and fix that first.")
    calls = together["aws.GetSecretValue"] + together["aws.DescribeSecret"]
    seen = f"{THREADS} threads; calls to Secrets Manager: {calls}."
    time.sleep(KEPT)
    with counting(cloud) as later:
        runs += at_once(read, 2)
    with counting(cloud) as of_another:
        run_learner(lambda: make_reader()())
    shared = calls and not of_another["aws.GetSecretValue"]
    hint = "Create the cache inside make_reader, and leave it empty: the first read has to come from Secrets Manager."
    yield not calls or shared, seen + " A second reader made none: they share a cache." * bool(shared), hint
    hint = "Keep the SecretString that was read, and return it to every thread, also later."
    yield any(one.returned != token for one in runs), f"{seen} But not every thread got the token.", hint
    hint = "Put a cache that all threads share around the function that reads, with a TTL of minutes."
    yield later["aws.GetSecretValue"], f"{seen} A read {KEPT:g} s later made a call again.", hint
    hint = (
        "Let threads wait for the one that fetches: see `condition=`. AWS's library makes two calls for a first read."
    )
    yield calls > 1, seen, hint
    return f"{THREADS} threads made 1 call together, and later reads none."


@exercise("which-row")
def check_choice(results: Sequence[Result], answer: object) -> Check:
    """Is this the way that fetches once for many threads, and stops when its permission is revoked?"""
    measured = {result.name.casefold(): result for result in results}
    said = answer.strip() if isinstance(answer, str) else ""
    yield not said, "There is no answer yet.", "Put the name of a row between the quotation marks."
    rows = ", ".join(result.name for result in results)
    yield said.casefold() not in measured, f"{said} is no row of the table.", f"Choose one of the rows: {rows}."
    chosen = measured[said.casefold()]
    seen = f"In your contest {chosen.name} made {chosen.calls_of_many} calls for {THREADS} threads with an empty cache."
    yield chosen.calls_of_many > chosen.cold_calls, seen, f"Look down the column of the {THREADS} threads first."
    seen = f"{chosen.name} fetches once. But it didn't stop when access was revoked."
    yield not chosen.stops, seen, "Look at the last column of the second table."
    price = f"When its copy expires, {chosen.waited_at_expiry or 'none'} of 4 readers wait."
    return f"{chosen.name}: one fetch for {THREADS} threads, and it stops when access is revoked. {price}"
