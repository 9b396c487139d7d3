"""How long a boto3 client may wait, as the installed botocore has it: asked of its settings and its own retry modules.

`Config` bounds the attempts and the pauses between them, and no more. Outside of it are looking up the endpoint's name
(DNS), each further address of that name (the connect timeout is for one), an answer that trickles (the read timeout is
for one silence), and renewing AWS credentials.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from botocore.retries import standard
from botocore.retryhandler import delay_exponential
from botocore.session import get_session


class Waits(NamedTuple):
    """The longest that one call may take: `pauses` lie between the attempts, all times are in seconds."""

    mode: str
    attempts: int
    pauses: tuple[float, ...]
    seconds: float  # each attempt uses up both timeouts; infinite if a timeout is None


def longest_waits(client: Any, *, throttled: bool = False) -> Waits:
    """The longest waits of this boto3 client, if AWS doesn't answer, or if it answers that there are too many calls.

    botocore draws each pause at random, up to these. Not counted: up to 5 s more for each pause if an answer asks for
    it, in its header `x-amz-retry-after`; and the time for which the mode "adaptive" slows down its own sending once it
    was throttled, for which there is no limit: `seconds` is infinite then.
    """
    config = client.meta.config
    mode = config.retries["mode"]
    legacy = _legacy_defaults()
    default = legacy["max_attempts"] if mode == "legacy" else standard.DEFAULT_MAX_ATTEMPTS
    attempts = config.retries.get("total_max_attempts") or default
    longest = _legacy_pause(legacy["delay"]) if mode == "legacy" else _standard_pause(throttled)
    pauses = tuple(longest(number) for number in range(1, attempts))
    timeouts = [config.connect_timeout, config.read_timeout]
    endless = None in timeouts or (mode == "adaptive" and throttled)
    seconds = math.inf if endless else attempts * sum(timeouts) + sum(pauses)
    return Waits(mode, attempts, pauses, seconds)


def _standard_pause(throttled: bool):
    """The pause after an attempt, by its number; "adaptive" makes the same ones."""
    backoff = standard.ExponentialBackoff(
        random=lambda: 1.0, service_name="secrets-manager", throttling_detector=_Always(throttled)
    )

    def pause(number: int) -> float:
        return backoff.delay_amount(standard.RetryContext(attempt_number=number))

    return pause


class _Always:
    """In place of botocore's detector, which would look at an answer."""

    def __init__(self, throttled: bool) -> None:
        self.is_throttling_error_from_context = lambda context: throttled


def _legacy_pause(delay: dict):
    """The same for "legacy", which makes no difference between the errors that it retries."""

    def pause(number: int) -> float:
        return delay_exponential(1.0, delay["growth_factor"], number)

    return pause


def _legacy_defaults() -> dict:
    """What botocore's own file says of services that have no settings of their own, as Secrets Manager hasn't."""
    return get_session().get_component("data_loader").load_data("_retry")["retry"]["__default__"]
