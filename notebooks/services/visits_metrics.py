"""What the services of this folder show a Prometheus: the events of the pattern, counted by Prometheus' client library.

In a service of several processes set PROMETHEUS_MULTIPROC_DIR to an empty folder. Then whichever process is asked answers
for all; without it a scrape would meet another process each time, and counters would seem to jump.
"""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from momento_token import log_event

reads = Counter("token_reads", "Reads of the secret that brought a usable token")
failures = Counter("token_read_failures", "Reads that brought none, by AWS's code", ["code"])
served_stale = Counter("tokens_served_stale", "Old copies served")
clients = Counter("momento_clients_opened", "Momento clients made")


def count(event):
    """Pass it to a `TokenSource` as `report`. It also logs, as the source does without it."""
    log_event(event)
    match event.name:
        case "read":
            reads.inc()
        case "failed":
            failures.labels(event.code).inc()
        case "stale":
            served_stale.inc()


def as_text() -> bytes:
    """All metrics in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)
    return generate_latest(of_all_processes)
