"""One Momento client for everybody, replaced without a failed call when the token is."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import boto3
import pytest
from momento import CacheClient, CacheClientAsync, Configurations, TopicClient, TopicConfigurations
from momento.errors import MomentoErrorCode
from momento.responses import CacheGet, CacheIncrement, CacheSet, TopicPublish
from names import SECRET_NAME
from test_token_source import Clock, Service

from helpers.measure import OVERLAP, at_once
from helpers.sandbox.keys import new_api_key
from helpers.shared_client import AsyncSharedClient, SharedClient
from helpers.token_source import TokenSource

CACHE = "tutorial"
TTL = timedelta(minutes=1)


@pytest.fixture
def source(cloud) -> TokenSource:
    return TokenSource(boto3.client("secretsmanager"), SECRET_NAME)


def cache_client(cloud):
    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    return lambda token: CacheClient(configuration, cloud.credentials_from(token), TTL)


def rotate(cloud, old: str) -> str:
    """The secret gets a new key, and the old one is revoked at once."""
    new = cloud.issue_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=new)
    cloud.revoke_api_key(old)
    return new


def test_many_threads_share_one_client(cloud, source):
    clients = SharedClient(source, cache_client(cloud))
    with cloud.ledger.page("at once") as page:
        at_once(lambda: clients.call(lambda client: client.set(CACHE, "key", "value")), 32)
    assert page.momento_clients == 1 and page.count("GetSecretValue") == 1
    assert page.count("Set", outcome="ok") == 32
    clients.close()


def test_a_revoked_token_is_replaced_and_no_call_fails(cloud, source):
    clients = SharedClient(source, cache_client(cloud))
    clients.call(lambda client: client.set(CACHE, "visits", "0"))
    rotate(cloud, cloud.api_key)
    with cloud.ledger.page("after the rotation") as page:
        answers = at_once(lambda: clients.call(lambda client: client.increment(CACHE, "visits")), 8)
    assert all(isinstance(answer, CacheIncrement.Success) for answer in answers)
    # Increment isn't safe to repeat, except after a refusal: each was done once.
    assert sorted(answer.value for answer in answers) == list(range(1, 9))
    assert page.count("GetSecretValue") == 1
    clients.close()


def test_topic_clients_are_replaced_too(cloud, source):
    clients = SharedClient(
        source,
        lambda token: TopicClient(TopicConfigurations.Default.v1(), cloud.credentials_from(token)),
    )
    rotate(cloud, cloud.api_key)
    source.held()
    rotate(cloud, source.get())
    answer = clients.call(lambda client: client.publish(CACHE, "topic", "message"))
    assert isinstance(answer, TopicPublish.Success)
    clients.close()


def test_a_new_token_that_is_wrong_too_makes_no_storm(cloud, source):
    clients = SharedClient(source, cache_client(cloud))
    source.get()
    wrong = new_api_key()
    boto3.client("secretsmanager").put_secret_value(SecretId=SECRET_NAME, SecretString=wrong)
    cloud.revoke_api_key(cloud.api_key)
    with cloud.ledger.page("wrong twice") as page:
        answers = [clients.call(lambda client: client.get(CACHE, "key")) for _ in range(100)]
    assert {answer.error_code for answer in answers} == {MomentoErrorCode.AUTHENTICATION_ERROR}
    # One read found the wrong token, and one more asked whether there is a better one.
    assert page.count("GetSecretValue") <= 2 + 1
    assert page.momento_clients == 2
    rotate(cloud, wrong)
    source._renew_at = 0  # as if the pause between two questions were over
    assert isinstance(clients.call(lambda client: client.get(CACHE, "key")), CacheGet.Miss)
    clients.close()


def test_asyncio_has_a_door_of_its_own(cloud, source):
    make = lambda token: CacheClientAsync(  # noqa: E731
        Configurations.Laptop.v1(), cloud.credentials_from(token), TTL
    )

    async def use() -> list[object]:
        clients = AsyncSharedClient(source, make)
        first = await clients.call(lambda client: client.set(CACHE, "key", "value"))
        rotate(cloud, cloud.api_key)
        cloud.add_fault("aws", delay=OVERLAP)
        others = await asyncio.gather(
            *[clients.call(lambda client: client.set(CACHE, "key", "value")) for _ in range(16)]
        )
        await clients.close()
        return [first, *others]

    answers = asyncio.run(use())
    assert all(isinstance(answer, CacheSet.Success) for answer in answers)
    assert source.refreshes == 2


class FakeClient:
    """What `SharedClient` knows of a client."""

    def __init__(self, token: str) -> None:
        self.token, self.closed = token, False

    def __exit__(self, *_) -> None:
        assert not self.closed
        self.closed = True


@pytest.fixture
def steps():
    service, clock, made = Service(), Clock(), []
    source = TokenSource(service, "s", ttl=10, max_age=100, clock=clock)

    def make(token: str) -> FakeClient:
        made.append(FakeClient(token))
        return made[-1]

    def next_version() -> None:
        service.value, service.version = new_api_key(), service.version + "+"
        clock.now += 11

    return SharedClient(source, make), made, next_version


def test_an_unchanged_token_keeps_its_client(steps):
    clients, made, _ = steps
    for _ in range(3):
        clients.call(lambda client: client)
        clients._source._clock.now += 11
    assert len(made) == 1


def test_a_call_under_way_keeps_its_client_open_until_it_is_over(steps):
    clients, made, next_version = steps
    with clients.lease() as lease:
        next_version()
        assert clients.call(lambda client: client) is made[1]
        assert clients.is_outdated(lease) and not made[0].closed
    assert made[0].closed and not made[1].closed
    clients.close()
    assert made[1].closed


def test_a_late_reader_never_brings_an_old_token_back(steps):
    clients, made, next_version = steps
    old = clients._source.held()
    next_version()
    clients.call(lambda client: client)
    lease, _ = clients._take(old)
    assert lease.client is made[-1] and lease.held.number > old.number


def test_a_client_that_cannot_be_made_leaves_the_old_one_in_place(steps):
    clients, made, next_version = steps
    clients.call(lambda client: client)
    next_version()
    make, clients._make = clients._make, lambda token: 1 / 0
    with pytest.raises(ZeroDivisionError):
        clients.call(lambda client: client)
    assert not made[0].closed
    clients._make = make
    assert clients.call(lambda client: client) is made[1] and made[0].closed


def test_many_swaps_under_many_threads_close_every_client_but_the_last(steps):
    clients, made, next_version = steps
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            clients.call(lambda client: None if not client.closed else pytest.fail("closed in use"))

    workers = [threading.Thread(target=work) for _ in range(8)]
    for worker in workers:
        worker.start()
    for _ in range(50):
        next_version()
        clients.call(lambda client: client)
    stop.set()
    for worker in workers:
        worker.join()
    assert [client.closed for client in made] == [True] * (len(made) - 1) + [False]
    assert len(made) >= 50
