"""The OpenTelemetry adapter, read back by OpenTelemetry's own SDK."""

from __future__ import annotations

import pytest
from fakes import Clock, Service, at_once, failure
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from momento_token.otel import MetricsObserver
from momento_token.token_source import TokenSource, TokenUnavailable


def test_what_happens_is_counted():
    reader, service, clock = InMemoryMetricReader(), Service(), Clock()
    observer = MetricsObserver(MeterProvider([reader]).get_meter("test"))
    source = TokenSource(
        service, "s", ttl=10, observer=observer, clock=clock, in_background=at_once, retry=0
    )
    observer.watch(source)
    source.get()
    service.error = failure("ThrottlingException")
    clock.now += 11
    source.get()
    service.error = failure("AccessDeniedException")
    with pytest.raises(TokenUnavailable):
        source.get()
    observer.swapped(2)
    observer.gap("orders", 3)
    observer.gap("orders", None)
    points = {
        (metric.name, *point.attributes.values()): getattr(
            point, "value", getattr(point, "count", None)
        )
        for resource in reader.get_metrics_data().resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    }
    assert points[("token.reads",)] == 1
    assert points[("token.failures", "ThrottlingException")] == 1
    assert points[("token.denials", "AccessDeniedException")] == 1
    assert points[("token.served_stale",)] == 1 and points[("token.swaps",)] == 1
    assert points[("topic.gaps", "orders")] == 2 and points[("topic.missed", "orders")] == 3
    assert points[("token.state", "denied")] == 1 and points[("token.state", "fresh")] == 0
    assert service.value not in str(reader.get_metrics_data())
