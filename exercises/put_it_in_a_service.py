"""Exercises of 10, put it in a service: workers that stay stale, and a way for each of three platforms."""

from __future__ import annotations

import inspect
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from textwrap import dedent

import httpx

from drills.other_ways import ENVIRONMENT, EXTENSION, PATTERN, Outcome
from drills.rotation_drill import rotate
from helpers.cloud import Cloud
from sandbox.processes import SandboxError, Server

from .common import Check, exercise

WORKERS, CLIENTS = 4, 8
# Seconds: until gunicorn takes requests, for one answer, and until every worker has answered one.
START, ANSWER, PATIENCE = 30.0, 10.0, 30.0
NOBODY = 0  # no process has this id
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
    if user == "rotated":
        rotated()
        return "200 OK", {{"process": os.getpid()}}
    answer = serve(user)
    return "200 OK" if hasattr(answer, "value") else "502 Bad Gateway", {{"process": os.getpid()}}


application = application_of(visit, health)
"""

PLATFORMS = {
    "shop": "a service of yours in Python; a token that leaks is revoked at once, and no request may fail",
    "reports": "a bought program that reads a variable; it runs for ten minutes each night, and a replaced token works for another day",
    "thumbnails": "functions in JavaScript on Lambda; a replaced token works for another hour, and who loses the permission must stop within five minutes",
}


@exercise("stale-workers")
def check_workers(cloud: Cloud, secret_name: str, folder: str, service: Callable[..., object]) -> Check:
    """Do all four workers of gunicorn use the new token after a rotation, and without a failed request?

    `service(new_secrets_client, make_cache_client)` gives what serves a user, and what is called on POST /rotated.
    """
    yield (
        not inspect.isfunction(service) or service.__name__ == "<lambda>",
        "`service` is no function with a name.",
        "Write it with `def service(new_secrets_client, make_cache_client):`.",
    )
    problem, before, after, arrived = "", {}, {}, Counter[str]()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        code = FILE.format(source=dedent(inspect.getsource(service)), name=service.__name__)
        Path(made, "visits_wsgi_mended.py").write_text(code, encoding="utf-8")
        server = Server(
            cloud,
            *("gunicorn", "-b", "127.0.0.1:0", "--workers", str(WORKERS), "--no-control-socket"),
            *("--preload", "--pythonpath", made, "visits_wsgi_mended:application"),
            folder=Path(folder).resolve(),
            SECRET_NAME=secret_name,
            CACHE_NAME="tutorial",
            PROMETHEUS_MULTIPROC_DIR=made,
        )
        server.patience = START
        try:
            with server:
                before = _ask_all_workers(server.address)
                if len(before.keys() - {NOBODY}) == WORKERS:
                    rotate(cloud, secret_name)
                    arrived = Counter(cloud.calls_seen())
                    with suppress(httpx.HTTPError):
                        httpx.post(f"{server.address}/visits/rotated", trust_env=False)
                    after = _ask_all_workers(server.address)
                    arrived = Counter(cloud.calls_seen()) - arrived
        except SandboxError as error:
            problem = str(error)
    yield (
        problem,
        problem,
        "Its file can use TokenSource, SharedClient, SECRET_NAME and CACHE_NAME, and what it is given. "
        "`service` itself runs before the fork, and has to return.",
    )
    nobody = len(before.pop(NOBODY, [])) + len(after.pop(NOBODY, []))
    answered = min(len(before), len(after) or WORKERS)
    yield (
        nobody or answered < WORKERS,
        f"{answered} of {WORKERS} workers answered within {ANSWER:g} s, and {nobody} requests were answered by nobody.",
        "Call `service` and what it returns once in a cell of its own to see why.",
    )
    yield (
        not all(map(all, before.values())),
        "Requests fail before the rotation already.",
        "`serve(user)` should return what `increment` answers.",
    )
    requests = sum(map(len, after.values()))
    yield (
        arrived["momento.Increment"] < requests,
        f"Of {requests} requests {arrived['momento.Increment']} reached Momento.",
        "`serve(user)` should increment the user's visits, as before.",
    )
    stale = sum(not any(answers) for answers in after.values())
    seen = f"After the rotation {stale} of {WORKERS} workers still use the revoked token."
    yield (
        stale == WORKERS,
        seen,
        "No worker finds out: neither by POST /rotated nor when Momento refuses.",
    )
    yield (
        stale,
        seen,
        "POST /rotated is one request, so one worker gets it. What tells each worker, without a message?",
    )
    seen = f"All {WORKERS} workers use the new token."
    yield (
        not all(map(all, after.values())),
        f"{seen} But requests failed first.",
        "The request that met the refusal should be done again with the new token.",
    )
    yield (
        arrived["aws.GetSecretValue"] >= requests,
        f"{seen} But each request read the secret.",
        "Keep the token: read again only when Momento refuses it.",
    )
    return f"{seen} No request failed, and each worker found out by itself."


@exercise("which-way")
def check_choices(outcomes: Sequence[Outcome], choices: Mapping[str, str]) -> Check:
    """Does the way chosen for each platform do what the platform needs, by the drill's own numbers?"""
    measured = {outcome.way: outcome for outcome in outcomes}
    said = {platform: choices.get(platform, "") if isinstance(choices, Mapping) else "" for platform in PLATFORMS}
    for platform, way in said.items():
        yield (
            way not in measured,
            f"{platform}: {repr(way) + ' is no row of the table' if way else 'no answer yet'}.",
            f"The rows are: {', '.join(measured)}.",
        )
    shop, reports, thumbnails = (measured[said[platform]] for platform in PLATFORMS)
    yield (
        shop.hits,
        f"shop: after {shop.hits} of 10 rotations requests failed with {shop.way}.",
        "Look for the row after whose rotations none did.",
    )
    yield (
        reports.way != ENVIRONMENT,
        f"reports: {reports.way} needs code or a file, and the program reads a variable.",
        "It starts each night: how old can its token be, and how long does the old one work?",
    )
    yield (
        thumbnails.way == PATTERN,
        "thumbnails: the pattern is Python, and the functions are JavaScript.",
        "Look for what needs an HTTP call only.",
    )
    yield (
        (thumbnails.stopped_after or float("inf")) > 300,
        f"thumbnails: denied the secret, {thumbnails.way} goes on.",
        "Look at the column of the denial.",
    )
    assert thumbnails.way == EXTENSION
    return (
        f"shop: {shop.way}, nothing failed. reports: {reports.way}, as a restart each night comes before the old token "
        f"ends. thumbnails: {thumbnails.way}, stale for {thumbnails.longest:g} s at most, and the overlap is an hour."
    )


def _ask_all_workers(address: str) -> dict[int, list[bool]]:
    """Did each request succeed, by the worker that answered: until all have, or it takes too long."""
    seen: dict[int, list[bool]] = defaultdict(list)
    end = time.perf_counter() + PATIENCE
    alone = httpx.Limits(max_keepalive_connections=0)
    with (
        httpx.Client(limits=alone, timeout=ANSWER, trust_env=False) as http,
        ThreadPoolExecutor(CLIENTS) as pool,
    ):

        def ask(number: int) -> tuple[int, bool]:
            try:
                answer = http.post(f"{address}/visits/user-{number}")
                return answer.json()["process"], answer.status_code == 200
            except (httpx.HTTPError, ValueError):  # the worker ended, or gunicorn answered for it
                return NOBODY, False

        lost = 0  # rounds with requests that nobody answered
        while len(seen.keys() - {NOBODY}) < WORKERS and lost < 2 and time.perf_counter() < end:
            answers = list(pool.map(ask, range(2 * CLIENTS)))
            lost += NOBODY in dict(answers)
            if lost == 1 and NOBODY in dict(answers):
                # On a busy machine a connection may fail once; a worker that ends, ends again.
                time.sleep(1)
                continue
            for process, succeeded in answers:
                seen[process].append(succeeded)
    return seen
