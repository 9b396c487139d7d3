"""Put the stand-ins together, without what carries their calls, and carry out the commands of the kernel that owns them."""

from __future__ import annotations

from typing import Any

from .api_keys import header_value, new_api_key
from .aws_responses import Moto, Service, forget_secrets
from .functions import Functions
from .gate import AWS, MOMENTO, Gate
from .momento_responses import Momento

CACHES = ["tutorial"]


class StandIns:
    """One AWS account and one Momento account behind one gate. The public methods are the commands of their kernel.

    `access_key` is AWS's access key and its secret; `engine` answers for AWS: "moto", or "ministack", which decides by
    IAM policies. Raises `ModuleNotFoundError` if that isn't installed.
    """

    def __init__(self, access_key: str, engine: str = "moto") -> None:
        self._engine = engine
        self.gate, self.momento = Gate(), Momento(CACHES)
        self.gate.accept(AWS, access_key)
        service: Service
        if engine == "moto":
            service = Moto()
        else:
            from .ministack import MiniStack

            service = MiniStack(self.gate, access_key)
        from .rotation import Rotations  # after MiniStack, which has to load its own botocore first

        self._functions = Functions()
        self.aws = Rotations(service, access_key, self._functions)

    def issue(self, kind: str = "v2") -> str:
        """Return a new accepted API key, as Momento's console would give it; `kind` is "v2" or "v1"."""
        api_key = new_api_key(kind)
        self.accept(api_key)
        return api_key

    def accept(self, api_key: str) -> None:
        self.gate.accept(MOMENTO, header_value(api_key))

    def revoke(self, api_key: str) -> None:
        """Deny calls with this key from now on."""
        self.gate.revoke(header_value(api_key))

    def deploy_function(self, file: str, environment: dict[str, str]) -> str:
        """Deploy a plain file as a Lambda function and return its ARN. One of the same name is replaced."""
        return self._functions.deploy(file, environment)

    def function_log(self, arn: str) -> list[tuple[str, str]]:
        """Return what happened so far: steps with what the function said, and the events of a rotation."""
        function = self._functions.get(arn)
        if function is None:
            raise ValueError("deploy the function first")
        return function.log

    def add_fault(self, **fault: Any) -> None:
        """Put a fault in force: see `sandbox.gate.Fault` for the words."""
        self.gate.add_fault(**fault)

    def clear_faults(self) -> None:
        self.gate.clear_faults()

    def add_distance(self, round_trip: float, handshake: float) -> None:
        """Make each call take a round trip longer, in seconds, and the first one of a connection a handshake more."""
        self.gate.add_distance(round_trip, handshake)

    def start_over(self) -> str:
        """Be as new: no secret, empty caches, no fault, nothing counted. Return a new API key; older ones are still accepted."""
        if self._engine != "moto":
            raise ValueError("only moto starts over")
        self.gate.start_over()
        self.aws.start_over()
        self.momento.start_over(CACHES)
        forget_secrets()
        return self.issue()

    def seen(self) -> dict[str, int]:
        """Return the number of calls that arrived so far, by `service.operation`."""
        return self.gate.calls()

    def connections(self) -> dict[str, int]:
        """Return the number of TCP connections that carried calls so far, by service."""
        return self.gate.connections()

    def clients(self) -> int:
        """Return the number of Momento cache clients that made calls so far."""
        return self.gate.clients()
