"""Move the clock of AWS's caching library, to replay days of reads in seconds: the cache is real, and so are its calls."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from types import SimpleNamespace
from unittest.mock import patch

from aws_secretsmanager_caching.cache import items


@contextmanager
def library_clock() -> Iterator[SimpleNamespace]:
    """Let the library take the time from `now`, in seconds, of the object that this gives, while the block runs.

    The library (1.2.0) has no argument for a clock, as cachetools has with `timer`, so it is patched into its module.
    """
    clock, start = SimpleNamespace(now=0.0), datetime.now(UTC)

    class Moved(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return start + timedelta(seconds=clock.now)

    with patch.object(items, "datetime", Moved):
        yield clock
