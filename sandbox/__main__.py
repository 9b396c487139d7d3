"""`python -m sandbox`: both services in one process, on ephemeral ports of 127.0.0.1.

Prints one JSON line with `aws` (URL), `aws_access_key` (its secret is the same text), `momento` (`host:port`), `momento_proxy`
(URL) and `momento_roots` (a file) for other programs, `api_key`, `momento_endpoint`, `caches` and `pid`, then serves until its standard input closes. Each JSON line on that input is a
command: `do` names a method of `sandbox.commands.StandIns`, the rest are its arguments. One line is the answer.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from secrets import token_hex
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .commands import StandIns


def answer(stand_ins: StandIns, line: str) -> dict[str, Any]:
    """Carry out one command."""
    try:
        command = json.loads(line)
        name = command.pop("do")
        if name.startswith("_") or not hasattr(stand_ins, name):
            raise ValueError(f"There is no command {name!r}.")
        return {"result": getattr(stand_ins, name)(**command)}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return {"error": f"The sandbox did not understand the command ({type(error).__name__}: {error})."}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description="Both services in one process.")
    parser.add_argument("--api-key", action="append", default=[], metavar="KEY", help="also accept this API key")
    parser.add_argument(
        "--aws-engine",
        choices=["moto", "ministack"],
        default="moto",
        help="what answers for AWS: ministack decides by IAM policies",
    )
    arguments = parser.parse_args()
    access_key = f"sandbox{token_hex(16)}"
    try:
        from .api_keys import ENDPOINT
        from .aws_server import AwsServer
        from .commands import CACHES, StandIns
        from .momento_server import MomentoServer

        stand_ins = StandIns(access_key, arguments.aws_engine)
    except ModuleNotFoundError as error:
        sys.exit(_how_to_install(error, arguments.aws_engine))
    for api_key in arguments.api_key:
        stand_ins.accept(api_key)
    momento = MomentoServer(stand_ins.momento, stand_ins.gate)
    roots, file = tempfile.mkstemp(prefix="sandbox-", suffix=".pem")
    os.write(roots, momento.certificate)
    os.close(roots)
    ready = {
        "aws": AwsServer(stand_ins.aws, stand_ins.gate).url,
        "aws_access_key": access_key,
        "momento": f"127.0.0.1:{momento.port}",
        "momento_proxy": f"http://127.0.0.1:{momento.proxy_port}",
        "momento_roots": file,
        "api_key": stand_ins.issue(),
        "momento_endpoint": ENDPOINT,
        "caches": CACHES,
        "pid": os.getpid(),
    }
    print(json.dumps(ready), flush=True)
    for line in sys.stdin:
        print(json.dumps(answer(stand_ins, line)), flush=True)
    os.unlink(file)
    os._exit(0)  # immediately, whatever calls are under way: their caller is gone


def _how_to_install(error: ModuleNotFoundError, engine: str) -> str:
    if engine == "moto":
        return (
            f"{sys.executable} has no package {error.name!r}: run `make lab`, and use the Python in .venv that it made."
        )
    from .ministack import how_to_install

    return (
        f"MiniStack, which emulates IAM, is not installed here (no package {error.name!r}): "
        f"run `make lab`, or, in an environment of your own, {how_to_install()}"
    )


if __name__ == "__main__":
    main()
