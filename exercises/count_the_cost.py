"""Exercise of 05, count the cost: choose the TTL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helpers.display import dollars
from helpers.pricing import Fleet

from .common import Check, exercise


@exercise("ttl")
def check_ttl(minutes: Any, fleet: Fleet, most_dollars: float) -> Check:
    """Check that this is the shortest TTL, in whole minutes, with which the fleet's calls cost no more than that."""
    is_whole = isinstance(minutes, (int, float)) and not isinstance(minutes, bool) and minutes % 1 == 0
    said = "There is no TTL yet." if minutes is None else f"my_minutes is {minutes!r}."
    yield not is_whole or minutes < 0, said, "Set my_minutes to a whole number of minutes, such as 10."
    minutes, life = int(minutes), int(fleet.lifetime // 60)
    said = f"A TTL of {minutes:,} minutes is longer than a process lives, {life:,} minutes."
    yield minutes > life, said, "If you mean seconds, divide by 60, and round up to whole minutes."
    chosen, shorter = (replace(fleet, ttl=60 * one) for one in (minutes, max(0, minutes - 1)))
    less, budget = dollars(shorter.dollars_for_calls), f"the budget of {dollars(most_dollars)}"
    said = (
        f"With a TTL of {minutes:,} min the fleet makes {chosen.calls_per_month:,.0f} calls a month, "
        f"for {dollars(chosen.dollars_for_calls)}."
    )
    longer = "choose a longer TTL" if minutes < life else "no TTL is long enough for processes that live so shortly"
    yield chosen.dollars_for_calls > most_dollars, said, f"That is over {budget}: {longer}."
    hint = f"One minute less costs {less}, and fits {budget} too: go on until it no longer fits."
    yield shorter.dollars_for_calls <= most_dollars, said, hint
    return f"{said} One minute less would cost {less}."
