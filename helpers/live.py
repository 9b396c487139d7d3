"""Live mode: is AWS reached as it is configured, may you do it, what did you create, and is it gone?

What is created is recorded first, and noted as gone once that is confirmed. A secret is deleted only if it carries the
tag whose value is in the record. A cache has no tags, but a random name.
"""

from __future__ import annotations

import json
import math
import re
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

import momento_token
from momento_token import SharedClient

from .cloud import TAGS, Cloud, CloudError
from .display import Table, checklist
from .ledger import error_code
from .pricing import API_CALL, SECRET_MONTH

NAME = "tutorial-go-live-"  # how the name of a secret or a cache begins
RECORD = Path("created_by_the_tutorial.jsonl")
GONE = "gone"  # in the record, in the place of the endpoint
MARK = "tutorial-record"  # the tag whose value is in the record, and nowhere else
CONFIRMATION = 30.0  # seconds to wait for a deletion: "there might be a short delay"
QUICK = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
PATIENT = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 3})  # AWS may have to make a key

# By the codes of AWS or Momento, or the names of exceptions; {} is the message of the error itself.
_FIXES = {
    "NoCredentialsError": "there are no AWS credentials: run `aws configure` or `aws sso login`, or set AWS_PROFILE",
    "PartialCredentialsError CredentialRetrievalError": "{}: complete or correct that part of your AWS configuration",
    "ProfileNotFound": "{}: set AWS_PROFILE to one that `aws configure list-profiles` shows",
    "NoRegionError": "there is no AWS region: set AWS_DEFAULT_REGION to the region that holds your secrets",
    "ExpiredTokenException ExpiredToken UnauthorizedSSOTokenError SSOTokenLoadError TokenRetrievalError "
    "UnauthorizedException": "the AWS login is over: run `aws sso login`, with `--profile` if you use a profile",
    "LoginRefreshRequired LoginTokenLoadError": "the AWS login is over: run `aws login`",
    "UnrecognizedClientException InvalidClientTokenId": "AWS doesn't know these keys: copy them again or log in again, "
    "and see whether the region is enabled for your account",
    "AccessDeniedException": "this identity lacks the permission: attach the policy that notebook 10 shows",
    "ProxyConnectionError InvalidProxiesConfigError": "{}: correct HTTPS_PROXY, or set NO_PROXY",
    "HTTPClientError": "{}: correct HTTPS_PROXY, or the AWS keys if there is a line break in them",
    "EndpointConnectionError ConnectionClosedError ConnectTimeoutError ReadTimeoutError": "{}: check whether this "
    "machine is online, and the region, the endpoint and the proxy that are set",
    "SSLError": "{}: if a proxy inspects TLS, set AWS_CA_BUNDLE to the file with its certificate",
    "AUTHENTICATION_ERROR": "Momento denies the API key, as it was revoked, has expired or is cut off: make a new one",
    "PERMISSION_ERROR": "the role of this API key doesn't allow that: take a key that may list and create caches",
    "LIMIT_EXCEEDED_ERROR": "Momento's quota is used up, by default 3 caches in a region: delete one in its console",
    "SERVER_UNAVAILABLE TIMEOUT_ERROR": "Momento can't be reached: copy MOMENTO_ENDPOINT from its console again, and "
    "check the network and the proxy",
}
FIXES = {code: text for codes, text in _FIXES.items() for code in codes.split()}


def fix(error: BaseException | str) -> str:
    """Return cause and fix in one sentence without a full stop, for an exception or for a code of Momento's."""
    if isinstance(error, str):
        return FIXES.get(error, f"Momento responded {error}: try again later")
    if isinstance(error, (CloudError, momento_token.PlainError)):
        return str(error).rstrip(".")
    # Neither a proxy's password nor a session token is repeated.
    said = re.sub(r"(//)[^/@\s]*@|(Invalid header value).*", r"\1\2", str(error), flags=re.DOTALL)
    said, code = textwrap.shorten(said, 250, placeholder=" …").rstrip(":. "), error_code(error)
    other = "{}" if isinstance(error, ClientError) else "{}: correct this until `aws sts get-caller-identity` works"
    return FIXES.get(code, other).replace("{}", said or code)


def reach_aws() -> tuple[str, str]:
    """Return endpoint and region that boto3 calls for Secrets Manager, after one call. Raises `CloudError` if it fails."""
    try:
        session = boto3.Session()
        meta = session.client("secretsmanager").meta  # as a cell does it: no setting of ours may hide a mistake
        _describe(session.client("secretsmanager", config=QUICK))
    except Exception as error:
        reached = getattr(error, "operation_name", "") == "DescribeSecret"  # only the permission is missing
        if not (reached and error_code(error) == "AccessDeniedException"):
            raise CloudError(f"AWS can't be used as it is configured: {fix(error)}.") from None
    return meta.endpoint_url, meta.region_name


def _describe(client: Any, name: str = f"{NAME}that-does-not-exist") -> dict[str, Any] | None:
    with suppress(client.exceptions.ResourceNotFoundException):
        return client.describe_secret(SecretId=name)
    return None


def check_live(cloud: Cloud) -> Table:
    """Check both accounts by one call to each: a row each, with what to do. It creates nothing."""

    def checks(what: str, call: Callable[[], object]) -> tuple[str, bool, str]:
        try:
            code = _code(call())
        except Exception as error:
            return what, False, fix(error)
        return what, not code, fix(code)

    rows = [
        checks("AWS lets you describe a secret", lambda: _describe(boto3.client("secretsmanager", config=QUICK))),
        checks("Momento lets your key list caches", lambda: _momento(cloud, lambda client: client.list_caches())),
    ]
    return checklist(rows, "Ready", "Not ready")


def cost_line(calls: int) -> str:
    """Say what one secret for a day and these calls to Secrets Manager cost, rounded up to the cent."""
    cents = math.ceil((SECRET_MONTH.amount / 30 + calls * API_CALL.amount) * 100)
    return f"One secret for a day and {calls:,} calls cost at most ${cents / 100:.2f}."


class Entry(NamedTuple):
    """One thing that was to be created: a "secret" or a "cache", and where: mode, endpoint, account."""

    kind: str
    name: str
    mark: str
    where: str


class Removal(Table):
    """What became of each entry of the record: the names `removed`, and those that may be `left`."""

    def __init__(self, rows: list[tuple[str, str]]) -> None:
        self.removed = [name for name, outcome in rows if outcome.startswith("✓ deleted")]
        self.left = [name for name, outcome in rows if not outcome.startswith("✓")]
        caption = f"{len(self.removed)} deleted and confirmed, {len(self.left)} left"
        super().__init__(("Name", "What became of it"), rows, caption)


class Resources:
    """What this project creates in your accounts, in this run and in earlier ones. Raises `CloudError` unless you agree."""

    def __init__(self, cloud: Cloud, go_ahead: object, record: Path = RECORD, wait: float = CONFIRMATION) -> None:
        if go_ahead is not True:
            raise CloudError("Nothing was created: read what it costs, then set go_ahead = True.")
        self._cloud, self._record, self._wait = cloud, record.absolute(), wait
        self._sm = boto3.client("secretsmanager", config=PATIENT)
        try:
            account = boto3.client("sts", config=QUICK).get_caller_identity()["Account"]
        except Exception as error:
            raise CloudError(f"AWS doesn't say which account this is, so nothing was created: {fix(error)}.") from None
        aws, momento = self._sm.meta, cloud.momento_address or cloud.momento_endpoint
        places = {"secret": f"{aws.endpoint_url} {aws.region_name} {account}", "cache": momento}
        self._places = {kind: f"{cloud.mode} {place}" for kind, place in places.items()}

    def create_secret(self) -> str:
        """Create a secret that holds your API key, and return its name. Raises `CloudError`."""
        api_key = self._cloud.api_key.strip()
        entry = self._begin("secret")
        try:
            tags = [*TAGS, {"Key": MARK, "Value": entry.mark}]
            self._sm.create_secret(Name=entry.name, SecretString=api_key, Tags=tags)
        except Exception as error:  # it may exist nevertheless, so its entry stays
            raise CloudError(f"{entry.name} was not created, as far as is known: {fix(error)}.") from None
        return entry.name

    def create_cache(self, clients: SharedClient) -> str:
        """Create a cache, and return its name. Raises `CloudError`."""
        entry = self._begin("cache")
        if code := _code(clients.call(lambda client: client.create_cache(entry.name))):
            raise CloudError(f"{entry.name} was not created, as far as is known: {fix(code)}.")
        return entry.name

    def recorded(self) -> list[Entry]:
        """Return what the record names, without what is gone or was in a sandbox that has ended. Raises `CloudError`."""
        try:
            text = self._record.read_text("utf-8") if self._record.exists() else ""
            entries = [Entry(**json.loads(line)) for line in text.splitlines()]
        except (OSError, ValueError, TypeError):
            raise CloudError(
                f"The record {self._record} can't be read: delete what it names in both consoles, and then the file."
            ) from None
        last, here = {entry.name: entry for entry in entries}.values(), self._places.values()
        return [one for one in last if one.where in here or not one.where.startswith((GONE, "sandbox "))]

    def clean_up(self) -> Removal:
        """Delete what is in the record, and note what is confirmed to be gone. Call it as often as you like."""
        rows = []
        for entry in self.recorded():
            try:
                outcome = self._remove(entry)
            except Exception as error:
                outcome = f"✗ {fix(error)}"
            if outcome.startswith("✓"):
                self._write(entry._replace(where=GONE))
            rows.append((entry.name, outcome))
        return Removal(rows)

    def _remove(self, entry: Entry) -> str:
        if entry.where != self._places.get(entry.kind):
            return f"– kept, as it is elsewhere: {entry.where}"
        return self._remove_cache(entry.name) if entry.kind == "cache" else self._remove_secret(entry)

    def _remove_secret(self, entry: Entry) -> str:
        found, end = _describe(self._sm, entry.name), time.monotonic() + self._wait
        if not found:
            return "✓ it doesn't exist"
        if {"Key": MARK, "Value": entry.mark} not in found.get("Tags", []):
            return "✗ not deleted, as its tag isn't the one in the record: delete it yourself if it is yours"
        # By its ARN: a new secret of the same name has another one.
        self._sm.delete_secret(SecretId=found["ARN"], ForceDeleteWithoutRecovery=True)
        while _describe(self._sm, entry.name):
            if time.monotonic() > end:
                return "✗ AWS has accepted the deletion, but still shows it: run clean_up() again"
            time.sleep(min(1.0, self._wait / 10))
        return "✓ deleted, as AWS confirms"

    def _remove_cache(self, name: str) -> str:
        first, second = (_code(_momento(self._cloud, lambda client: client.delete_cache(name))) for _ in range(2))
        if second == "NOT_FOUND_ERROR":
            return "✓ it doesn't exist" if first else "✓ deleted, as Momento confirms"
        return f"✗ {fix(first or second)}" if first or second else "✗ Momento still has it: run clean_up() again"

    def _begin(self, kind: str) -> Entry:
        return self._write(Entry(kind, NAME + uuid4().hex[:12], uuid4().hex, self._places[kind]))

    def _write(self, entry: Entry) -> Entry:
        """Append a line, which two kernels may do simultaneously; the last line of a name counts."""
        try:
            self._record.parent.mkdir(parents=True, exist_ok=True)
            with self._record.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry._asdict()) + "\n")
        except OSError as error:
            raise CloudError(f"The record {self._record} can't be written, so nothing was created: {error}.") from None
        return entry


def _momento(cloud: Cloud, call: Callable[[Any], object]) -> object:
    from momento import CacheClient, Configurations

    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    with CacheClient(configuration, cloud.credentials_from(cloud.api_key), timedelta(minutes=1)) as client:
        return call(client)


def _code(response: object) -> str:
    """Return the code of an error that Momento's SDK returned; "" for success."""
    return response.error_code.name if hasattr(response, "error_code") else ""
