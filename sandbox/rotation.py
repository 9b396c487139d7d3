"""Emulate how Secrets Manager rotates a secret, in front of either stand-in for it.

moto 5.2.5 and MiniStack 1.5.33 have a RotateSecret that does something else: the one invokes no function without
Docker, the other copies the current value. Emulated as AWS documents it
(https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_RotateSecret.html and, of the user guide,
"Rotation by Lambda function" and "AWS CloudTrail entries for Secrets Manager"):

- RotateSecret returns immediately. It attaches AWSPENDING to a version without a value, whose id is the request's
  token; a thread invokes the function for the four steps with that token.
- If a step fails, the whole process is repeated. AWS says "multiple times", and no number: here it is `ATTEMPTS`.
- After success AWSPENDING is off, and the date is set.
- After failure AWSPENDING stays. RotateSecret then returns `NOT_COMPLETE`; the reattempt of which that message speaks
  comes some time later at AWS, immediately here. Taking the label off ends the rotation.
- Another new version that becomes current ends a rotation: RotationAbandoned.

Not emulated: the schedule, RotateImmediately=False, accounts.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from .aws_responses import Refused, Request, Response, Service, json_response
from .functions import FunctionError, Functions

ATTEMPTS = 3
PAUSE = 0.2  # seconds between them; at AWS much longer
STEPS = ("createSecret", "setSecret", "testSecret", "finishSecret")
WATCHED = (
    *("GetSecretValue", "PutSecretValue", "UpdateSecret", "UpdateSecretVersionStage"),
    *("DescribeSecret", "DeleteSecret"),
)

NOT_COMPLETE = "A previous rotation isn't complete. That rotation will be reattempted."
NO_FUNCTION = "No Lambda rotation function ARN is associated with this secret."
NOT_ALLOWED = (
    "Secrets Manager cannot invoke the specified Lambda function. Ensure that the function policy grants access "
    "to the principal secretsmanager.amazonaws.com."
)
IN_USE = "You can't use ClientRequestToken {} because that value is already in use for a version of secret {}."
DELETED = "You can't perform this operation on the secret because it was marked for deletion."


@dataclass
class Rotation:
    """What is known of one secret's rotation."""

    arn: str
    name: str
    region: str
    function: str = ""
    rules: dict[str, Any] = field(default_factory=dict)
    enabled: bool = False
    empty: str = ""  # the version that has AWSPENDING, but no value yet
    runs: bool = False  # an attempt is under way, or about to be repeated
    last: float | None = None  # seconds since 1970

    def labels(self, described: dict[str, Any]) -> dict[str, list[str]]:
        """Return the labels by version, the one without a value included."""
        labels = described.get("VersionIdsToStages", {})
        return {**labels, self.empty: ["AWSPENDING"]} if self.empty else labels


class Rotations:
    """A `Service` in front of another one, which knows nothing of rotations. It asks that one as the key's owner."""

    def __init__(self, service: Service, key: str, functions: Functions) -> None:
        self._service, self._credentials, self.functions = service, Credentials(key, key), functions
        self._rotations: list[Rotation] = []
        self._lock = threading.Lock()

    def __call__(self, request: Request) -> Response:
        if response := self.functions(request):
            return response
        operation = request.operation
        starts = operation in ("RotateSecret", "CancelRotateSecret")
        if not starts and not (self._rotations and operation in WATCHED):
            return self._service(request)
        asked = json.loads(request.body or b"{}")
        try:
            if starts:
                act = self._rotate if operation == "RotateSecret" else self._cancel
                return json_response(act(asked, request.signed("region")))
            rotation = self._find(asked.get("SecretId", ""))
            content = self._before(operation, rotation, asked) if rotation else None
            if content is None:
                response = self._service(request)
                if rotation is None or response.status != 200:
                    return response
                content = json.loads(response.body)
                self._after(operation, rotation, asked, content)
            return json_response(content)
        except Refused as error:
            return error.response(request)

    def start_over(self) -> None:
        """Forget all rotations and functions; attempts that are under way end."""
        for rotation in self._rotations:
            rotation.enabled = False
        self._rotations.clear()
        self.functions.start_over()

    # ---- the calls that are answered here ----

    def _rotate(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        _check(asked)
        described = self._ask(region, "DescribeSecret", SecretId=asked["SecretId"])
        if described.get("DeletedDate"):
            raise Refused("InvalidRequestException", DELETED)
        token, arn, name = asked.get("ClientRequestToken") or str(uuid4()), described["ARN"], described["Name"]
        with self._lock:
            rotation = self._find(arn) or Rotation(arn, name, region)
            function = asked.get("RotationLambdaARN") or rotation.function
            if not function:
                raise Refused("InvalidRequestException", NO_FUNCTION)
            if not self.functions.may_be_rotated_by(function, arn):
                raise Refused("AccessDeniedException", NOT_ALLOWED)
            labels = rotation.labels(described)
            if token not in labels:  # else it is the same request again
                pending = _labelled(labels, "AWSPENDING")
                if pending and "AWSCURRENT" not in labels[pending]:
                    if rotation.enabled and not rotation.runs:
                        self._start(rotation, pending)
                    raise Refused("InvalidRequestException", NOT_COMPLETE)
                rotation.function, rotation.enabled = function, True
                rotation.rules = asked.get("RotationRules") or rotation.rules
                if rotation not in self._rotations:
                    self._rotations.append(rotation)
                if pending:
                    self._take_off(rotation, pending)
                rotation.empty = token
                self._start(rotation, token)
        return {"ARN": arn, "Name": name, "VersionId": token}

    def _cancel(self, asked: dict[str, Any], region: str) -> dict[str, Any]:
        rotation = self._find(self._ask(region, "DescribeSecret", SecretId=asked["SecretId"])["ARN"])
        if rotation is None:
            raise Refused("InvalidRequestException", NO_FUNCTION)
        rotation.enabled = False
        return {"ARN": rotation.arn, "Name": rotation.name}

    # ---- a rotation, in a thread of its own ----

    def _start(self, rotation: Rotation, token: str) -> None:
        rotation.runs = True
        self._note(rotation, "RotationStarted")

        def run() -> None:
            try:
                worked = any(self._attempt(rotation, token, number) for number in range(ATTEMPTS))
            except Refused:  # the secret was deleted in the meantime
                worked = False
            rotation.runs = False
            self._note(rotation, f"Rotation{'Succeeded' if worked else 'Failed'}")

        threading.Thread(target=run, name="rotation", daemon=True).start()

    def _attempt(self, rotation: Rotation, token: str, number: int) -> bool:
        time.sleep(PAUSE if number else 0)
        function = self.functions.get(rotation.function)
        if not rotation.enabled or function is None or "AWSPENDING" not in self._labels(rotation).get(token, []):
            return False  # cancelled, or given up
        event = {"SecretId": rotation.arn, "ClientRequestToken": token}
        try:
            for step in STEPS:
                function.invoke({"Step": step, **event, "RotationToken": str(uuid4())})
        except FunctionError:
            return False
        if "AWSCURRENT" not in self._labels(rotation).get(token, []):  # whatever the function said
            return False
        self._take_off(rotation, token)
        rotation.last = time.time()
        return True

    def _note(self, rotation: Rotation, event: str) -> None:
        """Add what CloudTrail records to the function's log."""
        if function := self.functions.get(rotation.function):
            function.log.append((event, ""))

    # ---- the calls that see the version without a value ----

    def _before(self, operation: str, rotation: Rotation, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return a response in place of the service's. Raises `Refused`."""
        if operation == "GetSecretValue":
            version, label = asked.get("VersionId"), asked.get("VersionStage")
            if rotation.empty and (version == rotation.empty if version else label == "AWSPENDING"):
                which = f"staging label: {label}" if label else f"VersionId: {version}"
                message = f"Secrets Manager can't find the specified secret value for {which}"
                raise Refused("ResourceNotFoundException", message)
        elif operation in ("PutSecretValue", "UpdateSecret"):
            return self._stored_before(rotation, asked)
        elif rotation.empty and asked.get("RemoveFromVersionId") == rotation.empty:  # UpdateSecretVersionStage
            rotation.empty = ""
            if "MoveToVersionId" in asked:
                del asked["RemoveFromVersionId"]
                self._ask(rotation.region, operation, **asked)
            return {"ARN": rotation.arn, "Name": rotation.name}
        return None

    def _after(self, operation: str, rotation: Rotation, asked: dict[str, Any], content: dict[str, Any]) -> None:
        """Note what the service has done, and correct its response."""
        if operation == "DescribeSecret":
            content.update(
                RotationEnabled=rotation.enabled,
                RotationLambdaARN=rotation.function,
                RotationRules=rotation.rules,
                VersionIdsToStages=rotation.labels(content),
                **({"LastRotatedDate": rotation.last} if rotation.last else {}),
            )
        elif operation == "DeleteSecret" and asked.get("ForceDeleteWithoutRecovery"):
            self._rotations.remove(rotation)
        elif operation in ("PutSecretValue", "UpdateSecret") and {"SecretString", "SecretBinary"} & asked.keys():
            labels = asked.get("VersionStages") or ["AWSCURRENT"]
            if asked.get("ClientRequestToken") == rotation.empty or "AWSPENDING" in labels:
                rotation.empty = ""  # it has its value, or the label has moved
            elif "AWSCURRENT" in labels:
                self._abandon(rotation)

    def _stored_before(self, rotation: Rotation, asked: dict[str, Any]) -> dict[str, Any] | None:
        """Return the response if a version with this id has a value: the same again changes nothing, another is refused.

        moto and MiniStack would replace the value of a pending version.
        """
        version = asked.get("ClientRequestToken")
        if not version or version == rotation.empty:
            return None
        try:
            there = self._ask(rotation.region, "GetSecretValue", SecretId=rotation.arn, VersionId=version)
        except Refused:
            return None
        if there.get("SecretString") != asked.get("SecretString"):
            raise Refused("ResourceExistsException", IN_USE.format(version, rotation.arn))
        return {name: there[name] for name in ("ARN", "Name", "VersionId", "VersionStages")}

    def _abandon(self, rotation: Rotation) -> None:
        """Somebody made a new version by hand: "Secrets Manager removes the AWSPENDING label"."""
        labels = self._labels(rotation)
        pending = _labelled(labels, "AWSPENDING")
        if pending and "AWSCURRENT" not in labels[pending]:
            self._take_off(rotation, pending)
            self._note(rotation, "RotationAbandoned")

    # ---- and what they need ----

    def _find(self, secret_id: str) -> Rotation | None:
        return next((it for it in self._rotations if secret_id in (it.name, it.arn, it.arn[:-7])), None)

    def _labels(self, rotation: Rotation) -> dict[str, list[str]]:
        return rotation.labels(self._ask(rotation.region, "DescribeSecret", SecretId=rotation.arn))

    def _take_off(self, rotation: Rotation, version: str) -> None:
        """Take AWSPENDING off this version, if it has it."""
        if version == rotation.empty:
            rotation.empty = ""
        elif "AWSPENDING" in self._labels(rotation).get(version, []):
            change = {"VersionStage": "AWSPENDING", "RemoveFromVersionId": version}
            self._ask(rotation.region, "UpdateSecretVersionStage", SecretId=rotation.arn, **change)

    def _ask(self, region: str, operation: str, **asked: Any) -> dict[str, Any]:
        """Call the service within this process, past the gate. Raises `Refused`, as the service says."""
        headers = {"x-amz-target": f"secretsmanager.{operation}", "content-type": "application/x-amz-json-1.1"}
        call = AWSRequest("POST", "http://localhost/", {**headers, "host": "localhost"}, json.dumps(asked).encode())
        SigV4Auth(self._credentials, "secretsmanager", region).add_auth(call)
        signed = {name.lower(): text for name, text in call.headers.items()}
        response = self._service(Request("POST", "/", "", signed, call.data))
        content: dict[str, Any] = json.loads(response.body or b"{}")
        if response.status != 200:
            raise Refused(content.get("__type", "InternalServiceError"), content.get("message", ""))
        return content


def _check(asked: dict[str, Any]) -> None:
    rules = asked.get("RotationRules", {})
    days = rules.get("AutomaticallyAfterDays")
    if days is not None and "ScheduleExpression" in rules:
        message = "You can't specify both AutomaticallyAfterDays and ScheduleExpression."
        raise Refused("InvalidParameterException", message)
    if days is not None and not 1 <= days <= 1000:
        raise Refused("InvalidParameterException", "RotationRules.AutomaticallyAfterDays must be within 1-1000.")
    if not asked.get("RotateImmediately", True):
        raise Refused("InvalidParameterException", "The sandbox doesn't emulate RotateImmediately=False: try it live.")


def _labelled(labels: dict[str, list[str]], label: str) -> str | None:
    return next((version for version, its in labels.items() if label in its), None)
