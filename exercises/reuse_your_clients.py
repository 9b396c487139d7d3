"""Exercise of 04, reuse your clients: a topic client that goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch
from uuid import uuid4

from momento import TopicClient, TopicConfigurations
from momento.errors import AuthenticationException, MomentoErrorCode
from momento.responses import TopicSubscribe

from drills.learner_code import Run
from helpers.cloud import Cloud

from .common import Check, counting, current_token, exercise, fault, misbehaved, new_key, put_back, run_learner

APART = 1.1  # seconds between two renewals: momento_client.py reads the secret again once a second
TOPIC = "news"
_issued: list[str] = []  # by earlier runs of the check: any of them may be the token that `announce` keeps


@exercise("announce")
def check_announce(cloud: Cloud, secret_name: str, cache_name: str, announce: Callable[[str], object]) -> Check:
    """Does `announce(text)` publish with one kept client for each token, also after a rotation?"""
    texts = [f"announcement {number}, {uuid4()}" for number in (1, 2, 3)]
    old = (
        "Let MomentoClient build the client, with the token that it gives to new_topic_client; "
        "put `checked` around its `call`, not inside."
    )
    with accepted_again(cloud, secret_name) as held:
        _exchange(cloud, secret_name, cache_name, "nothing yet")
        first = run_learner(announce, texts[0])
        yield _denied(first), "Momento denied the call: your client has an old token.", old
        hint = f'Outside announce: topics = MomentoClient(SECRET_NAME, new_topic_client); inside: topics.call(lambda client: client.publish(CACHE_NAME, "{TOPIC}", text)).'
        yield from misbehaved(first, "announce", hint)
        seen = f"announce returned {_kind(first)}"
        seen += "." if _arrived(cloud, secret_name, cache_name, texts[0]) else ", and its text is not on the topic."
        hint = f'Call client.publish(CACHE_NAME, "{TOPIC}", text), and return its response.'
        yield seen != "announce returned TopicPublish.Success.", seen, hint

        time.sleep(APART)
        _issued.append(new_key(cloud, secret_name))
        for key in (held, *_issued[:-1]):
            cloud.revoke_api_key(key)
        made = patch.object(TopicClient, "__init__", autospec=True, side_effect=TopicClient.__init__)
        with made as clients, counting(cloud) as counted:
            others = [run_learner(announce, text) for text in texts[1:]]
        yield any(map(_denied, others)), "After a rotation Momento denied a call: your client has the old token.", old
        for one in others:
            yield from misbehaved(one, "After a rotation announce")
        lost = not _arrived(cloud, secret_name, cache_name, texts[-1])
        yield lost, "After a rotation a text is not on the topic, and announce raised nothing.", old
        reads, built = counted["aws.GetSecretValue"], clients.call_count
        seen = f"Two texts after a rotation; reads of the secret: {reads}, new topic clients: {built}."
        hint = "One of each is enough: make the MomentoClient once, outside announce."
        if built <= 1 < reads:
            hint = "One read is enough: let new_topic_client use the token that it is given."
        yield max(reads, built) > 1, seen, hint

        with fault(cloud, "momento", "Publish", error="DEADLINE_EXCEEDED", times=1), counting(cloud) as counted:
            failed = run_learner(announce, "a text whose response is lost")
        again = counted["momento.Publish"] > 1
        seen = "published it again, so subscribers may get it twice" if again else "raised nothing"
        hint = "Repeat a denied call only: that one has done nothing. Let `checked` raise every other error."
        yield again or failed.error is None, f"Momento's response to a text was lost, and announce {seen}.", hint
    return f"Two texts after a rotation; reads of the secret: {reads}, new topic clients: {built}."


@contextmanager
def accepted_again(cloud: Cloud, name: str) -> Iterator[str]:
    """Give the secret's token; after the block the secret holds it, and Momento accepts it, as before."""
    held = current_token(name)
    try:
        with put_back(name):
            yield held
    finally:
        cloud._ask("accept", api_key=held)


def _exchange(cloud: Cloud, name: str, cache_name: str, text: str = "") -> object:
    """Publish this text, if there is one, and return the topic's latest: a new subscriber gets it first."""
    credentials = cloud.credentials_from(current_token(name))
    with TopicClient(TopicConfigurations.Default.v1(), credentials) as client:
        if text:
            client.publish(cache_name, TOPIC, text)
        subscription = client.subscribe(cache_name, TOPIC)
        if not isinstance(subscription, TopicSubscribe.Subscription):
            return None
        latest = next(subscription)
        subscription.unsubscribe()
    return getattr(latest, "value", None)


def _arrived(cloud: Cloud, name: str, cache_name: str, text: str) -> bool:
    return _exchange(cloud, name, cache_name) == text


def _denied(run: Run) -> bool:
    code = getattr(run.returned, "error_code", None)
    return isinstance(run.error, AuthenticationException) or code == MomentoErrorCode.AUTHENTICATION_ERROR


def _kind(run: Run) -> str:
    if run.returned is None:
        return "nothing"
    return type(run.returned).__qualname__
