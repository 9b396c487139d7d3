"""Exercises of 09, put it in a service: workers that stay stale, and a way for each of three platforms."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from textwrap import dedent

import httpx

from drills.other_ways import ENVIRONMENT, EXTENSION, Outcome
from drills.rotation_drill import rotate
from helpers.cloud import Cloud
from sandbox.processes import SandboxError, Server

from .common import Check, exercise

WORKERS, CLIENTS = 4, 8
PATIENCE = 15.0  # seconds in which every worker should have served a request
# The file that gunicorn loads: what the learner's function may use, the function, and the application around it.
FILE = """
import os
from visits_wsgi import CACHE_NAME, application_of, health, make_cache_client
from momento_token import SharedClient, TokenSource, TokenUnavailable, is_refused, new_secrets_client

SECRET_NAME = os.environ["SECRET_NAME"]
{source}
made = {name}(new_secrets_client, make_cache_client)
serve, rotated = made if isinstance(made, tuple) else (made, lambda: None)

def visit(user):
    response = rotated() if user == "rotated" else serve(user)
    good = user == "rotated" or hasattr(response, "value")
    return "200 OK" if good else "502 Bad Gateway", {{"process": os.getpid()}}

application = application_of(visit, health)
"""
# Whether a way is right for the platform, what is wrong if not, and the hint.
PLATFORMS: list[tuple[str, Callable[[Outcome], bool], str, str]] = [
    ("shop", lambda one: not one.hits, "requests fail after rotations",
     "Look for a row after whose rotations none did."),
    ("reports", lambda one: one.way == ENVIRONMENT, "the program would need code or a file, and it reads a variable",
     "It starts each night: how old can its token be, and how long does the old one work?"),
    ("thumbnails", lambda one: one.way == EXTENSION, "it is Python, or goes on when it is denied the secret",
     "Look in the column of the denial, for a row that needs no more than an HTTP call."),
]  # fmt: skip
Served = dict[int, list[bool]]  # by worker, whether each of its requests succeeded


@exercise("stale-workers")
def check_workers(cloud: Cloud, secret_name: str, folder: str, service: Callable[..., object]) -> Check:
    """Check whether all four workers of gunicorn use the new token after a rotation, without a failed request.

    `service(new_secrets_client, make_cache_client)` returns what serves a user, and what is called on POST /rotated.
    """
    after, reads = Served(), 0
    try:
        with _gunicorn(cloud, secret_name, folder, service) as address:
            before = _served_by_all(address)
            rotate(cloud, secret_name)
            reads -= cloud.calls_seen()["aws.GetSecretValue"]
            httpx.post(f"{address}/visits/rotated", trust_env=False)
            after = _served_by_all(address)
            reads += cloud.calls_seen()["aws.GetSecretValue"]
        problem = "" if all(map(all, before.values())) else "Requests fail before the rotation already."
    except (SandboxError, httpx.HTTPError) as error:
        problem = str(error)
    yield problem, problem, "Call `service` and what it returns in a cell: `serve(user)` returns what `increment` does."
    stale = sum(not any(succeeded) for succeeded in after.values())
    hint = "POST /rotated is one request, so one worker gets it. What tells each worker, without a message?"
    yield stale, f"After the rotation {stale} of {WORKERS} workers still use the revoked token.", hint
    seen, failed = f"All {WORKERS} workers use the new token.", not all(map(all, after.values()))
    yield failed, f"{seen} But requests failed first.", "Repeat a refused request with the new token."
    each = reads >= sum(map(len, after.values()))
    yield each, f"{seen} But each request read the secret.", "Keep the token: read again only when Momento refuses it."
    return f"{seen} No request failed, and each worker found out by itself."


@contextmanager
def _gunicorn(cloud: Cloud, secret_name: str, folder: str, service: Callable[..., object]) -> Iterator[str]:
    """Serve with the learner's function in four workers of gunicorn, while the block runs; gives the address."""
    if not inspect.isfunction(service) or not service.__name__.isidentifier():
        raise SandboxError("`service` is no function with a name.")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        code = FILE.format(source=dedent(inspect.getsource(service)), name=service.__name__)
        Path(made, "visits_wsgi_mended.py").write_text(code, encoding="utf-8")
        command = (
            f"gunicorn -b 127.0.0.1:0 --workers {WORKERS} --no-control-socket --preload visits_wsgi_mended:application"
        )
        environment = {"SECRET_NAME": secret_name, "CACHE_NAME": "tutorial", "PROMETHEUS_MULTIPROC_DIR": made}
        with Server(
            cloud, *command.split(), "--pythonpath", made, folder=Path(folder).resolve(), **environment
        ) as server:
            yield server.address


def _served_by_all(address: str) -> Served:
    """Send requests until each worker has served some."""
    served, end = defaultdict[int, list[bool]](list), time.perf_counter() + PATIENCE
    alone = httpx.Limits(max_keepalive_connections=0)
    with httpx.Client(limits=alone, timeout=PATIENCE, trust_env=False) as http, ThreadPoolExecutor(CLIENTS) as pool:

        def send(number: int) -> None:
            with suppress(httpx.HTTPError, ValueError):  # the worker has ended or hangs, or gunicorn answered for it
                response = http.post(f"{address}/visits/user-{number}")
                served[response.json()["process"]].append(response.status_code == 200)

        while len(served) < WORKERS:
            if time.perf_counter() > end:
                raise SandboxError(f"{len(served)} of {WORKERS} workers have served a request within {PATIENCE:g} s.")
            list(pool.map(send, range(2 * CLIENTS)))
    return served


@exercise("which-way")
def check_choices(outcomes: Sequence[Outcome], choices: Mapping[str, str]) -> Check:
    """Check whether the way chosen for each platform does what it needs, by the drill's own numbers."""
    measured = {outcome.way: outcome for outcome in outcomes}
    for platform, is_right, seen, hint in PLATFORMS:
        way = choices.get(platform, "")
        wrong = f"{platform}: {way!r} is no row of the table." if way else f"{platform}: no answer yet."
        yield way not in measured, wrong, f"The rows are: {', '.join(measured)}."
        yield not is_right(measured[way]), f"{platform}: with {way} {seen}.", hint
    return "No request fails. Each night begins with a new token. Minutes with an old one are shorter than its overlap."
