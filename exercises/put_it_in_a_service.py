"""The exercise of 09, put it in a service: workers that stay stale."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from textwrap import dedent

import httpx

from drills import reads_seen
from drills.learner_code import KEY
from drills.rotation_drill import rotate
from drills.service_drill import Load, served, visits
from helpers.cloud import Cloud
from helpers.display import PlainError

from .common import Check, exercise

WORKERS = 4
# The file that gunicorn loads: what the learner's function may use, the function, and the application around it.
FILE = """
import os
from momento_token import SharedClient, TokenSource, TokenUnavailable, is_refused
from visits_wsgi import CACHE_NAME, application_of, health, make_cache_client, source

loading = True

def make(token):
    if loading:
        raise RuntimeError("a Momento client was made before the fork: make it in `serve`")
    return make_cache_client(token)

{code}
made = {name}(source, make)
serve, rotated = made if isinstance(made, tuple) else (made, lambda: None)
loading = False

def visit(user):
    error = None
    try:
        response = rotated() if user == "rotated" else serve(user)
        if user != "rotated" and not hasattr(response, "value"):
            error = getattr(response, "error_code", None)
            error = error.name if error else f"serve returned {{type(response).__name__}}, not Momento's response"
    except Exception as raised:
        error = f"{{type(raised).__name__}}: {{raised}}"
    return "502 Bad Gateway" if error else "200 OK", {{"error": error, "process": os.getpid()}}

application = application_of(visit, health)
"""
COMMAND = "gunicorn --bind 127.0.0.1:0 --workers {workers} --no-control-socket --preload --pythonpath {folder} fixed:application"
ALONE = "`service` returns `serve`, and `serve` Momento's response. It runs in a file of its own: import in it what it needs."


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
                reads, clients = reads_seen(cloud), cloud.clients_seen()
                with Load(visits(http), WORKERS) as load:
                    load.wait_for_all()
                    rotate(cloud, settings["SECRET_NAME"])
                    http.post("/visits/rotated")
                    load.wait_for_all()
                    last = load.wait_for_all()  # each worker has met a request with the new token before
                each = {
                    "reads the secret": reads_seen(cloud) - reads,
                    "makes a Momento client": cloud.clients_seen() - clients,
                }
        except (PlainError, httpx.HTTPError) as error:
            yield True, f"The service does not respond: {error}.".replace("..", "."), ALONE
    stale = len({request.process for request in last if not request.succeeded})
    hint = "POST /rotated is one request, so one worker gets it. What tells each worker, without a message?"
    yield stale, f"After the rotation {stale} of {WORKERS} workers still use the revoked token.", hint
    seen = f"All {WORKERS} workers use the new token."
    for what, times in each.items():
        hint = "Keep the token and the client, until Momento denies the token."
        yield times > len(load.requests) / 2, f"{seen} But each request {what}.", hint
    failed = not all(request.succeeded for request in load.requests)
    yield failed, f"{seen} But requests failed first.", "Repeat a denied request with the new token."
    return f"{seen} No request failed, and each worker found out by itself."
