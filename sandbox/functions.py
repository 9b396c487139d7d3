"""Lambda functions in the sandbox: a plain file each, in a process and an environment of its own.

Emulated are a cold start, invocations of the warm process one after another, a timeout, the log and the resource
policy. AddPermission and Invoke answer the unchanged boto3; deploying is a command of the sandbox. A function has one
environment here, so invocations wait for each other; at AWS there would be more environments.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import run_plain_file
from .aws_responses import Request, Response, json_response
from .child_process import Child, Ended

ACCOUNT = "123456789012"  # moto's
TIMEOUT = 30.0  # seconds, for one invocation
PATH = re.compile(r"/2015-03-31/functions/(?P<function>.+)/(?P<what>policy|invocations)")


class FunctionError(Exception):
    """The function raised, ended or took too long; in the words of Lambda's response, `errorType: errorMessage`."""


@dataclass
class Function:
    """A deployed file. `log` has a line for each invocation, the step of a rotation and its result, and for each event."""

    arn: str
    file: Path
    environment: dict[str, str]
    policy: dict[str, dict[str, Any]] = field(default_factory=dict)  # by statement id
    log: list[tuple[str, str]] = field(default_factory=list)
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)
    _child: Child | None = None

    def invoke(self, event: dict[str, Any]) -> Any:
        """Return what `handler(event, context)` returns. Raises `FunctionError`."""
        with self._one_at_a_time:
            try:
                result = self._call(event)
            except FunctionError as error:
                self.log.append((event.get("Step", "invoke"), str(error)))
                raise
            self.log.append((event.get("Step", "invoke"), str(result)))
            return result

    def end(self) -> None:
        """End the process, as Lambda does with an environment that failed. The next invocation starts another."""
        if self._child:
            self._child.kill()
            self._child = None

    def _call(self, event: dict[str, Any]) -> Any:
        if self._child is None or not self._child.alive:
            kept = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "MOMENTO_"))}
            environment = {**kept, "PYTHON_COLORS": "0", **self.environment}
            self._child = Child(run_plain_file.command("serve", str(self.file)), environment)
        try:
            answer = self._child.call(event, TIMEOUT)
        except TimeoutError:
            raise FunctionError(f"Task timed out after {TIMEOUT:.2f} seconds") from None
        except Ended as error:
            raise FunctionError(f"Runtime.ExitError: {error}") from None
        if "errorType" in answer:
            raise FunctionError(f"{answer['errorType']}: {answer['errorMessage']}")
        return answer["result"]


class Functions:
    """All that are deployed. Called with a request it answers Lambda's AddPermission and Invoke."""

    def __init__(self) -> None:
        self._deployed: dict[str, Function] = {}

    def deploy(self, file: str, environment: dict[str, str]) -> str:
        """Deploy this file under its name and return the ARN. One of the same name is replaced, with its policy."""
        path = Path(file)
        if not path.is_file():
            raise ValueError(f"there is no file {path.name}")
        arn = f"arn:aws:lambda:{environment.get('AWS_REGION', 'us-west-2')}:{ACCOUNT}:function:{path.stem}"
        if before := self._deployed.get(arn):
            before.end()
        self._deployed[arn] = Function(arn, path, {**environment, "AWS_LAMBDA_FUNCTION_NAME": path.stem})
        return arn

    def get(self, arn: str) -> Function | None:
        """Return the function of this ARN or name."""
        return next((it for it in self._deployed.values() if arn in (it.arn, it.arn.rpartition(":")[2])), None)

    def start_over(self) -> None:
        """End them all, as if none had been deployed."""
        for function in self._deployed.values():
            function.end()
        self._deployed.clear()

    def may_be_rotated_by(self, arn: str, secret_arn: str) -> bool:
        """Tell whether the policy of this function lets Secrets Manager invoke it for this secret."""
        function = self.get(arn)
        return function is not None and any(
            statement.get("Principal") == "secretsmanager.amazonaws.com"
            and statement.get("Action") in ("lambda:InvokeFunction", "lambda:*")
            and statement.get("SourceAccount", ACCOUNT) == ACCOUNT
            and fnmatch.fnmatchcase(secret_arn, statement.get("SourceArn", "*"))
            for statement in function.policy.values()
        )

    def __call__(self, request: Request) -> Response | None:
        """Return Lambda's response, or None if this is no call of Lambda's."""
        if not (path := PATH.fullmatch(request.path)):
            return None
        function = self.get(path["function"])
        if function is None:
            return _refuse(404, "ResourceNotFoundException", f"Function not found: {path['function']}")
        content = json.loads(request.body or b"{}")
        if path["what"] == "policy":
            name = content["StatementId"]
            if name in function.policy:
                return _refuse(409, "ResourceConflictException", f"The statement id ({name}) provided already exists.")
            function.policy[name] = content
            return json_response({"Statement": json.dumps(content)}, 201)
        try:
            return json_response(function.invoke(content))
        except FunctionError as error:
            kind, _, message = str(error).partition(": ")
            failed = {"errorType": kind, "errorMessage": message or kind}
            return json_response(failed, headers={"x-amz-function-error": "Unhandled"})


def _refuse(status: int, kind: str, message: str) -> Response:
    return json_response({"Type": "User", "Message": message}, status, {"x-amzn-errortype": kind})
