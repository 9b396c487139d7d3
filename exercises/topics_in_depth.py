"""Exercise of deeper/, topics in depth: a client that listens all day."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from momento import CredentialProvider, TopicClient
from momento.config import TopicConfiguration
from momento.responses import TopicSubscribe, TopicSubscriptionItem

from .common import Check, exercise, misbehaved, run_learner

LISTENERS, ALL_DAY = 150, timedelta(hours=8)
MOST = 1_000  # subscriptions: each hundred opens a channel when the client is made


@exercise("topics")
def check_listeners(credentials: CredentialProvider, cache_name: str, configuration: Any) -> Check:
    """Does one `TopicClient` with this configuration listen to 150 topics for eight hours?"""
    seen = f"my_topics is a {type(configuration).__name__}."
    yield not isinstance(configuration, TopicConfiguration), seen, "Begin with TopicConfigurations.Default.v1()."
    deadline = configuration.get_transport_strategy().get_grpc_configuration().get_deadline()
    seen = f"Every subscription would fall silent after {deadline}; the day has 8 hours."
    yield deadline < ALL_DAY, seen, "with_client_timeout(timedelta(…)) says how long a client may listen."
    most = configuration.get_max_subscriptions() or 0
    seen = f"The client would prepare for {most!r} subscriptions before it listens to anything."
    hint = f"with_max_subscriptions(…) takes a whole number: at least {LISTENERS}, and no more than you need."
    yield not isinstance(most, int) or most > MOST, seen, hint
    done = run_learner(_listen, configuration, credentials, cache_name)
    yield from misbehaved(done, "The client", "Try TopicClient(my_topics, credentials) in a cell of its own.")
    listening, heard = done.returned
    seen = f"The client took {listening} of {LISTENERS} subscriptions, and heard {'a' if heard else 'no'} message."
    hint = "One channel carries a hundred streams: with_max_subscriptions(…) says how many you need."
    yield not heard, seen, hint
    return f"One client took all {LISTENERS}, and listens for {deadline / timedelta(hours=1):g} hours."


def _listen(configuration: TopicConfiguration, credentials: CredentialProvider, cache_name: str) -> tuple[int, bool]:
    """Return how many subscriptions a client takes, and whether the last one hears a message."""
    topics = [f"exercise-{number}" for number in range(LISTENERS)]
    heard = False
    with TopicClient(configuration, credentials) as client:
        responses = [client.subscribe(cache_name, topic) for topic in topics]
        listening = [one for one in responses if isinstance(one, TopicSubscribe.Subscription)]
        if len(listening) == LISTENERS:
            client.publish(cache_name, topics[-1], "hello")
            item = next(listening[-1])
            heard = isinstance(item, TopicSubscriptionItem.Text) and item.value == "hello"
        for subscription in listening:
            subscription.unsubscribe()
    return len(listening), heard
