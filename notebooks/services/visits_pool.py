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
told = {}  # what each worker said of its health with its last job: by process


def work(user):
    return *service.visit(user), service.health()


def visit(user):
    status, content, told[content["process"]] = pool.apply(work, (user,))
    return status, content


def health():
    """That of the worst worker: one with 503, if there is one."""
    no_job_yet = "200 OK", {"token": "no job yet", "version": None, "problem": None}
    return max(told.values(), key=lambda its: its[0], default=no_job_yet)


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
