"""The exercise of 09, put it in a service: workers that stay stale."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory

import httpx

from drills.learner_code import KEY
from drills.rotation_drill import rotate
from drills.service_drill import Load, served, visits
from helpers.cloud import Cloud
from helpers.display import PlainError

from .common import Check, counting, exercise, fault
from .rotate_without_downtime import LOST

WORKERS = 4
# The file that gunicorn loads: what the learner's cell may use, the cell, and the application around its function.
FILE = """
from __future__ import annotations
import inspect, os
from momento_token import SharedClient, TokenSource, TokenUnavailable, is_refused
from visits_wsgi import CACHE_NAME, application_of, health, make_cache_client, source

loading = True

def make(token):
    if loading:
        raise RuntimeError("a Momento client was made before the fork: make it in `serve`")
    return make_cache_client(token)

exec({cell!r})
made = {name}(source, make)
serve, rotated = made if isinstance(made, tuple) else (made, lambda: None)
loading = False

def visit(user):
    error = None
    try:
        response = rotated() if user == "rotated" else serve(user)
        if inspect.isawaitable(response) or user != "rotated" and not hasattr(response, "value"):
            error = getattr(response, "error_code", None)
            error = error.name if error else f"it returned {{type(response).__name__}}, not Momento's response"
    except Exception as raised:
        error = f"{{type(raised).__name__}}: {{raised}}"
    return "502 Bad Gateway" if error else "200 OK", {{"error": error, "process": os.getpid()}}

application = application_of(visit, health)
"""
COMMAND = "gunicorn --bind 127.0.0.1:$PORT --workers {workers} --no-control-socket --preload --pythonpath {folder} fixed:application"
ALONE = (
    "The cell runs in a file of its own: it defines and imports all that it uses, and calls no check. "
    "`serve` and `rotated` are plain functions, without `async`; `serve` returns Momento's response."
)
KEEP = (
    "Keep token and client until Momento denies the token. Then repeat that request, and no other, with a new client."
)


@exercise("stale-workers")
def check_workers(cloud: Cloud, settings: dict[str, str], service: Callable[..., object]) -> Check:
    """Check whether all four workers of gunicorn use the new token after a rotation, and no request fails or counts twice.

    `service(source, make_cache_client)` returns a function that serves a user, and one for POST /rotated if it needs it.
    """
    try:
        cell, name = "".join(inspect.findsource(service)[0]), service.__name__
    except (OSError, TypeError):  # a class, or a cell that begins with %%
        cell = name = ""
    yield not cell, "`service` is no function that a cell defines.", "Define `def service(source, make_cache_client):`."
    code = FILE.format(cell=cell, name=name if name.isidentifier() else "service")  # a lambda's is <lambda>
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder, "fixed.py").write_text(code, encoding="utf-8")
        try:
            with served(cloud, COMMAND.format(workers=WORKERS, folder=quote(folder)), **settings) as http:

                def post(user: str) -> str:
                    return KEY.sub("<hidden>", http.post(f"/visits/{user}").json()["error"] or "")

                error = post("anna")
                yield error, f"A request before the rotation failed: {error}.", ALONE
                with counting(cloud) as counted, Load(visits(http), WORKERS) as load:
                    load.wait_for_all()
                    rotate(cloud, settings["SECRET_NAME"])
                    error = post("rotated")
                    load.wait_for_all()
                    last = load.wait_for_all()  # each worker has met a request with the new token before
                yield error, f"POST /rotated failed: {error}.", ALONE
                with counting(cloud) as repeated:
                    for code in LOST:
                        with fault(cloud, "momento", "Increment", error=code, times=1):
                            post("anna")
        except (PlainError, httpx.HTTPError) as why:
            seen = KEY.sub("<hidden>", f"The service does not respond: {why}.").replace("..", ".")
            yield True, seen, ALONE
    stale = len({request.process for request in last if not request.succeeded})
    hint = "One message reaches one worker. What tells each of them that its token is revoked?"
    yield stale, f"After the rotation {stale} of {WORKERS} workers still use the revoked token.", hint
    seen = f"All {WORKERS} workers use the new token."
    for what, which in ("reads the secret", "aws.GetSecretValue"), ("makes a Momento client", "clients"):
        yield counted[which] > len(load.requests) / 2, f"{seen} But each request {what}.", KEEP
    failed = not all(request.succeeded for request in load.requests)
    yield failed, f"{seen} But requests failed first.", KEEP
    twice = repeated["momento.Increment"] > len(LOST)
    yield twice, f"{seen} But an Increment whose response was lost was sent again: it may count twice.", KEEP
    return f"{seen} No request failed, and each worker found out by itself."
