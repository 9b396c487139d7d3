"""Record one request, several times: its calls, what lies between them, and the connections that it opened."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import median
from typing import NamedTuple

from helpers.charts import Span
from helpers.cloud import Cloud
from helpers.ledger import Call
from sandbox.run_plain_file import open_connections

BUILD, CONNECT, READ, WORK = "build or close a client", "open a connection", "read the token", "the work"
SERVICES = {"Secrets Manager": "aws", "Momento": "momento"}
CLOSING_SECONDS = 2  # gRPC closes a connection a moment after its client, and later on a busy machine


class Run(NamedTuple):
    calls: list[Call]
    started: float
    seconds: float
    opened: Counter[str]  # connections, by service


class Recording:
    """Several runs of one request. `seconds` is the time of the median run, `connections` are those of all runs."""

    def __init__(self, runs: list[Run]) -> None:
        self.runs, self._median = runs, sorted(runs, key=lambda run: run.seconds)[len(runs) // 2]
        self.seconds = self._median.seconds
        self.connections = {service: sum(run.opened[service] for run in runs) for service in SERVICES.values()}

    def pieces(self, *connected: Recording) -> dict[str, list[Span]]:
        """Return the pieces of the median run, a row each.

        By what a call that opened a connection took longer than its median in the recordings `connected`, it connected.
        """
        others = [call for recording in connected for run in recording.runs for call in run.calls]
        run, last, rows = self._median, 0.0, defaultdict[str, list[Span]](list)
        for call in sorted(run.calls, key=lambda call: call.started):
            is_momento, begin = call.service == "Momento", call.started - run.started
            row, kind = (call.operation.lower(), WORK) if is_momento else (READ, READ)
            client, split, end = f"{'Momento' if is_momento else 'boto3'} client", begin, begin + call.seconds
            if run.opened[SERVICES[call.service]] and client not in rows:
                rows[client].append(Span(last, begin, BUILD))
                if usual := [one.seconds for one in others if one.operation == call.operation]:
                    split = max(begin, end - median(usual))
                    rows[row].append(Span(begin, split, CONNECT))
            rows[row].append(Span(split, end, kind))
            last = end
        if "Momento client" in rows:
            rows["close"].append(Span(last, run.seconds, BUILD))
        return dict(rows)


def record(cloud: Cloud, request: Callable[[], object], times: int = 10) -> Recording:
    """Make this request once to warm up, and then so many times, one after the other."""
    runs = []
    for _ in range(times + 1):
        kept, before, started = (
            open_connections(cloud.momento_address),
            Counter(cloud.connections_seen()),
            time.perf_counter(),
        )
        with cloud.ledger.page("one request") as page:
            request()
        seconds = time.perf_counter() - started
        runs.append(Run(page.calls, started, seconds, Counter(cloud.connections_seen()) - before))
        while (
            open_connections(cloud.momento_address) > kept and time.perf_counter() < started + seconds + CLOSING_SECONDS
        ):
            time.sleep(0.01)  # else the next client would share the connection that is about to close
    return Recording(runs[1:])
