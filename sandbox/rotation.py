"""What Secrets Manager does when a secret is rotated, in front of any stand-in for it.

moto 5.2.5 and MiniStack 1.5.33 have a RotateSecret that does something else: the one invokes no function without
Docker, the other copies the current value. So here the whole life of a rotation is played, as AWS documents it
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html and, of the user guide,
"Rotation by Lambda function" and "AWS CloudTrail entries for Secrets Manager"):

- RotateSecret answers at once. It attaches AWSPENDING to a version without a value, whose id is the request's token;
  a thread invokes the function for the four steps with that token.
- If a step fails, the whole process is repeated. AWS says "multiple times", and no number: here it is `ATTEMPTS`.
- After success AWSPENDING is off, and the dates are set.
- After failure it stays. RotateSecret then answers `NOT_COMPLETE`; the reattempt of which that speaks comes at AWS some
  time later, here at once. Whoever takes the label off ends the rotation.
- A new version that somebody else makes current ends a rotation: RotationAbandoned.
- With RotateImmediately=False the function's testSecret is tried with a copy of the current value.

Not played: the schedule itself, as the shortest is four hours; NextRotationDate of a cron expression; accounts.
"""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import boto3
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from werkzeug.test import Client

from .functions import FunctionError, Functions

ATTEMPTS = 3
PAUSE = 0.2  # seconds between them; at AWS much longer
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")

_CALLER = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/")
_RATE = re.compile(r"rate\((?P<count>\d+) (?P<unit>hour|day)s?\)")

NOT_COMPLETE = "A previous rotation isn't complete. That rotation will be reattempted."
NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."
NOT_ALLOWED = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access "
    "to the principal secretsmanager.amazonaws.com."
)
IN_USE = "You can't use ClientRequestToken {} because that value is already in use for a version of secret {}."
DELETED = "You can't perform this operation on the secret because it was marked for deletion."


class Refusal(Exception):
    """The call is answered with this error: its code at AWS, and a message."""


@dataclass
class Rotation:
    """What is known of one secret's rotation. Dates are seconds since the epoch."""

    arn: str
    name: str
    function: str = ""
    rules: dict[str, Any] = field(default_factory=dict)
    enabled: bool = False
    empty: str = ""  # the version that has AWSPENDING, but no value yet
    client: Any = None  # with the credentials of whoever asked for the rotation
    runs: bool = False  # is an attempt under way, or about to be repeated?
    last: float | None = None
    next: float | None = None

    def is_of(self, secret_id: str) -> bool:
        return secret_id in (self.name, self.arn, self.arn[:-7])

    def schedule(self) -> None:
        """The next rotation is due at the end of a day, or some hours from now."""
        rate = _RATE.fullmatch(self.rules.get("ScheduleExpression", ""))
        days = self.rules.get("AutomaticallyAfterDays", 0)
        if rate and rate["unit"] == "hour":
            self.next = time.time() + int(rate["count"]) * 3600
        elif rate or days:
            due = datetime.now(UTC) + timedelta(days=int(rate["count"]) if rate else days)
            self.next = due.replace(hour=23, minute=59, second=59, microsecond=0).timestamp()

    def shown(self) -> dict[str, Any]:
        """What DescribeSecret says of it."""
        dates = {"LastRotatedDate": self.last, "NextRotationDate": self.next}
        return {
            "RotationEnabled": self.enabled,
            "RotationLambdaARN": self.function,
            "RotationRules": self.rules,
            **{name: date for name, date in dates.items() if date and self.enabled},
        }


class Rotations:
    """A WSGI application in front of `service`, a stand-in for Secrets Manager, which knows nothing of rotations."""

    def __init__(self, service: Callable, url: str, functions: Functions) -> None:
        self._service, self._url, self.functions = service, url, functions
        self._rotations: list[Rotation] = []
        self._lock = threading.Lock()
        self._clients: dict[tuple[str, str], Any] = {}
        self._play: dict[str, Callable] = {
            "RotateSecret": self._rotate,
            "CancelRotateSecret": self._cancel,
        }
        # Only of interest when the secret is one that is rotated.
        self._watch: dict[str, Callable] = {
            "GetSecretValue": self._get,
            "PutSecretValue": self._put,
            "UpdateSecret": self._put,
            "UpdateSecretVersionStage": self._move,
            "DescribeSecret": self._describe,
            "ListSecretVersionIds": self._list_versions,
            "DeleteSecret": self._delete,
        }

    def __call__(self, environ, start_response):
        if self.functions.answers(environ["PATH_INFO"]):
            return self.functions(environ, start_response)
        operation = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
        if operation not in self._play and not (self._rotations and operation in self._watch):
            return self._service(environ, start_response)
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        call = Call(self._service, environ, body)
        try:
            if operation in self._play:
                call.content = self._play[operation](call)
            elif rotation := self._find(call.asked.get("SecretId", "")):
                self._watch[operation](rotation, call)
            else:
                call.pass_on()
        except Refusal as error:
            call.refuse(*error.args)
        except ClientError as error:
            call.refuse(error.response["Error"]["Code"], error.response["Error"]["Message"])
        return call.answer(start_response)

    def start_over(self) -> None:
        """No secrets, no rotations, no functions: attempts that are under way end."""
        for rotation in self._rotations:
            rotation.enabled = False
        self._rotations.clear()
        self.functions.start_over()
        Client(self._service).post("/moto-api/reset")

    # ---- the calls that are answered here ----

    def _rotate(self, call: Call) -> dict[str, Any]:
        asked, client = call.asked, self._client(call)
        described = client.describe_secret(SecretId=asked["SecretId"])
        if "DeletedDate" in described:
            raise Refusal("InvalidRequestException", DELETED)
        _check(asked.get("RotationRules", {}))
        token = asked.get("ClientRequestToken") or str(uuid4())
        with self._lock:
            rotation = self._find(described["ARN"]) or Rotation(described["ARN"], described["Name"])
            function = asked.get("RotationLambdaARN") or rotation.function
            if not function:
                raise Refusal("InvalidRequestException", NO_FUNCTION)
            if not self.functions.may_be_rotated_by(function, rotation.arn):
                raise Refusal("AccessDeniedException", NOT_ALLOWED)
            labels = _with_empty(rotation, described.get("VersionIdsToStages", {}))
            answer = {"ARN": rotation.arn, "Name": rotation.name, "VersionId": token}
            if token in labels:  # the same request again
                return answer
            pending = _labelled(labels, "AWSPENDING")
            if pending and "AWSCURRENT" not in labels[pending]:
                if rotation.enabled and not rotation.runs:
                    self._start(self._run, rotation, pending, client)
                raise Refusal("InvalidRequestException", NOT_COMPLETE)
            rotation.function, rotation.enabled, rotation.client = function, True, client
            rotation.rules = asked.get("RotationRules") or rotation.rules
            rotation.schedule()
            if rotation not in self._rotations:
                self._rotations.append(rotation)
            if pending:
                _take_off(client, rotation.arn, pending)
            rotation.empty = token
            run = self._run if asked.get("RotateImmediately", True) else self._try_out
            self._start(run, rotation, token, client)
        return answer

    def _cancel(self, call: Call) -> dict[str, Any]:
        described = self._client(call).describe_secret(SecretId=call.asked["SecretId"])
        rotation = self._find(described["ARN"])
        if rotation is None:
            raise Refusal("InvalidRequestException", NO_FUNCTION)
        rotation.enabled = False
        return {"ARN": rotation.arn, "Name": rotation.name}

    # ---- a rotation, in a thread of its own ----

    def _start(self, run: Callable, rotation: Rotation, token: str, client: Any) -> None:
        rotation.runs = True
        test = "" if run == self._run else "Test"
        self._note(rotation, f"{test}RotationStarted")

        def whole() -> None:
            try:
                worked = run(rotation, token, client)
            except ClientError:  # the secret was deleted meanwhile
                worked = False
            rotation.runs = False
            self._note(rotation, f"{test}Rotation{'Succeeded' if worked else 'Failed'}")

        threading.Thread(target=whole, name="rotation", daemon=True).start()

    def _run(self, rotation: Rotation, token: str, client: Any) -> bool:
        for attempt in range(ATTEMPTS):
            time.sleep(PAUSE if attempt else 0)
            labels = self._labels(rotation, client)
            if not rotation.enabled or "AWSPENDING" not in labels.get(token, []):
                return False  # cancelled, or given up
            if self._invoke(rotation, token, STEPS) and self._is_done(rotation, token, client):
                return True
        return False

    def _try_out(self, rotation: Rotation, token: str, client: Any) -> bool:
        """Of RotateImmediately=False: "creates an AWSPENDING version of the secret and then removes it"."""
        current = client.get_secret_value(SecretId=rotation.arn, VersionStage="AWSCURRENT")
        value = {it: current[it] for it in ("SecretString", "SecretBinary") if it in current}
        labels = ["AWSPENDING"]
        client.put_secret_value(SecretId=rotation.arn, ClientRequestToken=token, VersionStages=labels, **value)
        rotation.empty = ""
        worked = self._invoke(rotation, token, ("testSecret",))
        _take_off(client, rotation.arn, token)
        return worked

    def _invoke(self, rotation: Rotation, token: str, steps: tuple[str, ...]) -> bool:
        function = self.functions.get(rotation.function)
        if function is None:  # deleted since
            return False
        common = {"SecretId": rotation.arn, "ClientRequestToken": token}
        try:
            for step in steps:
                function.invoke({"Step": step, **common, "RotationToken": str(uuid4())})
        except FunctionError:
            return False
        return True

    def _is_done(self, rotation: Rotation, token: str, client: Any) -> bool:
        """Whatever the function said: has the label moved?"""
        if "AWSCURRENT" not in self._labels(rotation, client).get(token, []):
            return False
        _take_off(client, rotation.arn, token)
        rotation.last = time.time()
        rotation.schedule()
        return True

    def _labels(self, rotation: Rotation, client: Any) -> dict[str, list[str]]:
        described = client.describe_secret(SecretId=rotation.arn)
        return _with_empty(rotation, described.get("VersionIdsToStages", {}))

    def _note(self, rotation: Rotation, event: str) -> None:
        """What CloudTrail records, into the function's log."""
        if function := self.functions.get(rotation.function):
            function.log.append((event, ""))

    # ---- the calls that are passed on, and see the version without a value ----

    def _get(self, rotation: Rotation, call: Call) -> None:
        version, label = call.asked.get("VersionId"), call.asked.get("VersionStage")
        wants_empty = version == rotation.empty if version else label == "AWSPENDING"
        if rotation.empty and wants_empty:
            which = f"staging label: {label}" if label else f"VersionId: {version}"
            message = f"Secrets Manager can't find the specified secret value for {which}"
            raise Refusal("ResourceNotFoundException", message)
        call.pass_on()

    def _put(self, rotation: Rotation, call: Call) -> None:
        if before := self._stored_before(rotation, call):
            call.content = before
            return
        call.pass_on()
        has_value = "SecretString" in call.asked or "SecretBinary" in call.asked
        if call.failed or not has_value:
            return
        labels = call.asked.get("VersionStages") or ["AWSCURRENT"]
        if call.asked.get("ClientRequestToken") == rotation.empty:
            rotation.empty = ""
        elif "AWSPENDING" in labels:
            rotation.empty = ""  # the label has moved
        elif "AWSCURRENT" in labels:
            self._abandon(rotation, rotation.client)

    def _stored_before(self, rotation: Rotation, call: Call) -> dict[str, Any] | None:
        """The answer, if a version with this id has a value: the same again is a no-op, another value is refused.

        Of a pending version, moto and MiniStack would replace the value.
        """
        version = call.asked.get("ClientRequestToken")
        if not version or version == rotation.empty:
            return None
        try:
            there = rotation.client.get_secret_value(SecretId=rotation.arn, VersionId=version)
        except ClientError:
            return None
        if there.get("SecretString") != call.asked.get("SecretString"):
            raise Refusal("ResourceExistsException", IN_USE.format(version, rotation.arn))
        kept = ("ARN", "Name", "VersionId", "VersionStages")
        return {name: there[name] for name in kept}

    def _abandon(self, rotation: Rotation, client: Any) -> None:
        """Somebody made a new version by hand: "Secrets Manager removes the AWSPENDING label"."""
        rotation.schedule()
        labels = self._labels(rotation, client)
        pending = _labelled(labels, "AWSPENDING")
        if not pending or "AWSCURRENT" in labels[pending]:
            return
        if rotation.empty:
            rotation.empty = ""
        else:
            _take_off(client, rotation.arn, pending)
        self._note(rotation, "RotationAbandoned")

    def _move(self, rotation: Rotation, call: Call) -> None:
        asked = dict(call.asked)
        if rotation.empty and (asked["VersionStage"], asked.get("RemoveFromVersionId")) == (
            "AWSPENDING",
            rotation.empty,
        ):
            rotation.empty = ""
            del asked["RemoveFromVersionId"]
            call.content = {"ARN": rotation.arn, "Name": rotation.name}
            if "MoveToVersionId" in asked:
                rotation.client.update_secret_version_stage(**asked)
        else:
            call.pass_on()

    def _describe(self, rotation: Rotation, call: Call) -> None:
        call.pass_on()
        if not call.failed:
            call.content.update(rotation.shown())
            labels = call.content.get("VersionIdsToStages", {})
            call.content["VersionIdsToStages"] = _with_empty(rotation, labels)

    def _list_versions(self, rotation: Rotation, call: Call) -> None:
        call.pass_on()
        if rotation.empty and not call.failed:
            version = {"VersionId": rotation.empty, "VersionStages": ["AWSPENDING"]}
            call.content["Versions"].append(version)

    def _delete(self, rotation: Rotation, call: Call) -> None:
        call.pass_on()
        if call.asked.get("ForceDeleteWithoutRecovery") and not call.failed:
            self._rotations.remove(rotation)

    # ---- and what they need ----

    def _find(self, secret_id: str) -> Rotation | None:
        return next((it for it in self._rotations if it.is_of(secret_id)), None)

    def _client(self, call: Call) -> Any:
        """boto3's own, with the caller's credentials; its calls go to the service within this process, past all faults."""
        caller = _CALLER.search(call.environ["HTTP_AUTHORIZATION"])
        assert caller is not None  # the server has looked at it before
        key, region = caller["key"], caller["region"]
        if (key, region) not in self._clients:
            client = boto3.Session(key, key).client("secretsmanager", region, endpoint_url=self._url)
            client.meta.events.register("before-send.secretsmanager", self._ask_within)
            self._clients[key, region] = client
        return self._clients[key, region]

    def _ask_within(self, request, **_) -> AWSResponse:
        headers = {
            name: value.decode() if isinstance(value, bytes) else value for name, value in request.headers.items()
        }
        answer = Client(self._service).post("/", self._url, data=request.body, headers=headers)
        return AWSResponse(request.url, answer.status_code, answer.headers.items(), _Raw(answer.data))


class _Raw(io.BytesIO):
    def stream(self, **_):
        yield self.read()


class Call:
    """One call on its way: what was asked, and once it was passed on, `content`, the answer."""

    def __init__(self, service: Callable, environ: dict, body: bytes) -> None:
        self._service, self.environ, self._body = service, environ, body
        self.asked: dict[str, Any] = json.loads(body or b"{}")
        self._status = "200 OK"
        self.content: dict[str, Any] = {}

    @property
    def failed(self) -> bool:
        return not self._status.startswith("200")

    def pass_on(self) -> None:
        self.environ["wsgi.input"] = io.BytesIO(self._body)

        def start_response(status, headers, exc_info=None):
            self._status = status

        self.content = json.loads(b"".join(self._service(self.environ, start_response)) or b"{}")

    def refuse(self, code: str, message: str) -> None:
        self._status, self.content = "400 Bad Request", {"__type": code, "message": message}

    def answer(self, start_response) -> list[bytes]:
        body = json.dumps(self.content).encode()
        kind = ("content-type", "application/x-amz-json-1.1")
        start_response(self._status, [kind, ("content-length", str(len(body)))])
        return [body]


def _check(rules: dict[str, Any]) -> None:
    days = rules.get("AutomaticallyAfterDays")
    if days is not None and "ScheduleExpression" in rules:
        message = "You can't specify both AutomaticallyAfterDays and ScheduleExpression."
        raise Refusal("InvalidParameterException", message)
    if days is not None and not 1 <= days <= 1000:
        message = "RotationRules.AutomaticallyAfterDays must be within 1-1000."
        raise Refusal("InvalidParameterException", message)


def _with_empty(rotation: Rotation, labels: dict[str, list[str]]) -> dict[str, list[str]]:
    return {**labels, rotation.empty: ["AWSPENDING"]} if rotation.empty else labels


def _labelled(labels: dict[str, list[str]], label: str) -> str | None:
    return next((version for version, its in labels.items() if label in its), None)


def _take_off(client: Any, secret_arn: str, version: str) -> None:
    """Take AWSPENDING off this version, if it has it."""
    labels = client.describe_secret(SecretId=secret_arn).get("VersionIdsToStages", {})
    if "AWSPENDING" in labels.get(version, []):
        client.update_secret_version_stage(SecretId=secret_arn, VersionStage="AWSPENDING", RemoveFromVersionId=version)
