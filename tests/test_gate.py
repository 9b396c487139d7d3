"""The stand-ins in one process, as a browser tab will hold them: no socket, no thread, no server."""

from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError
from momento_wire_types import cachepubsub_pb2 as topic_pb

from sandbox.aws import Refused, Request
from sandbox.commands import StandIns
from sandbox.gate import AWS, DENIED, MOMENTO, Gate, Met
from sandbox.momento import METHODS
from sandbox.momento import Refused as RefusedByMomento

KEY = "key"


@pytest.fixture
def stand_ins(monkeypatch) -> StandIns:
    made = StandIns(KEY)
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(threading.Thread, "start", None)
    return made


@pytest.fixture
def secrets(stand_ins):
    """The unchanged boto3, whose calls are carried by a function."""

    class Body(bytes):
        def stream(self):
            yield self

    def carry(request, **_):
        headers = {
            name.lower(): text if isinstance(text, str) else text.decode() for name, text in request.headers.items()
        }
        call = Request(request.method, "/", "", {**headers, "host": "localhost"}, request.body)
        met = stand_ins.gate.meet(AWS, call.operation, call.signed("key"), "1")
        response = Refused(met.error, met.message).response(call) if met.error else stand_ins.aws(call)
        return AWSResponse(
            request.url, response.status, response.headers, SimpleNamespace(stream=Body(response.body).stream)
        )

    client = boto3.client(
        "secretsmanager",
        "us-west-2",
        aws_access_key_id=KEY,
        aws_secret_access_key=KEY,
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register("before-send", carry)
    return client


def test_boto3_reads_a_secret_and_meets_faults(stand_ins, secrets):
    secrets.create_secret(Name="s", SecretString="token")
    assert secrets.get_secret_value(SecretId="s")["SecretString"] == "token"
    stand_ins.add_fault(service="aws", operation="GetSecretValue", error="ThrottlingException", times=1)
    with pytest.raises(ClientError, match="ThrottlingException"):
        secrets.get_secret_value(SecretId="s")
    assert stand_ins.seen() == {"aws.CreateSecret": 1, "aws.GetSecretValue": 2}
    assert stand_ins.connections() == {AWS: 1, MOMENTO: 0}
    stand_ins.start_over()
    with pytest.raises(secrets.exceptions.ResourceNotFoundException):
        secrets.get_secret_value(SecretId="s")


def test_momento_responds_and_a_subscription_gets_what_is_published(stand_ins):
    key = stand_ins.issue()

    def call(method: str, cache: str = "tutorial", **fields):
        name = f"/cache_client.{method}"
        met = stand_ins.gate.meet(MOMENTO, name.rpartition("/")[2], key, "1")
        assert met == Met()
        return stand_ins.momento.answer(name, METHODS[name][1](**fields), cache)

    call("Scs/Set", cache_key=b"k", cache_body=b"v", ttl_milliseconds=60_000)
    assert call("Scs/Get", cache_key=b"k").cache_body == b"v"
    where, arrived = {"cache_name": "tutorial", "topic": "t"}, []
    subscription = call("pubsub.Pubsub/Subscribe", **where)
    subscription.arrived = lambda: arrived.append(subscription.waiting[-1].item.value.text)
    call("pubsub.Pubsub/Publish", **where, value=topic_pb._TopicValue(text="hello"))
    subscription.end()
    call("pubsub.Pubsub/Publish", **where, value=topic_pb._TopicValue(text="to nobody"))
    assert arrived == ["hello"]
    with pytest.raises(RefusedByMomento, match="nowhere does not exist"):
        call("Scs/Get", "nowhere", cache_key=b"k")
    assert stand_ins.seen() == {"momento.Set": 1, "momento.Get": 2, "momento.Subscribe": 1, "momento.Publish": 2}


@pytest.fixture
def gate() -> Gate:
    gate = Gate()
    gate.accept(AWS, KEY)
    gate.accept(MOMENTO, KEY)
    return gate


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, in seconds from now."""
    start = time.monotonic()
    clock = SimpleNamespace(at=0.0, monotonic=lambda: start + clock.at)
    monkeypatch.setattr("sandbox.gate.time", clock)
    return clock


def meet(
    gate: Gate, operation: str = "GetSecretValue", key: str = KEY, connection: str = "1", service: str = AWS
) -> Met:
    return gate.meet(service, operation, key, connection)


def test_delays_add_up_and_the_first_error_counts(gate):
    meet(gate)
    gate.add_fault(service=AWS, delay=0.25)
    gate.add_fault(service=AWS, operation="GetSecretValue", delay=0.5, error="First", message="said")
    gate.add_fault(service=AWS, error="Second")
    gate.add_distance(2.0, 4.0)
    assert meet(gate) == Met(2.75, "First", "said")
    assert meet(gate, "PutSecretValue", connection="2")[:2] == (6.25, "Second")
    assert meet(gate, service=MOMENTO, connection="2").error == ""
    gate.clear_faults()
    assert meet(gate) == Met(2.0)  # the distance stays


def test_a_fault_ends_after_so_many_calls_or_seconds(gate, clock):
    gate.add_fault(service=AWS, error="Twice", times=2)
    assert [meet(gate).error for _ in range(3)] == ["Twice", "Twice", ""]
    gate.add_fault(service=AWS, error="For a second", seconds=1)
    errors = []
    for clock.at in (0.5, 2.0):
        errors.append(meet(gate).error)
    assert errors == ["For a second", ""]


def test_a_quota_throttles_what_is_beyond_it_in_any_second(gate, clock):
    gate.add_fault(service=AWS, error="Throttled", per_second=2)
    errors = []
    for clock.at in (0.0, 0.5, 0.9, 1.2, 1.4, 1.6):
        errors.append(meet(gate).error)
    assert errors == ["", "", "Throttled", "", "Throttled", ""]


def test_a_revoked_key_is_denied_and_counted_and_one_that_was_never_accepted_only_denied(gate):
    gate.add_fault(service=MOMENTO, delay=1)
    gate.accept(MOMENTO, "old")
    gate.revoke("old")
    assert meet(gate, "Get", "old", service=MOMENTO) == Met(1, *DENIED[MOMENTO])
    assert meet(gate, "Get", "never", service=MOMENTO) == Met(0, *DENIED[MOMENTO])
    assert meet(gate, key="") == Met(0, *DENIED[AWS])
    assert gate.calls() == {"momento.Get": 1}
    gate.accept(MOMENTO, "old")
    assert meet(gate, "Get", "old", service=MOMENTO).error == ""


def test_a_port_that_comes_back_is_another_connection(gate, clock):
    counts = []
    for clock.at, first in ((0.1, True), (0.2, False), (0.3, True), (60, False), (62, True)):
        gate.meet(MOMENTO, "Get", KEY, "port", first)
        counts.append(gate.connections()[MOMENTO])
    assert counts == [1, 1, 1, 1, 2] and gate.clients() == 3
