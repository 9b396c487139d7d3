"""What AWS charges, and what a fleet of processes that read a secret costs in a month.

Prices are in US dollars, as published on the page beside each. A month has 30 days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

from .display import PlainError, Table, dollars

MONTH = 30 * 24 * 3600  # seconds
READ_ON = "2026-11-23"


class Price(NamedTuple):
    """US dollars for a `number` of what `per` names; `amount` is for one."""

    dollars: float
    number: int
    per: str
    source: str

    @property
    def amount(self) -> float:
        return self.dollars / self.number


_SECRETS_MANAGER, _KMS = "aws.amazon.com/secrets-manager/pricing", "aws.amazon.com/kms/pricing"
SECRET_MONTH = Price(0.40, 1, "a secret, for a month", _SECRETS_MANAGER)
API_CALL = Price(0.05, 10_000, "10,000 API calls", _SECRETS_MANAGER)
KEY_MONTH = Price(1.00, 1, "a KMS key of your own, for a month", _KMS)
KEY_REQUEST = Price(0.03, 10_000, "10,000 requests to that key", _KMS)

# GetSecretValue in a region, "up to 10,000 per second":
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
QUOTA_PER_SECOND = 10_000

# AWS's library draws the time to live of each copy between half of what is configured and all of it.
WAYS = NO_CACHE, AWS_LIBRARY, FIXED_TTL = ("no cache", "AWS's caching library", "a cache with a fixed TTL")


class PricingError(PlainError, ValueError):
    """A value that is out of range. The message names it and its range."""


@dataclass(frozen=True)
class Fleet:
    """Processes, or Lambda environments, that read one secret for each request.

    Requests are spread evenly over the processes and over time; random requests make fewer calls. `lifetime` and `ttl`
    are in seconds. Raises `PricingError` for a value that is out of range.
    """

    requests_per_second: float = 100.0
    processes: int = 1
    lifetime: float = MONTH
    ttl: float = 3600.0
    way: str = NO_CACHE
    customer_key: bool = False

    def __post_init__(self) -> None:
        _check("requests_per_second", self.requests_per_second, 0, 1_000_000)
        _check("processes", self.processes, 1, 1_000_000, whole=True)
        _check("lifetime", self.lifetime, 1, MONTH)
        _check("ttl", self.ttl, 0, MONTH)
        if self.way not in WAYS:
            raise PricingError(f"way is {self.way!r}: choose one of {', '.join(WAYS)}.")

    @property
    def lives(self) -> float:
        """Return how many processes live in a month, simultaneously or one after the other."""
        return self.processes * MONTH / self.lifetime

    @property
    def reads_per_life(self) -> float:
        """Return how often one process reads the secret, from its start to its end, on average."""
        return self.requests_per_second / self.processes * self.lifetime

    @property
    def misses_per_life(self) -> float:
        """Return how many of these reads find no fresh copy; the first read of a process is one of them."""
        reads = self.reads_per_life
        if self.way == NO_CACHE or reads <= 1:
            return reads
        kept = self.ttl * 0.75 if self.way == AWS_LIBRARY else self.ttl
        # A copy serves all reads before it expires; the next read misses.
        reads_per_copy = max(1, math.ceil(round(kept * reads / self.lifetime, 6)))
        return math.ceil(round(reads) / reads_per_copy)

    @property
    def gets_per_month(self) -> float:
        """Return the calls of GetSecretValue: AWS's library makes one only if DescribeSecret shows a new version."""
        return self.lives * (min(1, self.misses_per_life) if self.way == AWS_LIBRARY else self.misses_per_life)

    @property
    def calls_per_month(self) -> float:
        """Return the calls of all kinds, throttled ones included. AWS's library calls DescribeSecret at each miss."""
        return self.gets_per_month + (self.lives * self.misses_per_life if self.way == AWS_LIBRARY else 0)

    @property
    def dollars_for_calls(self) -> float:
        """Return what the calls cost, KMS's included. The part that AWS throttles is left out."""
        throttled = max(0, self.gets_per_month - QUOTA_PER_SECOND * MONTH)
        decrypted = (self.gets_per_month - throttled) * self.customer_key
        return (self.calls_per_month - throttled) * API_CALL.amount + decrypted * KEY_REQUEST.amount

    @property
    def dollars_for_keeping(self) -> float:
        """Return what the secret costs, and its key."""
        return SECRET_MONTH.amount + self.customer_key * KEY_MONTH.amount

    @property
    def dollars_per_month(self) -> float:
        return self.dollars_for_calls + self.dollars_for_keeping

    @property
    def share_of_quota(self) -> float:
        """Return GetSecretValue calls a second as a part of the region's quota; above 1, AWS throttles."""
        return self.gets_per_month / MONTH / QUOTA_PER_SECOND


def price_list() -> Table:
    """Return the three prices that matter, with their sources."""
    rows = [(dollars(one.dollars), one.per, one.source) for one in (SECRET_MONTH, API_CALL, KEY_MONTH)]
    return Table(("Price", "For", "Source"), rows, f"US dollars, read on {READ_ON}")


def price_of(service: str, calls: int, outcome: str = "ok") -> float:
    """Return the dollars for these calls to AWS: nothing for throttled ones. What Momento charges isn't counted."""
    billed = service == "Secrets Manager" and outcome != "ThrottlingException"
    return calls * API_CALL.amount if billed else 0.0


def _check(name: str, value: Any, least: float, most: float, whole: bool = False) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise PricingError(f"{name} is {value!r}: give {kind} from {least:,} to {most:,}.")
