"""A clock for AWS's caching library, to replay days of reads in seconds: the cache is real, and so are its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from unittest.mock import patch

from aws_secretsmanager_caching.cache import items


class ReplayClock:
    """`now`, in seconds, is yours to set."""

    now = 0.0


@contextmanager
def library_clock() -> Iterator[ReplayClock]:
    """While the `with` block runs, the library takes the time from the clock that this gives.

    The library (1.2.0) has no argument for one, as cachetools has with `timer`, so it is put into its module.
    """
    clock, start = ReplayClock(), datetime.now(UTC)

    class Compressed(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return start + timedelta(seconds=clock.now)

    with patch.object(items, "datetime", Compressed):
        yield clock
