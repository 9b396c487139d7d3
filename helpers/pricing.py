"""What AWS charges. Prices in US dollars, as published on the page named beside each, read on the date beside it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Price:
    amount: float  # US dollars
    per: str
    source: str
    read_on: str  # ISO date


_SECRETS_MANAGER = "https://aws.amazon.com/secrets-manager/pricing/"

API_CALL = Price(0.05 / 10_000, "API call", _SECRETS_MANAGER, "2026-11-23")
SECRET_MONTH = Price(0.40, "secret and month", _SECRETS_MANAGER, "2026-11-23")


def price_of(service: str, calls: int) -> float:
    """Dollars for this many calls. Momento bills bytes, not calls, so its calls cost nothing here."""
    return calls * API_CALL.amount if service == "Secrets Manager" else 0.0
