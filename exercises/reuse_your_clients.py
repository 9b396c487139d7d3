"""Exercises of 04, reuse your clients: one for all requests, and one that listens all day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from momento import CredentialProvider, TopicClient
from momento.config import TopicConfiguration
from momento.responses import TopicPublish, TopicSubscribe, TopicSubscriptionItem

from helpers.cloud import Cloud

from .common import REQUESTS, Check, counted_as, exercise, misbehaved, run_learner, serve

LISTENERS, ALL_DAY = 150, timedelta(hours=8)
MOST = 1_000  # subscriptions: ten channels, where two will do


@exercise("three-clients")
def check_one_client(cloud: Cloud, secret_name: str, cache_name: str, handle: Callable[[str], object]) -> Check:
    """Does `handle(user)` serve all requests with one cache client, and one read of the secret?"""
    counted = yield from serve(cloud, secret_name, cache_name, handle)
    clients, reads = counted.clients, counted.reads
    seen = f"{REQUESTS} requests: {counted_as(clients, 'new client')}, {3 * REQUESTS} Momento calls, {counted_as(reads, 'read')} of the secret."
    yield (
        clients == 3 * REQUESTS,
        seen,
        "A client for each call: make one and use it three times.",
    )
    yield (
        clients == REQUESTS,
        seen,
        "A client for each request: make it outside of the handler, once.",
    )
    yield (
        clients > 1,
        seen,
        "Some client is still made inside: there should be one for all requests.",
    )
    yield (
        reads > 1,
        seen,
        "One client, well. But the token is still read for each request, and nobody uses it.",
    )
    return f"{seen} One client serves the whole process."


@exercise("topics")
def check_listeners(credentials: CredentialProvider, cache_name: str, configuration: Any) -> Check:
    """Does one `TopicClient` with this configuration listen to 150 topics, and for eight hours?"""
    yield (
        not isinstance(configuration, TopicConfiguration),
        f"my_topics is a {type(configuration).__name__}.",
        "Begin with TopicConfigurations.Default.v1().",
    )
    strategy = configuration.get_transport_strategy().get_grpc_configuration()
    deadline, most = strategy.get_deadline(), configuration.get_max_subscriptions()
    yield (
        not isinstance(deadline, timedelta),
        f"The timeout is a {type(deadline).__name__}.",
        "Make it a timedelta(…).",
    )
    yield (
        deadline < ALL_DAY,
        f"Every subscription would fall silent after {deadline}; the day has 8 hours.",
        "with_client_timeout(timedelta(…)) says how long a client may listen.",
    )
    yield (
        most is not None and type(most) is not int,
        f"The number of subscriptions is a {type(most).__name__}.",
        "with_max_subscriptions(…) takes a whole number.",
    )
    yield (
        (most or 0) > MOST,
        f"The client would open {-(-(most or 0) // 100):,} channels before it listens to anything.",
        "One channel carries a hundred streams: say how many you need.",
    )
    done = run_learner(_listen, configuration, credentials, cache_name)
    yield from misbehaved(done, "The client", "Try TopicClient(my_topics, credentials) in a cell of its own.")
    listening, heard = done.returned
    yield (
        listening < LISTENERS,
        f"The client took {listening} of {LISTENERS} subscriptions.",
        "One channel carries a hundred streams: with_max_subscriptions(…) says how many you need.",
    )
    yield (
        not heard,
        f"The client took all {LISTENERS} subscriptions, and heard nothing of what was published.",
        "Change the timeout and the number of subscriptions only.",
    )
    return f"One client took all {LISTENERS}, and listens for {deadline / timedelta(hours=1):g} hours."


def _listen(configuration: TopicConfiguration, credentials: CredentialProvider, cache_name: str) -> tuple[int, bool]:
    """How many subscriptions a client with this configuration takes, and whether the last one hears a message."""
    with TopicClient(configuration, credentials) as client:
        topics = [f"exercise-{number}" for number in range(LISTENERS)]
        answers = [client.subscribe(cache_name, topic) for topic in topics]
        listening = [one for one in answers if isinstance(one, TopicSubscribe.Subscription)]
        heard = False
        if len(listening) == LISTENERS:
            sent = client.publish(cache_name, topics[-1], "hello")
            item = next(listening[-1]) if isinstance(sent, TopicPublish.Success) else None
            heard = isinstance(item, TopicSubscriptionItem.Text) and item.value == "hello"
        for subscription in listening:
            subscription.unsubscribe()
    return len(listening), heard
