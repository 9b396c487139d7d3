"""Exercise of 12, mend a service: five trials."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

from drills.service_trials import Service, findings
from helpers.cloud import Cloud

from .common import Check, exercise


@exercise("service")
def check_service(
    cloud: Cloud,
    secret_name: str,
    make_service: Callable[..., Service],
    cache_name: str = "tutorial",
) -> Check:
    """Does a service made by `make_service(ttl=seconds)` stand the five trials?"""
    yield (
        not callable(make_service) and not isinstance(make_service, ModuleType),
        "There is no Service yet.",
        "Write it as a class, with `serve(self, user)`.",
    )
    found = list(findings(cloud, secret_name, make_service, cache_name))
    lines = [f"✗ {one.seen}. {one.hint}" if one.seen else f"✓ {one.wanted}" for one in found]
    yield any(one.seen for one in found), *lines
    return "\n".join(["The ledger and the drill call it sound.", *lines])
