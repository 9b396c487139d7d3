"""`connect()`: the sandbox or live, said in a banner; it gives the token, the credentials and the ledger."""

from __future__ import annotations

import os
import re
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from sandbox.network_distance import DISTANCES
from sandbox.processes import Sandbox, new_sandbox, plain
from sandbox.run_plain_file import MOMENTO_ADDRESS, at_address

from .display import Note, PlainError

if TYPE_CHECKING:
    from momento import CredentialProvider

    from momento_token import Kind, Token

    from .ledger import Ledger

REGION = "us-west-2"  # the region of Momento's own example
TAGS = [{"Key": "created-by", "Value": "momento-secrets-tutorial"}]  # on all that we create, so that it can be found
_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

ENGINES = {
    "moto": "Secrets Manager: a local stand-in (moto)",
    "ministack": "Secrets Manager and IAM: a local stand-in (MiniStack) that decides by policies",
}
ENGINE = "TUTORIAL_AWS_ENGINE"  # the one that every notebook uses, if it doesn't name one
ROTATION_ENDS = ("RotationSucceeded", "RotationFailed", "RotationAbandoned")
ROTATION_SECONDS = 60  # more than three attempts of four steps take, a cold start included

_current: Cloud | None = None


class CloudError(PlainError):
    """The cloud can't be reached as asked. The message is one sentence that names the cause and the fix."""


class Cloud:
    """What `connect()` gives: the sandbox or the real clouds, behind the same words."""

    def __init__(
        self, mode: str, momento_endpoint: str, ledger: Ledger, sandbox: Sandbox | None, banner: Note, engine: str = ""
    ) -> None:
        self.mode, self.momento_endpoint, self.ledger = mode, momento_endpoint, ledger
        self._sandbox, self._banner, self._engine = sandbox, banner, engine

    @property
    def momento_address(self) -> str | None:
        """Return `host:port` of a local Momento; None when Momento is the real one."""
        return self._sandbox.momento if self._sandbox else os.environ.get(MOMENTO_ADDRESS)

    @property
    def api_key(self) -> Token:
        """Return your API key, as Momento's console shows it once: live from MOMENTO_API_KEY, else the sandbox's own.

        Raises `CloudError` if that variable is missing.
        """
        key = self._sandbox.api_key if self._sandbox else os.environ.get("MOMENTO_API_KEY")
        if not key:
            raise CloudError(
                "MOMENTO_API_KEY is not set: copy an API key from Momento's console into it and connect again."
            )
        return _token(key)

    def credentials_from(self, token: str) -> CredentialProvider:
        """Return the credential provider for this token, a v2, v1 or legacy key; white space around it does no harm.

        Raises `momento_token.TokenError`, which names the cause, if it is none of these.
        """
        from momento import CredentialProvider

        token = token.strip() if isinstance(token, str) else token
        if kind_of(token).name == "v2":
            provider = CredentialProvider.from_api_key_v2(token, self.momento_endpoint)
        else:
            provider = CredentialProvider.from_disposable_token(token)
        return at_address(provider, self.momento_address) if self.momento_address else provider

    def ensure_secret(self, name: str) -> None:
        """Create the secret that notebook 01 creates, if it isn't there: each notebook has a sandbox of its own.

        Raises `CloudError` if a secret of this name waits for its deletion.
        """
        import boto3

        client = boto3.client("secretsmanager")
        try:
            client.create_secret(Name=name, SecretString=self.api_key, Tags=TAGS)
        except (client.exceptions.ResourceExistsException, client.exceptions.InvalidRequestException) as error:
            if "DeletedDate" in client.describe_secret(SecretId=name):  # AWS sends the second, moto the first
                raise CloudError(
                    f"The secret {name} waits for its deletion: "
                    f'run `boto3.client("secretsmanager").restore_secret(SecretId="{name}")` to have it back.'
                ) from None
            if isinstance(error, client.exceptions.InvalidRequestException):
                raise

    def issue_api_key(self, kind: str = "v2") -> Token:
        """Return one more accepted key, `kind` "v2" or "v1". Sandbox only: live, this is a click in Momento's console."""
        if kind not in ("v2", "v1"):
            raise CloudError(f"The sandbox issues no {kind!r} keys: choose 'v2' or 'v1'.")
        return _token(self._ask("issue", kind=kind))

    def revoke_api_key(self, api_key: str) -> None:
        """Refuse calls with this key from now on. Sandbox only."""
        self._ask("revoke", api_key=api_key)

    def deploy_function(self, file: str, **environment: str) -> str:
        """Deploy a plain file as a Lambda function and return its ARN. Sandbox only: live, `deploy/` has templates.

        One of the same name is replaced, with its permissions. The function runs in a process of its own, with this
        environment and with what leads its SDKs to the sandbox.
        """
        leading = self.program_environment() | environment
        return str(self._ask("deploy_function", file=str(plain(file)), environment=leading))

    def program_environment(self) -> dict[str, str]:
        """Return the variables by which a program in any language reaches the same AWS and Momento as this kernel.

        It calls them as in production: AWS's SDKs read the endpoint, gRPC its proxy and the certificates to trust.
        """
        leading = {name: text for name, text in os.environ.items() if name.startswith(("AWS_", "MOMENTO_"))}
        leading |= {name: os.environ[name] for name in ("NO_PROXY", "no_proxy") if name in os.environ}
        leading |= {"MOMENTO_ENDPOINT": self.momento_endpoint, "GRPC_VERBOSITY": "ERROR"}
        return leading | (self._sandbox.proxied if self._sandbox else {})

    def rotation_log(self, function: str) -> list[tuple[str, str]]:
        """Wait for the end of the rotation that was started last with this function, and return what happened.

        Each line is a step and what the function said, or an event of Secrets Manager. Sandbox only: live, the first are
        in CloudWatch Logs, the second in CloudTrail. Raises `CloudError` if there is no rotation, or it doesn't end.
        """
        end = time.monotonic() + ROTATION_SECONDS
        while time.monotonic() < end:
            log = [(what, said) for what, said in self._ask("function_log", arn=function)]
            starts = [at for at, (what, _) in enumerate(log) if what == "RotationStarted"]
            if not starts:  # it is noted before RotateSecret returns
                break
            if log[-1][0] in ROTATION_ENDS:
                return log[starts[-1] :]
            time.sleep(0.05)
        raise CloudError("No rotation has ended: start one with `sm.rotate_secret(...)`.")

    def add_fault(self, service: str, operation: str = "*", **fault: Any) -> None:
        """Let calls to `service`, "aws" or "momento", meet this fault until faults are cleared. Sandbox only.

        `delay` (seconds) is added to each call; `error` is its response: an AWS error code, the name of a gRPC status,
        "CONNECTION_LOST" or "CONNECTION_DROPPED", with a `message`. With `per_second` only calls beyond that many get
        the error; after that many `times`, or `seconds`, the fault ends.
        """
        self._ask("add_fault", service=service, operation=operation, **fault)

    def clear_faults(self) -> None:
        """End all faults. Sandbox only."""
        self._ask("clear_faults")

    def add_distance(self, name: str) -> Note:
        """Let calls take as long as if both services were that far away, until this is called again. Sandbox only.

        `name` is a row of `sandbox.network_distance.DISTANCES`. Each call takes a round trip longer, the first one of a
        connection more. Clearing faults doesn't change it.
        """
        distance = DISTANCES.get(name)
        if distance is None:
            raise CloudError(f"There is no distance {name!r}: choose one of {', '.join(DISTANCES)}.")
        self._ask("add_distance", round_trip=distance.round_trip, handshake=distance.handshake)
        return Note(distance.title(name), *distance.lines())

    def calls_seen(self) -> Counter[str]:
        """Return the number of calls that arrived, by `service.operation`; an independent check of the ledger. Sandbox only."""
        return Counter(self._ask("seen"))

    def connections_seen(self) -> dict[str, int]:
        """Return the number of TCP connections that carried calls, for "aws" and "momento". Sandbox only."""
        return dict(self._ask("connections"))

    def clients_seen(self) -> int:
        """Return the number of Momento cache clients that made calls, however they are configured. Sandbox only."""
        return int(self._ask("clients"))

    def close(self) -> None:
        """End the sandbox and the ledger. A kernel need not call it: the sandbox ends with the kernel."""
        global _current
        if _current is self:
            _current = None
        self.ledger.stop()
        if self._sandbox:
            self._sandbox.close()

    def _serves(self, mode: str, engine: str) -> bool:
        """Tell whether this is the connection asked for, and still alive."""
        return (self.mode, self._engine) == (mode, engine) and (self._sandbox is None or self._sandbox.alive)

    def _ask(self, command: str, **arguments: Any) -> Any:
        if self._sandbox is None:
            raise CloudError("This works in the sandbox only: unset TUTORIAL_CLOUD and restart the kernel.")
        return self._sandbox.ask(command, **arguments)

    def _repr_html_(self) -> str:
        return self._banner._repr_html_()

    def __repr__(self) -> str:
        return repr(self._banner)


def _token(text: str) -> Token:
    from momento_token import Token  # not above: it imports the SDKs, which a kernel does while its sandbox starts

    return Token(text)


def kind_of(token: object) -> Kind:
    """Return the kind of this key, as `momento_token.check` does; a format that the SDK can't read is an error, too."""
    from momento_token import TokenError, check

    kind = check(token)
    if kind.name == "unknown":
        raise TokenError(
            "The token is no API key of a format that the Momento SDK reads: copy the whole key again from Momento's console."
        )
    return kind


def connect(aws_engine: str = "") -> Cloud:
    """Connect this kernel to the sandbox, or with TUTORIAL_CLOUD=live to the real AWS and the real Momento.

    After it, `boto3.client("secretsmanager")` needs no arguments. A second call returns the same connection while it is
    alive. `aws_engine` answers for AWS in the sandbox: "moto", or "ministack", which decides by IAM policies; without it
    the variable TUTORIAL_AWS_ENGINE decides. A notebook that names one runs in the sandbox only. Raises `CloudError` or
    `sandbox.processes.SandboxError`, each with one sentence that names cause and fix.
    """
    global _current
    mode, engine = chosen_mode(), aws_engine or os.environ.get(ENGINE) or "moto"
    if engine not in ENGINES:  # said before anything that runs is closed
        raise CloudError(
            f"There is no AWS engine {engine!r}, no program that answers for AWS: choose one of {', '.join(ENGINES)}. "
            "To go live, set TUTORIAL_CLOUD=live before you start JupyterLab."
        )
    if mode == "live" and aws_engine:
        os.environ["AWS_PROFILE"] = "this-notebook-runs-in-the-sandbox-only"  # nor do cells below reach an account
        _forget_default_session()
        raise CloudError("This notebook runs in the sandbox only: unset TUTORIAL_CLOUD and restart the kernel.")
    engine = engine if mode == "sandbox" else ""
    if _current and _current._serves(mode, engine):
        return _current
    if _current:
        _current.close()
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")  # else a shell command in a cell makes gRPC print a warning
    _current = _connect_live() if mode == "live" else _connect_sandbox(engine)
    from .closed_clients import refuse_closed_clients

    refuse_closed_clients()
    return _current


def chosen_mode() -> str:
    """Return what TUTORIAL_CLOUD says: "sandbox", also if it isn't set, or "live". Raises `CloudError` for all else."""
    mode = os.environ.get("TUTORIAL_CLOUD", "sandbox").strip().lower()
    if mode not in ("sandbox", "live"):
        raise CloudError(f"TUTORIAL_CLOUD is {mode!r}: unset it for the sandbox, or set it to 'live'.")
    if mode == "live" and (why := os.environ.get("TUTORIAL_LIVE_REFUSED")):  # a hub sets it
        raise CloudError(why)
    return mode


def _connect_sandbox(engine: str) -> Cloud:
    sandbox = new_sandbox(engine)
    ledger = _new_ledger()  # imports boto3 and momento while the child starts
    sandbox.wait_until_ready()
    _isolate(sandbox)
    _forget_default_session()
    ledger.watch_aws()
    banner = Note(
        "Sandbox. Nothing leaves this machine, nothing costs money.",
        f"AWS {ENGINES[engine]}, region {REGION}",
        "Momento Cache and Topics: a local stand-in that speaks Momento's protocol",
        mood="good",
    )
    return Cloud("sandbox", sandbox.momento_endpoint, ledger, sandbox, banner, engine)


def _connect_live() -> Cloud:
    ledger = _new_ledger()
    from .live import reach_aws  # it imports this module

    momento_endpoint = os.environ.get("MOMENTO_ENDPOINT", "")
    if not _HOST_NAME.fullmatch(momento_endpoint):
        raise CloudError(
            "MOMENTO_ENDPOINT is not set to a host name: "
            "copy it from Momento's console, without https:// and without spaces."
        )
    endpoint, region = reach_aws()
    _forget_default_session()
    ledger.watch_aws()
    banner = Note(
        "Live. This uses your AWS account and your Momento account, and costs money.",
        f"AWS Secrets Manager: {endpoint}, region {region}",
        f"Momento: {os.environ.get(MOMENTO_ADDRESS, momento_endpoint)}",
        mood="bad",
    )
    return Cloud("live", momento_endpoint, ledger, None, banner)


def _new_ledger() -> Ledger:
    try:
        from .ledger import Ledger
    except ModuleNotFoundError as error:
        raise CloudError(
            f"This Python ({sys.executable}) has no package {error.name!r}: "
            "start the notebooks by `make lab`, or choose the kernel that it made."
        ) from None
    return Ledger()


def _forget_default_session() -> None:
    """Let the next `boto3.client()` read the environment again, also if a cell above has used boto3 already."""
    import boto3

    boto3.DEFAULT_SESSION = None


def _isolate(sandbox: Sandbox) -> None:
    """Leave nothing in the environment that could lead an SDK off this machine or to real credentials."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name == "MOMENTO_API_KEY"]:
        del os.environ[name]
    direct = ",".join(filter(None, [os.environ.get("no_proxy") or os.environ.get("NO_PROXY"), "127.0.0.1"]))
    os.environ.update(
        AWS_ENDPOINT_URL=sandbox.aws,
        AWS_ACCESS_KEY_ID=sandbox.aws_access_key,
        AWS_SECRET_ACCESS_KEY=sandbox.aws_access_key,
        AWS_DEFAULT_REGION=REGION,
        AWS_REGION=REGION,
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        MOMENTO_ENDPOINT=sandbox.momento_endpoint,
        NO_PROXY=direct,
        no_proxy=direct,
    )
