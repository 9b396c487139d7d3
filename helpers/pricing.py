"""What AWS charges, and what a fleet of processes that reads a secret costs in a month.

Prices in US dollars, as published on the page named beside each, read on the date beside it. A month has 30 days.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from .display import PlainError

MONTH = 30 * 24 * 3600  # seconds
HOURS = MONTH / 3600


@dataclass(frozen=True)
class Price:
    amount: float  # US dollars
    per: str
    source: str
    read_on: str  # ISO date


_SECRETS_MANAGER = "https://aws.amazon.com/secrets-manager/pricing/"
_KMS = "https://aws.amazon.com/kms/pricing/"

API_CALL = Price(0.05 / 10_000, "API call", _SECRETS_MANAGER, "2026-11-23")
SECRET_MONTH = Price(0.40, "secret and month, each replica counts", _SECRETS_MANAGER, "2026-11-23")
KEY_MONTH = Price(1.00, "customer managed key and month, in each region", _KMS, "2026-11-23")
KEY_REQUEST = Price(0.03 / 10_000, "request to a customer managed key", _KMS, "2026-11-23")

# What people forget. AWS's pages show some of these prices for a region that you choose; these are from their examples in
# the United States. The hour of an endpoint was read in articles that quote it.
_VPC = "https://aws.amazon.com/vpc/pricing/"
_PRIVATELINK = "https://aws.amazon.com/privatelink/pricing/"
_TRAIL = "https://aws.amazon.com/cloudtrail/pricing/"
_LAMBDA = "https://aws.amazon.com/lambda/pricing/"
NAT_HOUR = Price(0.045, "NAT gateway and hour, one in each zone", _VPC, "2026-09-20")
NAT_GB = Price(0.045, "GB through a NAT gateway", _VPC, "2026-09-20")
ENDPOINT_HOUR = Price(0.01, "interface endpoint, zone and hour", _PRIVATELINK, "2026-06-01")
ENDPOINT_GB = Price(0.01, "GB through an interface endpoint", _PRIVATELINK, "2026-11-25")
TRAIL_EVENT = Price(
    2.00 / 100_000, "event in a further copy of CloudTrail's; the first copy is free", _TRAIL, "2026-11-25"
)
LAMBDA_GB_SECOND = Price(0.0000166667, "GB and second of a Lambda function (x86)", _LAMBDA, "2026-11-25")
BYTES_PER_CALL = 4_000  # an estimate: request, response and headers, TLS on a connection that is kept

# Secrets Manager's quota of GetSecretValue in a region, "up to 10,000 per second":
# https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
QUOTA_PER_SECOND = 10_000

# The ways of caching that cost differently. AWS's library draws its time to live at each refresh, uniformly between half
# of the configured one and the whole: three quarters of it on average.
WAYS = ("no cache", "AWS's caching library", "a cache with a fixed TTL")
NO_CACHE, AWS_LIBRARY, FIXED_TTL = WAYS


class PricingError(PlainError, ValueError):
    """A value that is out of range. The message names it and its range."""


@dataclass(frozen=True)
class Fleet:
    """Processes, or Lambda environments, that read secrets. Each request reads every secret once.

    Requests are spread evenly over the processes and over time; random requests make fewer calls. `lifetime` and `ttl`
    are in seconds. Raises `PricingError` for a value that is out of range.
    """

    requests_per_second: float = 100.0
    processes: int = 1
    lifetime: float = MONTH
    ttl: float = 3600.0
    way: str = NO_CACHE
    secrets: int = 1
    replicas: int = 0
    customer_key: bool = False

    def __post_init__(self) -> None:
        _check("requests_per_second", self.requests_per_second, 0, 1_000_000)
        _check("processes", self.processes, 1, 1_000_000, whole=True)
        _check("lifetime", self.lifetime, 1, MONTH)
        _check("ttl", self.ttl, 0, MONTH)
        _check("secrets", self.secrets, 1, 500_000, whole=True)
        _check("replicas", self.replicas, 0, 50, whole=True)
        if self.way not in WAYS:
            raise PricingError(f"way is {self.way!r}: choose one of {', '.join(WAYS)}.")

    @property
    def reads_per_life(self) -> float:
        """How often one process reads one secret, from its start to its end, on average."""
        return self.requests_per_second / self.processes * self.lifetime

    @property
    def fetches_per_life(self) -> float:
        """How many of these reads find no fresh copy."""
        reads = self.reads_per_life
        if self.way == NO_CACHE or reads <= 1:
            return reads
        kept = self.ttl * 0.75 if self.way == AWS_LIBRARY else self.ttl
        # A copy serves all reads before it expires; the next read fetches.
        reads_per_copy = max(1, math.ceil(round(kept * reads / self.lifetime, 6)))
        return math.ceil(round(reads) / reads_per_copy)

    @property
    def lives(self) -> float:
        """How many processes live in a month, simultaneously or one after the other."""
        return self.processes * MONTH / self.lifetime

    @property
    def gets_per_month(self) -> float:
        """Calls of GetSecretValue: AWS's library fetches a value only if DescribeSecret shows a new version."""
        fetches = min(1, self.fetches_per_life) if self.way == AWS_LIBRARY else self.fetches_per_life
        return self.lives * self.secrets * fetches

    @property
    def calls_per_month(self) -> float:
        """Calls of all kinds, throttled ones included. AWS's library calls DescribeSecret at each refresh."""
        describes = self.lives * self.secrets * self.fetches_per_life if self.way == AWS_LIBRARY else 0
        return self.gets_per_month + describes

    @property
    def dollars_per_month(self) -> float:
        return sum(self.bill().values())

    def bill(self) -> dict[str, float]:
        """Dollars per month, by what they are for. Calls beyond the quota are refused, and not billed."""
        regions = 1 + self.replicas
        gets = min(self.gets_per_month, QUOTA_PER_SECOND * MONTH)
        bill = {
            "API calls": (self.calls_per_month - self.gets_per_month + gets) * API_CALL.amount,
            "keeping the secrets": self.secrets * regions * SECRET_MONTH.amount,
        }
        if self.customer_key:
            bill["customer managed key"] = regions * KEY_MONTH.amount + gets * KEY_REQUEST.amount
        return bill

    @property
    def share_of_quota(self) -> float:
        """GetSecretValue calls per second as a part of the region's quota, on average; above 1 AWS throttles."""
        return self.gets_per_month / MONTH / QUOTA_PER_SECOND


@dataclass(frozen=True)
class Around:
    """What a fleet's calls need around them, billed elsewhere.

    `nat_gateways` and `endpoint_zones` count one for each availability zone; with both, the calls go through the endpoint.
    `trail_copies` are CloudTrail's beyond the free one. `extension_megabytes` is the memory of a Lambda extension, for one
    environment that works all month.
    """

    nat_gateways: int = 0
    endpoint_zones: int = 0
    trail_copies: int = 0
    extension_megabytes: int = 0

    def bill(self, fleet: Fleet) -> dict[str, float]:
        """Dollars per month, by what they are for."""
        gigabytes = fleet.calls_per_month * BYTES_PER_CALL / 1e9
        through_nat = gigabytes if self.nat_gateways and not self.endpoint_zones else 0
        through_endpoint = gigabytes if self.endpoint_zones else 0
        return {
            "NAT gateways": self.nat_gateways * HOURS * NAT_HOUR.amount + through_nat * NAT_GB.amount,
            "endpoint": self.endpoint_zones * HOURS * ENDPOINT_HOUR.amount + through_endpoint * ENDPOINT_GB.amount,
            "CloudTrail": fleet.calls_per_month * self.trail_copies * TRAIL_EVENT.amount,
            "extension": self.extension_megabytes / 1_024 * MONTH * LAMBDA_GB_SECOND.amount,
        }


def endpoint_pays_from(zones: int = 1) -> float:
    """Return the calls per month from which an endpoint is cheaper than a NAT gateway that is there anyway."""
    saved_per_call = (NAT_GB.amount - ENDPOINT_GB.amount) * BYTES_PER_CALL / 1e9
    return zones * HOURS * ENDPOINT_HOUR.amount / saved_per_call


def price_of(service: str, calls: int) -> float:
    """Return the dollars for these calls. Momento bills bytes, not calls, so its calls cost nothing here."""
    return calls * API_CALL.amount if service == "Secrets Manager" else 0.0


def _check(name: str, value: Any, least: float, most: float, whole: bool = False) -> None:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not least <= value <= most or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        raise PricingError(f"{name} is {value!r}: give {kind} from {least:,} to {most:,}.")
