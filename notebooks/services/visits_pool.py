"""The same service with a pool of worker processes behind it, forked before the first job, as Celery's `prefork` pool is.

    PORT=8000 python visits_pool.py

The front takes requests and holds no Momento client; each worker has its own. The front can't look into the workers, so
each tells with its answer how its token is. Environment and permission as in visits_async.py.
"""

import logging
import os
import signal
import sys
from multiprocessing import get_context

import visits_wsgi as service
import waitress

PROCESSES = 4
states = {}  # of the workers' tokens, by process, as of its last job


def work(user):
    return *service.visit(user), str(service.source.state)


def visit(user):
    status, content, state = pool.apply(work, (user,))
    states[content["process"]] = state
    return status, content


def health():
    ready = all(state in service.READY for state in states.values())
    said = ", ".join(sorted(set(states.values()))) or "no job yet"
    return "200 OK" if ready else "503 Service Unavailable", {"token": said, "problem": None}


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)  # waitress says there where it serves
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the pool ends with this process
    # Celery forks; from Python 3.14 on, multiprocessing by itself doesn't.
    with get_context("fork").Pool(PROCESSES) as pool:
        waitress.serve(
            service.application_of(visit, health),
            host="127.0.0.1",
            port=int(os.environ.get("PORT", 0)),
            threads=16,
        )
