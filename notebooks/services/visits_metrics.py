"""Count the events of a `TokenSource` for Prometheus.

In a service of several processes set PROMETHEUS_MULTIPROC_DIR to an empty folder: then each process reports the sum of
all. Without it, each scrape shows the counters of only one process.
"""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from momento_token import log_event

reads = Counter("token_reads", "Reads of the secret that brought a usable token")
failures = Counter("token_read_failures", "Reads that brought none, by their error code", ["code"])
served_stale = Counter("tokens_served_stale", "Calls that got a stale token")
clients = Counter("momento_clients_opened", "Momento clients made")


def count(event):
    """Count and log an event; pass this function to a `TokenSource` as `report`."""
    log_event(event)
    match event.name:
        case "read":
            reads.inc()
        case "failed":
            failures.labels(event.code).inc()
        case "stale":
            served_stale.inc()


def as_text() -> bytes:
    """Return all metrics in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)
    return generate_latest(of_all_processes)
