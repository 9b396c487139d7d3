"""Exercises of 09, put it in a service: workers that stay stale, and a way for each of three platforms."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from textwrap import dedent

import httpx

from drills import reads_seen
from drills.learner_code import KEY
from drills.other_ways import ENVIRONMENT, EXTENSION, Outcome
from drills.rotation_drill import rotate
from drills.service_drill import Load, served, visits
from helpers.cloud import Cloud
from sandbox.processes import SandboxError

from .common import Check, exercise

WORKERS = 4
# The file that gunicorn loads: what the learner's function may use, the function, and the application around it.
FILE = """
import os
from momento_token import SharedClient, TokenSource, TokenUnavailable, is_refused
from visits_wsgi import CACHE_NAME, application_of, health, make_cache_client, source

{code}
made = {name}(source, make_cache_client)
serve, rotated = made if isinstance(made, tuple) else (made, lambda: None)

def visit(user):
    error = None
    try:
        response = rotated() if user == "rotated" else serve(user)
        if user != "rotated" and not hasattr(response, "value"):
            error = getattr(response, "error_code", None)
            error = error.name if error else f"serve returned a {{type(response).__name__}}, not Momento's response"
    except Exception as raised:
        error = f"{{type(raised).__name__}}: {{raised}}"
    return "502 Bad Gateway" if error else "200 OK", {{"error": error, "process": os.getpid()}}

application = application_of(visit, health)
"""
COMMAND = "gunicorn --bind 127.0.0.1:0 --workers {workers} --no-control-socket --preload --pythonpath {folder} fixed:application"
ALONE = "The check runs `service` in a file of its own: import and define in it what else it needs."


@exercise("stale-workers")
def check_workers(cloud: Cloud, settings: dict[str, str], service: Callable[..., object]) -> Check:
    """Check whether all four workers of gunicorn use the new token after a rotation, and no request fails.

    `service(source, make_cache_client)` returns a function that serves a user, and one for POST /rotated if it needs it.
    """
    is_function = inspect.isfunction(service) and service.__name__.isidentifier()
    yield not is_function, "`service` is no function.", "Define it: `def service(source, make_cache_client):`."
    code = FILE.format(code=dedent(inspect.getsource(service)), name=service.__name__)
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder, "fixed.py").write_text(code, encoding="utf-8")
        try:
            with served(cloud, COMMAND.format(workers=WORKERS, folder=quote(folder)), **settings) as http:
                error = http.post("/visits/anna", timeout=10).json()["error"]
                yield error, f"A request before the rotation failed: {KEY.sub('<hidden>', str(error))}.", ALONE
                reads = reads_seen(cloud)
                with Load(visits(http), WORKERS) as load:
                    load.wait_for_all()
                    rotate(cloud, settings["SECRET_NAME"])
                    http.post("/visits/rotated")
                    load.wait_for_all()
                    last = load.wait_for_all()  # each worker has met a request with the new token before
                reads = reads_seen(cloud) - reads
        except (SandboxError, httpx.HTTPError) as error:
            yield True, f"The service does not respond: {error}.".replace("..", "."), ALONE
    stale = len({request.process for request in last if not request.succeeded})
    hint = "POST /rotated is one request, so one worker gets it. What tells each worker, without a message?"
    yield stale, f"After the rotation {stale} of {WORKERS} workers still use the revoked token.", hint
    seen, each = f"All {WORKERS} workers use the new token.", reads > len(load.requests) / 2
    yield each, f"{seen} But each request reads the secret.", "Keep the token: read again only when Momento denies it."
    failed = not all(request.succeeded for request in load.requests)
    yield failed, f"{seen} But requests failed first.", "Repeat a denied request with the new token."
    return f"{seen} No request failed, and each worker found out by itself."


# Whether a way is right for the platform, what is wrong if not, and the hint.
PLATFORMS: list[tuple[str, Callable[[Outcome], bool], str, str]] = [
    ("shop", lambda one: not one.hits, "requests fail after rotations",
     "Look for a row after whose rotations none did."),
    ("reports", lambda one: one.way == ENVIRONMENT, "the program would need code or a file, and it reads a variable",
     "It starts each night: how old can its token be, and how long does the old one work?"),
    ("thumbnails", lambda one: one.way == EXTENSION, "it is Python, or goes on when it is denied the secret",
     "Look in the column of the denial, for a row that needs no more than an HTTP call."),
]  # fmt: skip


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
