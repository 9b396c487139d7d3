"""`connect()`: sandbox or live, said in a banner; it gives the token, the credentials and the ledger."""

from __future__ import annotations

import os
import re
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from sandbox.distance import DISTANCES
from sandbox.faults import FAULT_MESSAGE
from sandbox.plain_file import MOMENTO_ADDRESS, at_address
from sandbox.processes import Sandbox

from .display import Note, PlainError

if TYPE_CHECKING:
    from momento import CredentialProvider

    from momento_token import Kind, Token

    from .ledger import Ledger

REGION = "us-west-2"  # the region of Momento's own example
# On all that we create, so that it can be found.
TAGS = [{"Key": "created-by", "Value": "momento-secrets-tutorial"}]

_SERVICE_ENDPOINT = (
    "AWS_ENDPOINT_URL_SECRETS_MANAGER"  # the one name of these that boto3 reads for Secrets Manager alone
)
_AWS_ENDPOINTS = (_SERVICE_ENDPOINT, "AWS_ENDPOINT_URL_SECRETSMANAGER", "AWS_ENDPOINT_URL")
# Tell our own endpoint from one that the learner has set, and remember that for a second `connect()`.
_OURS, _THEIRS = "TUTORIAL_SANDBOX_URL", "TUTORIAL_AWS_ENDPOINT"
_HOST_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")

AWS_ENGINES = ("moto", "ministack")
ENDS = ("RotationSucceeded", "RotationFailed", "RotationAbandoned")
ROTATION_SECONDS = 60  # more than three attempts of four steps take, a cold start included

_current: Cloud | None = None


class CloudError(PlainError):
    """The cloud can't be reached as asked. The message is one sentence that names the cause and the fix."""


class Cloud:
    """What `connect()` gives: the sandbox or the real clouds, behind the same words."""

    def __init__(
        self,
        mode: str,
        momento_endpoint: str,
        ledger: Ledger,
        sandbox: Sandbox | None,
        banner: Note,
        aws_engine: str = "moto",
    ) -> None:
        self.mode = mode
        self._aws_engine = aws_engine
        self.momento_endpoint = momento_endpoint
        self.ledger = ledger
        self._sandbox = sandbox
        self._banner = banner

    @property
    def momento_address(self) -> str | None:
        """`host:port` of a local Momento; None when Momento is the real one."""
        return self._sandbox.momento if self._sandbox else os.environ.get(MOMENTO_ADDRESS)

    @property
    def api_key(self) -> Token:
        """Your API key as Momento's console would show it once: live from MOMENTO_API_KEY, else the sandbox's own.

        Raises `CloudError` if that variable is missing.
        """
        if self._sandbox:
            return _token(self._sandbox.api_key)
        if key := os.environ.get("MOMENTO_API_KEY"):
            return _token(key)
        raise CloudError(
            "MOMENTO_API_KEY is not set: copy an API key from Momento's console into it and connect again."
        )

    def credentials_from(self, token: str) -> CredentialProvider:
        """The credential provider for this token, a v2, v1 or legacy key; white space around it does no harm.

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

        On an endpoint of the learner's it may be there with the key of a sandbox that has ended: then it gets this one's.
        """
        import boto3

        client = boto3.client("secretsmanager")
        try:
            client.create_secret(Name=name, SecretString=self.api_key, Tags=TAGS)
        except client.exceptions.ResourceExistsException:
            if self._sandbox and os.environ.get(_THEIRS):
                client.put_secret_value(SecretId=name, SecretString=self.api_key)

    def issue_api_key(self, kind: str = "v2") -> Token:
        """Sandbox only: one more accepted key, `kind` "v2" or "v1". Live, this is a click in Momento's console."""
        sandbox = self._need_sandbox("Issuing an API key")
        if kind not in ("v2", "v1"):
            raise CloudError(f"The sandbox issues no {kind!r} keys: choose 'v2' or 'v1'.")
        return _token(sandbox.ask("issue", kind=kind))

    def revoke_api_key(self, api_key: str) -> None:
        """Sandbox only: calls with this key fail from now on."""
        self._need_sandbox("Revoking an API key").ask("revoke", api_key=api_key)

    def accept_api_key(self, api_key: str) -> None:
        """Sandbox only: take back a revocation, as no console can; calls with this key work again."""
        self._need_sandbox("Accepting a revoked API key").ask("accept", api_key=api_key)

    def accepts_api_key(self, api_key: str) -> bool:
        """Sandbox only: would a call with this key be answered?"""
        return bool(self._need_sandbox("Asking for keys").ask("accepts", api_key=api_key))

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Sandbox only: after the block its secrets are what they were, keys accepted again, and faults cleared."""
        sandbox = self._need_sandbox("Undoing what was done")
        sandbox.ask("keep")
        try:
            yield
        finally:
            sandbox.ask("put_back")

    def issue_key_manager(self) -> Token:
        """Sandbox only: an API key that may make and revoke keys. Live, its role is made in Momento's console."""
        return _token(self._need_sandbox("Issuing an API key").ask("issue_manager"))

    def deploy_function(self, file: str, **environment: str) -> str:
        """Sandbox only: deploy a plain file as a Lambda function and return its ARN. Live, `deploy/` has templates.

        One that was deployed under this name before is replaced, with its permissions. The function runs in a process
        of its own, with this environment, and with what leads its SDKs to the sandbox.
        """
        sandbox = self._need_sandbox("Deploying a function")
        path = Path(file).resolve()
        if not path.is_file():
            raise CloudError(f"There is no file {file}: see whether its name is right.")
        ours = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "MOMENTO_"))}
        ours |= {MOMENTO_ADDRESS: sandbox.momento, "MOMENTO_KEYS_URL": sandbox.aws}
        proxies = {"NO_PROXY": os.environ["NO_PROXY"], "no_proxy": os.environ["no_proxy"]}
        environment = {**ours, **proxies, "GRPC_VERBOSITY": "ERROR", **environment}
        return str(sandbox.ask("deploy_function", file=str(path), environment=environment))

    def rotation_log(self, function: str) -> list[tuple[str, str]]:
        """Sandbox only: wait for the end of the rotation that was started last with this function, and what happened.

        Each line is a step and what the function said, or an event of Secrets Manager. Live, the first are in CloudWatch
        Logs, the second in CloudTrail. Raises `CloudError` if it doesn't end.
        """
        sandbox = self._need_sandbox("Reading the log of a rotation")
        end = time.monotonic() + ROTATION_SECONDS
        while time.monotonic() < end:
            log = [(what, said) for what, said in sandbox.ask("function_log", arn=function)]
            starts = [at for at, (what, _) in enumerate(log) if what.endswith("RotationStarted")]
            if not starts:  # it is noted before RotateSecret answers
                break
            if log[-1][0].endswith(ENDS):
                return log[starts[-1] :]
            time.sleep(0.05)
        raise CloudError("No rotation has ended: start one with `sm.rotate_secret(...)`.")

    def add_fault(
        self,
        service: str,
        operation: str = "*",
        *,
        delay: float = 0.0,
        error: str = "",
        message: str = FAULT_MESSAGE,
        per_second: int = 0,
        times: int | None = None,
        seconds: float | None = None,
    ) -> None:
        """Sandbox only: from now on calls to `service`, "aws" or "momento", meet this fault, until faults are cleared.

        `delay` (seconds) is added to each call; `error` answers it: an AWS error code, the name of a gRPC status,
        "CONNECTION_REFUSED" or "CONNECTION_DROPPED". With `per_second` only calls beyond that many get the error;
        after so many `times`, or `seconds`, the fault ends.
        """
        self._need_sandbox("Setting a fault").ask(
            "add_fault",
            service=service,
            operation=operation,
            delay=delay,
            error=error,
            message=message,
            per_second=per_second,
            times=times,
            seconds=seconds,
        )

    def clear_faults(self) -> None:
        self._need_sandbox("Clearing faults").ask("clear_faults")

    def add_distance(self, name: str) -> Note:
        """Sandbox only: let calls take as long as if both services were so far away, until this is called again.

        `name` is a row of `sandbox.distance.DISTANCES`. Each call takes a round trip longer, the first one of a
        connection more. Clearing faults doesn't change it.
        """
        sandbox = self._need_sandbox("Adding a distance")
        distance = DISTANCES.get(name)
        if distance is None:
            raise CloudError(f"There is no distance {name!r}: choose one of {', '.join(DISTANCES)}.")
        sandbox.ask("add_distance", round_trip=distance.round_trip, handshake=distance.handshake)
        return Note(distance.title(name), *distance.lines())

    def calls_seen(self) -> Counter[str]:
        """Sandbox only: how many calls arrived there, by `service.operation`; an independent check of the ledger."""
        return Counter(self._need_sandbox("Counting calls at the other end").ask("seen"))

    def connections_seen(self) -> dict[str, int]:
        """Sandbox only: how many TCP connections carried calls there so far, for "aws" and "momento"."""
        sandbox = self._need_sandbox("Counting connections at the other end")
        seen: dict[str, int] = sandbox.ask("connections")
        return seen

    def clients_seen(self) -> int:
        """Sandbox only: how many Momento cache clients have made calls there so far, however they are configured."""
        return int(self._need_sandbox("Counting clients at the other end").ask("clients"))

    def close(self) -> None:
        """End the sandbox and the ledger. A kernel need not call it: the sandbox ends with the kernel."""
        global _current
        if _current is self:
            _current = None
        self.ledger.stop()
        if self._sandbox:
            self._sandbox.close()

    def _serves(self, mode: str, aws_engine: str) -> bool:
        """Is this the connection asked for, and still alive?"""
        alive = self._sandbox is None or self._sandbox.alive
        return alive and (self.mode, self._aws_engine) == (mode, aws_engine)

    def _need_sandbox(self, what: str) -> Sandbox:
        if self._sandbox is None:
            raise CloudError(f"{what} works in the sandbox only: unset TUTORIAL_CLOUD and restart the kernel.")
        return self._sandbox

    def _repr_html_(self) -> str:
        return self._banner._repr_html_()

    def __repr__(self) -> str:
        return repr(self._banner)


def _token(text: str) -> Token:
    from momento_token import Token  # not above: it imports the SDKs, which a kernel does while its sandbox starts

    return Token(text)


def kind_of(token: object) -> Kind:
    """The kind of this key, as `momento_token.check` tells it. Of a format that the SDK can't read, that is an error, too."""
    from momento_token import TokenError, check

    kind = check(token)
    if kind.name == "unknown":
        raise TokenError(
            "The token is no API key of a format that the Momento SDK reads: copy the whole key again from Momento's console."
        )
    return kind


def connect(aws_engine: str = "moto") -> Cloud:
    """Connect this kernel to the sandbox, or with TUTORIAL_CLOUD=live to the real AWS and the real Momento.

    After it, `boto3.client("secretsmanager")` needs no arguments. A second call returns the same connection while it is
    alive. `aws_engine` is what plays AWS in the sandbox: "moto", or "ministack", which decides by IAM policies.
    Raises `CloudError` or `sandbox.SandboxError`, each with one sentence that names cause and fix.
    """
    global _current
    mode = chosen_mode()
    if aws_engine not in AWS_ENGINES:  # said before anything that runs is closed
        raise CloudError(
            f"There is no AWS engine {aws_engine!r}, no program that plays AWS: choose one of {AWS_ENGINES}. "
            "To go live, set TUTORIAL_CLOUD=live before you start JupyterLab."
        )
    if mode == "live" and aws_engine != "moto":
        raise CloudError(
            "This notebook creates and deletes IAM identities, so it runs in the sandbox only: "
            "unset TUTORIAL_CLOUD and restart the kernel."
        )
    if _current and _current._serves(mode, aws_engine):
        return _current
    if _current:
        _current.close()
    # Else a shell command in a cell makes gRPC print a warning.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    _current = _connect_live() if mode == "live" else _connect_sandbox(aws_engine)
    from .closed_clients import refuse_closed_clients

    refuse_closed_clients()
    return _current


def chosen_mode() -> str:
    """What TUTORIAL_CLOUD says: "sandbox", also if it isn't set, or "live". Raises `CloudError` for all else."""
    mode = os.environ.get("TUTORIAL_CLOUD", "sandbox").strip().lower()
    if mode not in ("sandbox", "live"):
        raise CloudError(f"TUTORIAL_CLOUD is {mode!r}: unset it for the sandbox, or set it to 'live'.")
    if mode == "live" and (why := os.environ.get("TUTORIAL_LIVE_REFUSED")):  # a hub sets it
        raise CloudError(why)
    return mode


def _connect_sandbox(aws_engine: str) -> Cloud:
    with_iam = aws_engine == "ministack"
    endpoint = None if with_iam else _own_aws_endpoint(os.environ)
    sandbox = Sandbox("--aws-engine", aws_engine, *(["--aws-endpoint", endpoint] if endpoint else []))
    ledger = _new_ledger()  # imports boto3 and momento while the child starts
    sandbox.wait_until_ready()
    _isolate(os.environ, sandbox, endpoint)
    _forget_default_session()
    ledger.watch_aws()
    banner = Note(
        f"Sandbox. {'Calls to AWS go to the endpoint you set' if endpoint else 'Nothing leaves this machine, nothing costs money'}.",
        f"AWS Secrets Manager{' and IAM' if with_iam else ''}: {_played_by(aws_engine, endpoint)}, region {REGION}",
        "Momento Cache and Topics: a local stand-in that speaks Momento's protocol",
        mood="good",
    )
    return Cloud("sandbox", sandbox.momento_endpoint, ledger, sandbox, banner, aws_engine)


def _played_by(aws_engine: str, endpoint: str | None) -> str:
    if endpoint:
        return f"your endpoint {endpoint}"
    if aws_engine == "ministack":
        return "a local stand-in (MiniStack) that decides by policies"
    return "a local stand-in (moto)"


def _connect_live() -> Cloud:
    endpoint = _own_aws_endpoint(os.environ)
    ledger = _new_ledger()
    import boto3

    momento_endpoint = os.environ.get("MOMENTO_ENDPOINT", "")
    if not _HOST_NAME.fullmatch(momento_endpoint):
        raise CloudError(
            "MOMENTO_ENDPOINT is not set to a host name: "
            "copy it from Momento's console, without https:// and without spaces."
        )
    region = boto3.Session().region_name
    if not region:
        raise CloudError("There is no AWS region: set AWS_DEFAULT_REGION to the region that holds your secrets.")
    if endpoint:
        os.environ[_SERVICE_ENDPOINT] = endpoint
    _forget_default_session()
    ledger.watch_aws()
    banner = Note(
        "Live. This uses your AWS account and your Momento account, and costs money.",
        f"AWS Secrets Manager: {endpoint or 'the real one'}, region {region}",
        f"Momento: {momento_endpoint}",
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
    """Let the next `boto3.client()` read the environment anew, also if a cell above has used boto3 already."""
    import boto3

    boto3.DEFAULT_SESSION = None


def _isolate(environment: MutableMapping[str, str], sandbox: Sandbox, endpoint: str | None) -> None:
    """Leave nothing in the environment that could lead an SDK off this machine or to real credentials."""
    for name in [name for name in environment if name.startswith("AWS_") or name == "MOMENTO_API_KEY"]:
        del environment[name]
    direct = ",".join(filter(None, [environment.get("no_proxy") or environment.get("NO_PROXY"), "127.0.0.1"]))
    access_key = "sandbox" if endpoint else sandbox.aws_access_key
    environment.update(
        {
            _OURS: sandbox.aws,
            "AWS_ENDPOINT_URL": sandbox.aws,
            _SERVICE_ENDPOINT: sandbox.aws,
            _THEIRS: endpoint or "",
            "AWS_ACCESS_KEY_ID": access_key,
            "AWS_SECRET_ACCESS_KEY": access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MOMENTO_ENDPOINT": sandbox.momento_endpoint,
            "NO_PROXY": direct,
            "no_proxy": direct,
        }
    )


def _own_aws_endpoint(environment: MutableMapping[str, str]) -> str | None:
    """The AWS endpoint that the learner has set (AWS Emulator, MiniStack, LocalStack), or None.

    Raises `CloudError` if it isn't a URL, or nothing answers there.
    """
    for name in (*_AWS_ENDPOINTS, _THEIRS):
        url = environment.get(name)
        if not url or url == environment.get(_OURS):
            continue
        try:
            parts = urlsplit(url)
            usual_port = {"http": 80, "https": 443}[parts.scheme]
            address = (parts.hostname, parts.port or usual_port)
            if not parts.hostname:
                raise ValueError
        except (ValueError, KeyError):
            raise CloudError(f"{name} is {url!r}, no URL like http://127.0.0.1:4566: correct it or unset it.") from None
        try:
            socket.create_connection(address, timeout=3).close()
        except OSError as error:
            raise CloudError(
                f"{name} is {url}, but nothing answers there ({error.strerror or error}): start it, or unset the variable."
            ) from None
        return url
    return None
