"""What the services of this folder show a Prometheus: the pattern's events, counted by its own client library.

In a service of several processes set PROMETHEUS_MULTIPROC_DIR to an empty folder. Then whichever process is asked answers
for all; without it a scrape would meet another process each time, and counters would seem to jump.
"""

import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from momento_token.observer import Observer

reads = Counter("token_reads", "Reads of the secret that brought a usable token")
failures = Counter("token_read_failures", "Reads that brought none, by AWS's code", ["code"])
served_stale = Counter("tokens_served_stale", "Old copies served")
clients = Counter("momento_clients_opened", "Momento clients made")


class CountedEvents(Observer):
    def read(self, seconds):
        reads.inc()

    def failed(self, error):
        failures.labels(error.code).inc()

    def served_stale(self, age):
        served_stale.inc()


def as_text() -> bytes:
    """All metrics in Prometheus' text format."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest(REGISTRY)
    of_all_processes = CollectorRegistry()
    MultiProcessCollector(of_all_processes)
    return generate_latest(of_all_processes)
