"""`python -m sandbox`: both endpoints in one process.

Prints one JSON line with `aws` (URL), `aws_access_key` (its secret is the same text), `momento` (`host:port`), `api_key`, `momento_endpoint`, `caches` and `pid`, then
serves until its standard input closes. Each JSON line on that input is a command of `Door`, answered by one line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from secrets import token_hex
from typing import TYPE_CHECKING, NoReturn


def _end_without(error: ModuleNotFoundError) -> NoReturn:
    sys.exit(
        f"{sys.executable} has no package {error.name!r}: run `make lab`, and use the Python in .venv that it made."
    )


try:
    from .api_keys import ENDPOINT, new_api_key
    from .faults import REFUSED, Faults
    from .functions import Functions
    from .keys_api import KeysApi
    from .momento import MomentoServer
except ModuleNotFoundError as error:
    _end_without(error)

if TYPE_CHECKING:
    from .aws import AwsServer
    from .ministack import MiniStackServer
    from .rotation import Rotations

CACHES = ["tutorial"]


class Door:
    """The control door: its public methods are the commands that the parent can send."""

    def __init__(
        self,
        momento: MomentoServer,
        keys_api: KeysApi,
        aws: AwsServer | MiniStackServer,
        rotations: Rotations | None,
        faults: Faults,
    ) -> None:
        self._momento, self._aws, self._faults = momento, aws, faults
        self._keys_api, self._rotations = keys_api, rotations
        self._kept: list[Callable[[], None]] = []

    def issue(self, kind: str = "v2") -> str:
        """A new accepted API key, as Momento's console would give it; `kind` is "v2" or "v1"."""
        api_key = new_api_key(kind)
        self._momento.accept(api_key)
        return api_key

    def revoke(self, api_key: str) -> None:
        self._momento.revoke(api_key)

    def accept(self, api_key: str) -> None:
        """Take back a revocation."""
        self._momento.accept(api_key)

    def accepts(self, api_key: str) -> bool:
        return self._momento.accepts(api_key)

    def issue_manager(self) -> str:
        """A new API key that may manage keys, over Momento's HTTP API, which is at the path /api-keys of `aws`."""
        return self._keys_api.issue_manager()

    def deploy_function(self, file: str, environment: dict[str, str]) -> str:
        """Deploy a plain file as a Lambda function; its ARN. One of the same name is replaced, permissions included."""
        if self._rotations is None:
            raise ValueError("choose the other AWS engine to deploy functions")
        return self._rotations.functions.deploy(file, environment)

    def function_log(self, arn: str) -> list[tuple[str, str]]:
        """What happened so far: steps with what the function said, and the events of a rotation."""
        function = self._rotations.functions.get(arn) if self._rotations else None
        if function is None:
            raise ValueError("deploy the function first")
        return function.log

    def add_fault(self, **fault) -> None:
        """Put a fault in force: see `sandbox.faults.Fault` for the words."""
        self._faults.add(**fault)
        if fault.get("error") == REFUSED:
            self._aws.refuse()

    def clear_faults(self) -> None:
        self._faults.clear()
        self._aws.accept()

    def add_distance(self, round_trip: float, handshake: float) -> None:
        """Let calls travel so long from now on, in seconds: a round trip each, a handshake for a new connection."""
        self._faults.add_distance(round_trip, handshake)

    def keep(self) -> None:
        """Keep what is there now, secrets and accepted API keys, for `put_back`."""
        put_secrets_back, accepted = self._aws.keep(), set(self._momento.accepted)

        def put_back() -> None:
            put_secrets_back()
            self._momento.accepted |= accepted

        self._kept.append(put_back)

    def put_back(self) -> None:
        """Make the secrets what they were at the last `keep`, accept the keys of then, and end all faults."""
        self.clear_faults()
        self._kept.pop()()

    def start_over(self) -> str:
        """As if it had just started: nothing at AWS, empty caches, no fault, nothing counted. The one key it accepts."""
        if self._rotations is None:
            raise ValueError("choose the other AWS engine to start over")
        self.clear_faults()
        self._faults.start_over()
        self._rotations.start_over()
        self._momento.start_over(CACHES)
        self._keys_api.start_over()
        self._kept.clear()
        return self.issue()

    def seen(self) -> dict[str, int]:
        """Calls that arrived so far, by `service.operation`."""
        return self._faults.seen()

    def connections(self) -> dict[str, int]:
        """TCP connections that carried calls so far, by service."""
        return self._faults.connections()

    def clients(self) -> int:
        """Momento cache clients that have made calls so far."""
        return self._faults.clients()

    def answer(self, line: str) -> dict:
        try:
            command = json.loads(line)
            name = command.pop("do")
            if name.startswith("_") or name == "answer" or not hasattr(self, name):
                raise ValueError(f"There is no command {name!r}.")
            return {"result": getattr(self, name)(**command)}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return {"error": f"The sandbox did not understand the command ({type(error).__name__}: {error})."}


def _moto(access_key: str, endpoint: str | None, faults: Faults, keys_api: KeysApi) -> tuple[AwsServer, Rotations]:
    # Each engine is imported where it is chosen: MiniStack must find its own botocore, and no other loaded yet.
    try:
        from .aws import AwsServer
        from .rotation import Rotations
    except ModuleNotFoundError as error:
        _end_without(error)
    aws = AwsServer(faults, access_key, endpoint)
    aws.momento_keys = keys_api
    aws.answers = rotations = Rotations(aws.answers, aws.url, Functions())
    return aws, rotations


def _ministack(access_key: str, faults: Faults) -> MiniStackServer:
    from .ministack import MiniStackServer, how_to_install

    try:
        return MiniStackServer(faults, access_key)
    except ModuleNotFoundError as error:
        sys.exit(
            f"MiniStack, which plays IAM, is not installed here (no package {error.name!r}): "
            f"run `make lab`, or, in an environment of your own, {how_to_install()}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__.splitlines()[0])
    parser.add_argument("--api-key", action="append", default=[], metavar="KEY", help="also accept this API key")
    parser.add_argument(
        "--aws-engine",
        choices=["moto", "ministack"],
        default="moto",
        help="what plays AWS: ministack decides by IAM policies",
    )
    parser.add_argument(
        "--aws-access-key",
        metavar="KEY",
        default=f"sandbox{token_hex(16)}",
        help="the access key that AWS accepts, and its secret; without it a new one",
    )
    parser.add_argument(
        "--aws-endpoint",
        metavar="URL",
        help="let this endpoint play AWS, behind the sandbox's faults",
    )
    arguments = parser.parse_args()

    faults = Faults()
    momento = MomentoServer(CACHES, faults)
    keys_api, key = KeysApi(momento), arguments.aws_access_key
    aws: AwsServer | MiniStackServer
    rotations: Rotations | None = None
    if arguments.aws_engine == "moto" or arguments.aws_endpoint:
        aws, rotations = _moto(key, arguments.aws_endpoint, faults, keys_api)
    else:
        aws = _ministack(key, faults)
    door = Door(momento, keys_api, aws, rotations, faults)
    for api_key in arguments.api_key:
        momento.accept(api_key)
    ready = {
        "aws": aws.url,
        "aws_access_key": arguments.aws_access_key,
        "momento": f"127.0.0.1:{momento.port}",
        "api_key": door.issue(),
        "momento_endpoint": ENDPOINT,
        "caches": CACHES,
        "pid": os.getpid(),
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(door.answer(line)), flush=True)
    os._exit(0)  # at once, whatever calls are under way: nobody is left to answer


if __name__ == "__main__":
    main()
