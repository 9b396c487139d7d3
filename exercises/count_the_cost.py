"""Exercise of 05, count the cost: choose the TTL."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from helpers.display import dollars
from helpers.pricing import Fleet, PricingError

from .common import Check, exercise


@exercise("ttl")
def check_ttl(ttl: Any, fleet: Fleet, most_dollars: float, most_stale: float) -> Check:
    """Does this TTL, in seconds, keep a fleet's calls within a budget and its tokens fresh enough?"""
    yield ttl is None, "There is no TTL yet.", "Set my_ttl to a number of seconds."
    yield (
        type(ttl) not in (int, float),
        f"my_ttl is a {type(ttl).__name__}.",
        "A TTL is a number of seconds, such as 60.",
    )
    try:
        chosen = replace(fleet, ttl=ttl)
    except (PricingError, OverflowError) as error:
        said = str(error) if isinstance(error, PricingError) else "That is longer than a month."
        yield True, said, "A TTL is a number of seconds, such as 60."
    cost = chosen.bill()["API calls"]
    said = f"With a TTL of {ttl:,} s the fleet makes {chosen.calls_per_month:,.0f} calls a month, for {dollars(cost)}."
    yield ttl == 0, said, "A TTL of 0 is no cache: every read is a call."
    yield (
        ttl > most_stale,
        said,
        f"Cheap, but a rotated token would be used for up to {ttl:,} s: {most_stale:,} s is the limit.",
    )
    yield (
        cost > most_dollars,
        said,
        f"Fresh, but over the budget of {dollars(most_dollars)}: each process asks too often.",
    )
    return f"{said} A rotated token is noticed after {ttl:,} s at the latest."
