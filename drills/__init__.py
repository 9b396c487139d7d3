"""Experiments that the notebooks stage, with real threads and real faults. Each returns data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from helpers.cloud import Cloud


@contextmanager
def fault(cloud: Cloud, service: str = "aws", operation: str = "*", **how: Any) -> Iterator[None]:
    """Let calls meet a fault while the block runs: see `Cloud.add_fault`."""
    cloud.add_fault(service, operation, **how)
    try:
        yield
    finally:
        cloud.clear_faults()


def reads_seen(cloud: Cloud) -> int:
    """Count the reads of secrets that have arrived at the sandbox."""
    return cloud.calls_seen()["aws.GetSecretValue"]
