"""Exercises of 03, cache it on the client: one call for many threads, and which way to take."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from drills.contest import Result
from drills.learner_code import at_once
from helpers.cloud import Cloud
from helpers.timing import OVERLAP

from .common import (
    Check,
    counted_as,
    counting,
    exercise,
    function_of,
    harmless,
    is_text,
    misbehaved,
    new_key,
    run_learner,
    unfinished,
)

KEPT = 1.2  # seconds, and a copy should still be there


@exercise("one-call")
def check_single_flight(
    cloud: Cloud, name: str, make_reader: Callable[[], Callable[[], str]], threads: int = 32
) -> Check:
    """Does a reader from `make_reader()` fetch the secret once however many threads ask?"""
    read = yield from function_of(make_reader, "make_reader")
    token = new_key(cloud, name)
    with harmless(cloud) as harm:
        cloud.add_fault("aws", delay=OVERLAP)
        with counting(cloud) as together:
            answers = at_once(read, threads)
        cloud.clear_faults()
        gets = together.reads
        seen = f"{threads} threads made {counted_as(gets, 'call')} of GetSecretValue."
        failed = [answer for answer in answers if answer.failed]
        who = f"In {len(failed) or 'all'} of {threads} threads your function"
        for answer in failed or answers[:1]:
            yield from misbehaved(answer, who, "Call it once by itself and fix that first.")
            yield from unfinished(answer.returned, "Your function")
        yield (
            together["aws.DescribeSecret"],
            f"{threads} threads made {sum(together.values())} calls, DescribeSecret among them.",
            "That is AWS's library, which asks twice: here it is to be another one, or a lock of your own.",
        )
        yield (
            gets == 0,
            seen,
            "The first read has to come from Secrets Manager: start with an empty cache.",
        )
        yield (
            any(not is_text(answer.returned, token) for answer in answers),
            f"{seen} But not every thread got the token.",
            "Return the SecretString that was read, to every thread.",
        )
        with counting(cloud) as at_once_again:
            run_learner(read)
        yield (
            gets == threads and at_once_again.reads,
            seen,
            "Nothing is kept: put a cache around the function that reads.",
        )
        yield (
            gets > 1,
            seen,
            "It is kept, but threads that come together don't wait for each other: see `condition=`.",
        )
        with counting(cloud) as later:
            if not at_once_again.reads:
                time.sleep(KEPT)
            kept = at_once(read, 2)
    yield (
        at_once_again.reads or later.reads,
        f"{seen} But the next reads asked again.",
        f"Keep the value too, for longer than {KEPT:g} s: a TTL of minutes is usual.",
    )
    yield (
        any(not is_text(answer.returned, token) for answer in kept),
        f"{seen} But later reads didn't get the token.",
        "Keep the value that was read, and return it.",
    )
    yield from harm
    fresh, newer = run_learner(make_reader), new_key(cloud, name)
    with counting(cloud) as second:
        other = run_learner(lambda: fresh.returned())
    yield from misbehaved(other, "A second reader from make_reader")
    yield (
        not second.reads or not is_text(other.returned, newer),
        f"{seen} But a second reader from make_reader made none of its own.",
        "The two share a cache: create it inside make_reader, so that each service gets its own.",
    )
    return f"{threads} threads at once made 1 call, and later reads none."


@exercise("which-row")
def check_choice(results: Sequence[Result], answer: object) -> Check:
    """Is this the way that fetches once for many threads, and stops when it is told no?"""
    measured = {result.name.casefold(): result for result in results}
    said = str.__str__(answer).strip() if isinstance(answer, str) else ""
    yield (
        not said,
        "There is no answer yet.",
        "Put the name of a row between the quotation marks.",
    )
    yield (
        said.casefold() not in measured,
        f"{said} is no row of the table.",
        f"The rows are: {', '.join(result.name for result in results)}.",
    )
    chosen = measured[said.casefold()]
    yield (
        chosen.calls_of_many > chosen.cold_calls,
        f"In your contest {chosen.name} made {chosen.calls_of_many} calls for 32 threads with an empty cache.",
        "Look down the column of the cold threads first.",
    )
    yield (
        chosen.on_revocation != "seen",
        f"{chosen.name} fetches once. But it didn't notice that the permission was taken away.",
        "Look at the column Revocation.",
    )
    return (
        f"{chosen.name}: one fetch for 32 threads, and it notices when the permission is taken away. "
        f"When the copy expires, {chosen.waited_at_expiry or 'none'} of 4 readers "
        + ("wait: that is its price." if chosen.waited_at_expiry else "waits; its price is code that you own.")
    )
