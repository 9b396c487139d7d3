"""Lambda functions in the sandbox: a plain file each, in a process of its own with an environment of its own.

What is played of Lambda: a cold start, invocations of the warm process one after another, a timeout, the log, and the
resource policy. AddPermission and Invoke answer the unchanged boto3; deploying is a command of the control door. Of one
function there is one environment, so invocations wait for each other; at AWS there would be more environments.
"""

from __future__ import annotations

import fnmatch
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from . import plain_file

ACCOUNT = "123456789012"  # moto's
TIMEOUT = 30.0  # seconds, for one invocation
PATH = re.compile(r"/2015-03-31/functions/(?P<function>.+)/(?P<what>policy|invocations)")


class FunctionError(Exception):
    """The function raised, ended or took too long; in the words of Lambda's answer, `errorType: errorMessage`."""


@dataclass
class Function:
    """A deployed file. `log` has a line for each invocation: the step of a rotation, and what came of it."""

    arn: str
    file: Path
    environment: dict[str, str]
    policy: dict[str, dict[str, Any]] = field(default_factory=dict)  # by statement id
    log: list[tuple[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)  # one invocation at a time
    process: subprocess.Popen[str] | None = None
    answers: queue.Queue[str] = field(default_factory=queue.Queue)

    def invoke(self, event: dict[str, Any]) -> Any:
        """What `handler(event, context)` returns. Raises `FunctionError`."""
        with self.lock:
            try:
                answer = self._ask(event)
            except FunctionError as error:
                self.log.append((event.get("Step", "invoke"), str(error)))
                raise
            self.log.append((event.get("Step", "invoke"), str(answer)))
            return answer

    def end(self) -> None:
        """End the process, as Lambda does with an environment that failed. The next invocation starts another."""
        if self.process:
            self.process.kill()
            self.process.wait()
            if self.process.stdin:
                self.process.stdin.close()
            self.process = None

    def _ask(self, event: dict[str, Any]) -> Any:
        process = self.process
        if process is None or process.poll() is not None:
            process = self._start()
        try:
            print(json.dumps(event), file=process.stdin, flush=True)
            line = self.answers.get(timeout=TIMEOUT)
        except queue.Empty:
            self.end()
            raise FunctionError(f"Task timed out after {TIMEOUT:.2f} seconds") from None
        except OSError:
            line = ""
        if not line:
            raise FunctionError(f"Runtime.ExitError: {self._last_words(process)}")
        answer = json.loads(line)
        if "errorType" in answer:
            raise FunctionError(f"{answer['errorType']}: {answer['errorMessage']}")
        return answer["result"]

    def _start(self) -> subprocess.Popen[str]:
        self.end()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MOMENTO_"))}
        self.said = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")
        self.answers = queue.Queue()
        self.process = process = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                plain_file.__name__,
                "serve",
                str(self.file),
            ],
            env={**kept, "PYTHON_COLORS": "0", **self.environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            encoding="utf-8",
        )
        threading.Thread(target=_pass_on, args=(process, self.answers), daemon=True).start()
        return process

    def _last_words(self, process: subprocess.Popen[str]) -> str:
        process.wait(timeout=10)
        self.said.seek(0)
        lines = self.said.read().strip().splitlines()
        return lines[-1] if lines else f"exit code {process.returncode}"


def _pass_on(process: subprocess.Popen[str], answers: queue.Queue[str]) -> None:
    assert process.stdout is not None  # it is a pipe
    for line in process.stdout:
        answers.put(line)
    answers.put("")


class Functions:
    """All that are deployed. As a WSGI application it answers Lambda's AddPermission and Invoke."""

    def __init__(self) -> None:
        self._deployed: dict[str, Function] = {}

    def deploy(self, file: str, environment: dict[str, str]) -> str:
        """Deploy this file under its name and return the ARN. One that was deployed before is replaced, policy and all."""
        path = Path(file)
        if not path.is_file():
            raise ValueError(f"there is no file {path.name}")
        region = environment.get("AWS_REGION", "us-west-2")
        arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{path.stem}"
        if before := self._deployed.get(arn):
            before.end()
        self._deployed[arn] = Function(arn, path, {**environment, "AWS_LAMBDA_FUNCTION_NAME": path.stem})
        return arn

    def get(self, arn: str) -> Function | None:
        return self._deployed.get(arn)

    def start_over(self) -> None:
        """End them all, as if none had been deployed."""
        for function in self._deployed.values():
            function.end()
        self._deployed.clear()

    def may_be_rotated_by(self, arn: str, secret_arn: str) -> bool:
        """Does the policy of this function let Secrets Manager invoke it for this secret?"""
        function = self._deployed.get(arn)
        return function is not None and any(
            statement.get("Principal") == "secretsmanager.amazonaws.com"
            and statement.get("Action") in ("lambda:InvokeFunction", "lambda:*")
            and statement.get("SourceAccount", ACCOUNT) == ACCOUNT
            and fnmatch.fnmatchcase(secret_arn, statement.get("SourceArn", "*"))
            for statement in function.policy.values()
        )

    def answers(self, path: str) -> bool:
        return PATH.fullmatch(path) is not None

    def __call__(self, environ, start_response):
        path = PATH.fullmatch(environ["PATH_INFO"])
        assert path is not None  # else `answers` had said no
        name, what = path.groups()
        function = next(
            (it for it in self._deployed.values() if name in (it.arn, it.arn.rpartition(":")[2])),
            None,
        )
        if function is None:
            return _refuse(
                start_response,
                "404 Not Found",
                "ResourceNotFoundException",
                f"Function not found: {name}",
            )
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        if what == "policy":
            return _add_permission(function, json.loads(body), start_response)
        try:
            return _answer(start_response, "200 OK", function.invoke(json.loads(body or b"{}")))
        except FunctionError as error:
            kind, _, message = str(error).partition(": ")
            content = {"errorType": kind, "errorMessage": message or kind}
            return _answer(start_response, "200 OK", content, ("x-amz-function-error", "Unhandled"))


def _add_permission(function: Function, statement: dict[str, Any], start_response):
    if statement["StatementId"] in function.policy:
        message = f"The statement id ({statement['StatementId']}) provided already exists."
        return _refuse(start_response, "409 Conflict", "ResourceConflictException", message)
    function.policy[statement["StatementId"]] = statement
    return _answer(start_response, "201 Created", {"Statement": json.dumps(statement)})


def _refuse(start_response, status: str, kind: str, message: str):
    content = {"Type": "User", "Message": message}
    return _answer(start_response, status, content, ("x-amzn-errortype", kind))


def _answer(start_response, status: str, content: Any, *more: tuple[str, str]):
    """An answer in the protocol of Lambda, REST and JSON."""
    body = json.dumps(content).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    start_response(status, [*headers, *more])
    return [body]
