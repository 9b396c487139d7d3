"""Tell how long a boto3 client may wait, according to the installed botocore: its settings and its own retry modules.

`Config` bounds the attempts and the pauses between them, and no more. It doesn't bound looking up the endpoint's name
(DNS), each further address of that name (the connect timeout is for one), a response that trickles (the read timeout is
for one silence), a longer pause that a response requests (`x-amz-retry-after`), and renewing AWS credentials.
"""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, NamedTuple

from botocore.retries import standard
from botocore.retryhandler import delay_exponential
from botocore.session import get_session


class Waits(NamedTuple):
    """Say how long one call may take: `pauses` lie between the attempts, all times are in seconds."""

    mode: str
    attempts: int
    pauses: tuple[float, ...]
    seconds: float  # each attempt uses up both timeouts; infinite if a timeout is None


def longest_waits(client: Any) -> Waits:
    """Return the longest waits of this boto3 client if AWS doesn't respond. botocore chooses pauses up to these at random."""
    config = client.meta.config
    mode = config.retries["mode"]
    # What botocore's own file says of services that have no settings of their own, as Secrets Manager hasn't.
    legacy = get_session().get_component("data_loader").load_data("_retry")["retry"]["__default__"]
    default = legacy["max_attempts"] if mode == "legacy" else standard.DEFAULT_MAX_ATTEMPTS
    attempts = config.retries.get("total_max_attempts") or default
    # "adaptive" makes the same pauses as "standard". The detector would look at a response, and there is none.
    detector = SimpleNamespace(is_throttling_error_from_context=lambda context: False)
    backoff = standard.ExponentialBackoff(
        random=lambda: 1.0, service_name="secrets-manager", throttling_detector=detector
    )

    def pause(number: int) -> float:
        if mode == "legacy":
            return delay_exponential(1.0, legacy["delay"]["growth_factor"], number)
        return backoff.delay_amount(standard.RetryContext(attempt_number=number))

    pauses = tuple(pause(number) for number in range(1, attempts))
    timeouts = [config.connect_timeout, config.read_timeout]
    return Waits(mode, attempts, pauses, math.inf if None in timeouts else attempts * sum(timeouts) + sum(pauses))
