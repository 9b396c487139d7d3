"""Experiments that the notebooks stage, with real threads and real faults. Each returns data."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from helpers.cloud import Cloud


@contextmanager
def aws_fault(cloud: Cloud, *, delay: float = 0.0, error: str = "") -> Iterator[None]:
    """Let all calls to AWS meet this fault while the block runs."""
    cloud.add_fault("aws", delay=delay, error=error)
    try:
        yield
    finally:
        cloud.clear_faults()


def reads_seen(cloud: Cloud) -> int:
    """Count the reads of secrets that have arrived at the sandbox."""
    return cloud.calls_seen()["aws.GetSecretValue"]
