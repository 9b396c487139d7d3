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
    mistake = "There is no TTL yet." if ttl is None else f"my_ttl is a {type(ttl).__name__}."
    if type(ttl) in (int, float):
        try:
            mistake, fleet = "", replace(fleet, ttl=ttl)
        except PricingError as error:
            mistake = str(error)
    yield mistake, mistake, "Set my_ttl to a number of seconds."
    cost = fleet.bill()["API calls"]
    said = f"With a TTL of {ttl:,} s the fleet makes {fleet.calls_per_month:,.0f} calls a month, for {dollars(cost)}."
    yield (
        ttl > most_stale,
        said,
        f"A replaced token would be used for up to {ttl:,} s: choose {most_stale:,} s at most.",
    )
    yield cost > most_dollars, said, f"That is over the budget of {dollars(most_dollars)}: choose a longer TTL."
    return f"{said} A replaced token is noticed after {ttl:,} s at the latest."
