"""The stand-ins in one process, as a browser tab will hold them, and the gate before them: no socket, no thread, no server."""

from __future__ import annotations

import json
import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from momento_wire_types import cachepubsub_pb2 as topic_pb

from sandbox import aws_responses, momento_responses
from sandbox.__main__ import answer
from sandbox.commands import StandIns
from sandbox.gate import AWS, DENIED, MOMENTO, Gate, Met

KEY = "key"


@pytest.fixture
def stand_ins(monkeypatch) -> StandIns:
    made = StandIns(KEY)
    monkeypatch.setattr(socket, "socket", None)
    monkeypatch.setattr(threading.Thread, "start", None)
    return made


def test_signed_requests_to_aws_get_their_responses(stand_ins):
    def call(operation: str, **asked: str) -> dict[str, Any]:
        headers = {"host": "localhost", "content-type": "application/x-amz-json-1.1"}
        headers["x-amz-target"] = f"secretsmanager.{operation}"
        signed = AWSRequest("POST", "http://localhost/", headers, json.dumps(asked).encode())
        SigV4Auth(Credentials(KEY, KEY), "secretsmanager", "us-west-2").add_auth(signed)
        headers = {name.lower(): text for name, text in signed.headers.items()}
        request = aws_responses.Request("POST", "/", "", headers, signed.data)
        met = stand_ins.gate.meet(AWS, request.operation, request.signed("key"), "connection")
        response = (
            aws_responses.Refused(met.error, met.message).response(request) if met.error else stand_ins.aws(request)
        )
        return json.loads(response.body)

    call("CreateSecret", Name="s", SecretString="token", ClientRequestToken="t" * 32)
    assert call("GetSecretValue", SecretId="s")["SecretString"] == "token"
    stand_ins.add_fault(service="aws", operation="GetSecretValue", error="ThrottlingException", times=1)
    assert call("GetSecretValue", SecretId="s")["__type"] == "ThrottlingException"
    assert stand_ins.seen() == {"aws.CreateSecret": 1, "aws.GetSecretValue": 2}
    assert stand_ins.connections() == {AWS: 1, MOMENTO: 0}
    stand_ins.start_over()
    assert call("GetSecretValue", SecretId="s")["__type"] == "ResourceNotFoundException"


def test_messages_to_momento_get_their_responses_and_a_subscription_what_is_published(stand_ins):
    key = stand_ins.issue()

    def call(method: str, cache: str = "tutorial", **fields):
        name = f"/cache_client.{method}"
        assert stand_ins.gate.meet(MOMENTO, name.rpartition("/")[2], key, "connection") == Met()
        return stand_ins.momento.answer(name, momento_responses.METHODS[name][1](**fields), cache)

    call("Scs/Set", cache_key=b"k", cache_body=b"v", ttl_milliseconds=60_000)
    assert call("Scs/Get", cache_key=b"k").cache_body == b"v"
    where, arrived = {"cache_name": "tutorial", "topic": "t"}, []
    subscription = call("pubsub.Pubsub/Subscribe", **where)
    subscription.arrived = lambda: arrived.append(subscription.waiting[-1].item.value.text)
    call("pubsub.Pubsub/Publish", **where, value=topic_pb._TopicValue(text="hello"))
    subscription.end()
    call("pubsub.Pubsub/Publish", **where, value=topic_pb._TopicValue(text="to nobody"))
    assert arrived == ["hello"]
    with pytest.raises(momento_responses.Refused, match="nowhere does not exist"):
        call("Scs/Get", "nowhere", cache_key=b"k")
    assert stand_ins.seen() == {"momento.Set": 1, "momento.Get": 2, "momento.Subscribe": 1, "momento.Publish": 2}


def test_a_line_that_is_no_command_gets_an_error(stand_ins):
    names = ['"explode"', '"gate"', '"aws", "request": 1', '"_functions"', '["seen"]', '"add_fault", "servise": "aws"']
    for line in ["", "[]", '{"seen": 1}', *(f'{{"do": {name}}}' for name in names)]:
        assert "did not understand" in answer(stand_ins, line)["error"]


@pytest.fixture
def clock(monkeypatch) -> SimpleNamespace:
    """A clock that the test sets, in seconds from now."""
    start = time.monotonic()
    clock = SimpleNamespace(at=0.0, monotonic=lambda: start + clock.at)
    monkeypatch.setattr("sandbox.gate.time", clock)
    return clock


@pytest.fixture
def gate(clock) -> Gate:
    gate = Gate()
    gate.accept(AWS, KEY)
    gate.accept(MOMENTO, KEY)
    return gate


def test_delays_add_up_and_the_first_error_counts(gate):
    gate.meet(AWS, "Get", KEY, "1")
    gate.add_fault(service=AWS, delay=0.25)
    gate.add_fault(service=AWS, operation="Get", delay=0.5, error="First", message="said")
    gate.add_fault(service=AWS, error="Second")
    gate.add_distance(2.0, 4.0)
    assert gate.meet(AWS, "Get", KEY, "1") == Met(2.75, "First", "said")
    assert gate.meet(AWS, "Put", KEY, "2")[:2] == (6.25, "Second")  # another connection: a handshake
    assert gate.meet(MOMENTO, "Get", KEY, "2").error == ""
    gate.clear_faults()
    assert gate.meet(AWS, "Get", KEY, "1") == Met(2.0)  # the distance stays


@pytest.mark.parametrize(
    ("fault", "times", "errors"),
    [
        ({"times": 2}, (0, 0, 0), [1, 1, 0]),
        ({"seconds": 1}, (0, 0.5, 2), [1, 1, 0]),
        ({"per_second": 2}, (0, 0.5, 0.9, 1.2, 1.4, 1.6), [0, 0, 1, 0, 1, 0]),
    ],
)
def test_a_fault_ends_after_so_many_calls_or_seconds_and_a_quota_holds_in_any_second(gate, clock, fault, times, errors):
    gate.add_fault(service=AWS, error="Error", **fault)
    met = []
    for clock.at in times:
        met.append(bool(gate.meet(AWS, "Get", KEY, "1").error))
    assert met == errors


def test_a_revoked_key_is_denied_and_counted_and_one_that_was_never_accepted_only_denied(gate):
    gate.add_fault(service=MOMENTO, delay=1)
    gate.accept(MOMENTO, "old")
    gate.revoke("old")
    assert gate.meet(MOMENTO, "Get", "old", "1") == Met(1, *DENIED[MOMENTO])
    assert gate.meet(MOMENTO, "Get", "never", "1") == Met(0, *DENIED[MOMENTO])
    assert gate.meet(AWS, "Get", "", "1") == Met(0, *DENIED[AWS])
    assert gate.calls() == {"momento.Get": 1}
    gate.accept(MOMENTO, "old")
    assert gate.meet(MOMENTO, "Get", "old", "1") == Met(1)


def test_a_port_that_comes_back_is_another_connection(gate, clock):
    counts = []
    for clock.at, first in ((0.1, True), (0.2, False), (0.3, True), (60, False), (62, True)):
        gate.meet(MOMENTO, "Get", KEY, "port", first)
        counts.append(gate.connections()[MOMENTO])
    assert counts == [1, 1, 1, 1, 2] and gate.clients() == 3
