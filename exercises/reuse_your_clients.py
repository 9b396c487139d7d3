"""Exercise of 04, reuse your clients: a topic client that keeps its token's pace."""

from __future__ import annotations

from collections.abc import Callable

from helpers.cloud import Cloud

from .common import Check, exercise, misbehaved, run_learner


@exercise("announce")
def check_announce(cloud: Cloud, secret_name: str, cache_name: str, announce: Callable[[str], object]) -> Check:
    """Does `announce(text)` publish with one kept client for each token, also after a rotation?"""
    run = run_learner(announce, "hello")
    yield from misbehaved(run, "announce")
    yield run.returned is None, "announce returned nothing.", "Return the response of publish."
    return "It goes on."
