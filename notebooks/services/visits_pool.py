"""Count visits in a pool of worker processes, which is forked before the first job, as Celery's `prefork` pool is.

    PORT=8000 python visits_pool.py

The front takes requests and makes no Momento call; each worker has its own client. Environment and permission as in
visits_async.py.
"""

import os
import signal
import sys
from multiprocessing import get_context

import visits_wsgi as service
import waitress

PROCESSES = 4

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # so that the pool ends with this process
    # Celery forks; multiprocessing doesn't by default on macOS, nor anywhere from Python 3.14 on.
    with get_context("fork").Pool(PROCESSES) as pool:
        application = service.application_of(
            visit=lambda user: pool.apply(service.visit, (user,)),
            health=lambda: pool.apply(service.health),  # of one worker, as behind gunicorn
        )
        waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=16)
