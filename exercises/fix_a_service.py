"""Exercise of 11, fix a service: five drills."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drills.service_review import findings
from helpers.cloud import Cloud

from .common import Check, exercise


@exercise("service")
def check_service(
    cloud: Cloud, secret_name: str, make_service: Callable[..., Any], cache_name: str = "tutorial"
) -> Check:
    """Check whether a service made by `make_service(ttl=seconds)` passes the five drills."""
    yield not callable(make_service), "There is no Service yet.", "Write it as a class, with `serve(self, user)`."
    found = list(findings(cloud, secret_name, make_service, cache_name))
    lines = [f"✗ {one.seen}. {one.hint}" if one.seen else f"✓ {one.wanted}" for one in found]
    yield any(one.seen for one in found), *lines
    return "\n".join(["The sandbox and Momento call it sound.", *lines])
