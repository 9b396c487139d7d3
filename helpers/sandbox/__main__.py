"""`python -m helpers.sandbox`: both endpoints in one process.

Prints one JSON line with `aws` (URL), `aws_access_key` (its secret is the same text), `momento` (`host:port`), `api_key`, `momento_endpoint`, `caches` and `pid`, then
serves until its standard input closes. Each JSON line on that input is a command of `Door`, answered by one line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from secrets import token_hex
from typing import TYPE_CHECKING

try:
    from .aws import AwsServer
    from .faults import REFUSED, Faults
    from .keys import ENDPOINT, new_api_key
    from .momento import MomentoServer
except ModuleNotFoundError as error:
    sys.exit(
        f"{sys.executable} has no package {error.name!r}: run `make lab`, and use the Python in .venv that it made."
    )

if TYPE_CHECKING:
    from .ministack import MiniStackServer

CACHES = ["tutorial"]


class Door:
    """The control door: its public methods are the commands that the parent can send."""

    def __init__(
        self, momento: MomentoServer, aws: AwsServer | MiniStackServer, faults: Faults
    ) -> None:
        self._momento, self._aws, self._faults = momento, aws, faults

    def issue(self, kind: str = "v2") -> str:
        """A new accepted API key, as Momento's console would give it; `kind` is "v2" or "v1"."""
        api_key = new_api_key(kind)
        self._momento.accept(api_key)
        return api_key

    def revoke(self, api_key: str) -> None:
        self._momento.revoke(api_key)

    def add_fault(self, **fault) -> None:
        """Put a fault in force: see `helpers.sandbox.faults.Fault` for the words."""
        self._faults.add(**fault)
        if fault.get("error") == REFUSED:
            self._aws.refuse()

    def clear_faults(self) -> None:
        self._faults.clear()
        self._aws.accept()

    def seen(self) -> dict[str, int]:
        """Calls that arrived so far, by `service.operation`."""
        return self._faults.seen()

    def connections(self) -> dict[str, int]:
        """TCP connections that carried calls so far, by service."""
        return self._faults.connections()

    def answer(self, line: str) -> dict:
        try:
            command = json.loads(line)
            name = command.pop("do")
            if name.startswith("_") or name == "answer" or not hasattr(self, name):
                raise ValueError(f"There is no command {name!r}.")
            return {"result": getattr(self, name)(**command)}
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            return {
                "error": f"The sandbox did not understand the command ({type(error).__name__}: {error})."
            }


def _aws_server(
    engine: str, access_key: str, endpoint: str | None, faults: Faults
) -> AwsServer | MiniStackServer:
    if engine == "moto" or endpoint:
        return AwsServer(faults, access_key, endpoint)
    from .ministack import MiniStackServer

    try:
        return MiniStackServer(faults, access_key)
    except ModuleNotFoundError as error:
        sys.exit(
            f"MiniStack, which plays IAM, is not installed here (no package {error.name!r}): "
            "run `make lab`, or `pip install ministack` in this environment"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m helpers.sandbox", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--api-key", action="append", default=[], metavar="KEY", help="also accept this API key"
    )
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
    aws = _aws_server(
        arguments.aws_engine, arguments.aws_access_key, arguments.aws_endpoint, faults
    )
    door = Door(momento, aws, faults)
    for key in arguments.api_key:
        momento.accept(key)
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
