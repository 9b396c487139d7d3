"""What this project creates in your accounts: recorded before it is created, removed from the record once it is gone.

Nothing else is deleted. A secret is ours only if its name is in the record *and* it carries the tag that this entry of
the record holds. A cache has no tags; its random name is its own.
"""

from __future__ import annotations

import json
import shlex
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import boto3
from botocore.config import Config

from momento_token import SharedClient

from .account import PREFIX, cure, is_aws, sts_client
from .cloud import TAGS, Cloud, CloudError
from .display import Table

RECORD = Path("created_by_the_tutorial")  # a folder with a file for each thing created
MARK = "tutorial-record"  # the tag whose value is in the record, and nowhere else
CONFIRMATION = 30.0  # seconds to wait for a deletion: "there might be a short delay"


@dataclass(frozen=True)
class Entry:
    """One thing that was to be created: a "secret" or a "cache", and the account and region or endpoint it is in."""

    kind: str
    name: str
    mark: str
    place: dict[str, str]


class Record:
    """The entries on disk, each in a file of its own, so that two kernels can share them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, kind: str, name: str, place: dict[str, str]) -> Entry:
        """Write an entry. Raises `CloudError` if that fails."""
        entry = Entry(kind, name, uuid4().hex, place)
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._path(name).write_text(json.dumps(asdict(entry)), encoding="utf-8")
        except OSError as error:
            raise CloudError(
                f"Nothing was created, as the record {self.folder} can't be written ({error.strerror}): "
                "start JupyterLab in a folder that you may write to."
            ) from None
        return entry

    def strike(self, name: str) -> None:
        """Remove an entry; the folder goes with the last one."""
        self._path(name).unlink(missing_ok=True)
        with suppress(OSError):  # there are others
            self.folder.rmdir()

    def entries(self) -> list[Entry]:
        """Return all entries, in the order of their names. Raises `CloudError` for a file that can't be read."""
        return [self._read(path) for path in sorted(self.folder.glob("*.json"))]

    def _read(self, path: Path) -> Entry:
        try:
            entry = Entry(**json.loads(path.read_text("utf-8")))
            if self._path(entry.name) != path or not entry.mark:
                raise ValueError
            return entry
        except (OSError, ValueError, TypeError):
            raise CloudError(
                f"The record {path} can't be read: look for what it names with resources.others() and in Momento's "
                "console, then remove the file."
            ) from None

    def _path(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.json"


class Removal(Table):
    """What became of each entry: the names `removed`, those that may be `left`, and how to check them."""

    def __init__(self, rows: list[tuple[str, str, str]]) -> None:
        self.removed = [name for name, outcome, _ in rows if outcome.startswith("✓ deleted")]
        self.left = [name for name, outcome, _ in rows if outcome.startswith("✗")]
        super().__init__(
            ("Name", "What became of it", "How to check"),
            rows or [("–", "there was nothing to remove", "–")],
            f"{len(self.removed)} removed, {len(self.left)} not confirmed",
        )


class Resources:
    """What this project has created in your accounts, in this run and in earlier ones on this machine.

    Raises `CloudError` if `go_ahead` isn't True, or AWS doesn't say which account this is: then nothing is created.
    """

    def __init__(
        self, cloud: Cloud, go_ahead: object, record: Path = RECORD, confirmation: float = CONFIRMATION
    ) -> None:
        if go_ahead is not True:
            raise CloudError(
                "Nothing was created: read what it costs, then set go_ahead = True and run this cell again."
            )
        self._cloud, self._record, self._confirmation = cloud, Record(record), confirmation
        # The first secret of an account may take long: AWS makes the key for it.
        config = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 3})
        self._client = boto3.client("secretsmanager", config=config)
        self._region = self._client.meta.region_name
        momento = cloud.momento_endpoint if cloud.mode == "live" else f"sandbox {cloud.momento_address}"
        self._places = {"secret": self._aws_place(), "cache": {"endpoint": momento}}

    def create_secret(self) -> str:
        """Create a tagged secret with your token and return its name. Raises `CloudError`."""
        api_key = self._cloud.api_key.strip()
        entry = self._record.add("secret", f"{PREFIX}go-live-{uuid4().hex[:12]}", self._places["secret"])
        tags = [*TAGS, {"Key": MARK, "Value": entry.mark}]
        try:
            self._client.create_secret(Name=entry.name, SecretString=api_key, Tags=tags)
        except Exception as error:
            raise _not_created(entry.name, cure(error)) from None
        return entry.name

    def create_cache(self, clients: SharedClient) -> str:
        """Create a cache and return its name. Raises `CloudError`.

        "Already exists" counts as created: the SDK repeats a request whose response was lost, and the name is random.
        """
        name = f"{PREFIX.rstrip('/')}-go-live-{uuid4().hex[:12]}"
        self._record.add("cache", name, self._places["cache"])
        try:
            code = _code(clients.call(lambda client: client.create_cache(name)))
        except Exception:  # there is no token, so Momento wasn't called
            self._record.strike(name)
            raise
        if code:
            raise _not_created(name, cure(code))
        return name

    def leftovers(self) -> list[str]:
        """Return the names in the record for this account, region and endpoint."""
        return [entry.name for entry in self._here()]

    def others(self) -> list[str]:
        """Return the names of secrets with the tutorial's tag that aren't in this record.

        They may be a colleague's, or yours from another machine. `ListSecrets` "might not reflect changes from the last
        five minutes". Raises `CloudError` if they can't be listed.
        """
        ours, (tag,) = {entry.name: entry for entry in self._here()}, TAGS
        filters = [{"Key": "tag-key", "Values": [tag["Key"]]}, {"Key": "tag-value", "Values": [tag["Value"]]}]
        try:
            pages = list(self._client.get_paginator("list_secrets").paginate(Filters=filters))
        except Exception as error:
            raise CloudError(f"Secrets can't be listed: {cure(error)}.") from None
        tagged = [one for page in pages for one in page["SecretList"] if tag in one.get("Tags", [])]
        return sorted(one["Name"] for one in tagged if one["Name"] not in ours or not _is_ours(one, ours[one["Name"]]))

    def clean_up(self) -> Removal:
        """Delete what is in the record, and strike off what is confirmed gone. The rest stays there, and is listed.

        Caches come first, as the key for them may be in a secret. Call it as often as you like.
        """
        entries = sorted(self._record.entries(), key=lambda entry: entry.kind)
        return Removal([self._outcome(entry) for entry in entries if not self._ended(entry)])

    def _aws_place(self) -> dict[str, str]:
        endpoint = self._client.meta.endpoint_url
        try:
            account = sts_client().get_caller_identity()["Account"]
        except Exception as error:
            raise CloudError(f"AWS doesn't say which account this is, so nothing was created: {cure(error)}.") from None
        where = "AWS" if is_aws(endpoint) else f"{self._cloud.mode} {endpoint}"
        return {"account": account, "region": self._region, "endpoint": where}

    def _here(self) -> list[Entry]:
        return [entry for entry in self._record.entries() if entry.place == self._places[entry.kind]]

    def _ended(self, entry: Entry) -> bool:
        """Strike off what other sandboxes held: a sandbox ends with its kernel, and all that it holds with it."""
        ended = entry.place != self._places[entry.kind] and entry.place["endpoint"].startswith("sandbox ")
        if ended:
            self._record.strike(entry.name)
        return ended

    def _outcome(self, entry: Entry) -> tuple[str, str, str]:
        """Remove one entry; return its name, what became of it, and how to check that."""
        if entry.place != self._places[entry.kind]:
            place = ", ".join(f"{what} {where}" for what, where in entry.place.items())
            return entry.name, f"– not here, so it was kept: {place}", _how_to_check(entry)
        try:
            said = self._remove_cache(entry) if entry.kind == "cache" else self._remove_secret(entry)
        except Exception as error:
            return entry.name, f"✗ {cure(error)}", _how_to_check(entry)
        if not said.startswith("✓"):
            return entry.name, said, _how_to_check(entry)
        self._record.strike(entry.name)
        return entry.name, said, "–"

    def _remove_secret(self, entry: Entry) -> str:
        found = self._describe(entry.name)
        if not found:
            return "✓ it doesn't exist"
        if not _is_ours(found, entry):
            return "✗ not deleted, because its tag isn't the one in the record: delete it yourself if it is yours"
        # By its ARN: a new secret of the same name has another one.
        with suppress(self._client.exceptions.ResourceNotFoundException):
            self._client.delete_secret(SecretId=found["ARN"], ForceDeleteWithoutRecovery=True)
        end = time.monotonic() + self._confirmation
        while self._describe(entry.name):
            if time.monotonic() > end:
                return "✗ AWS has accepted the deletion but still shows it: run clean_up again"
            time.sleep(min(1.0, self._confirmation / 10))
        return "✓ deleted, as AWS confirms"

    def _remove_cache(self, entry: Entry) -> str:
        from momento import CacheClient, Configurations

        configuration = Configurations.Laptop.v1().with_middlewares(self._cloud.ledger.middlewares)
        credentials = self._cloud.credentials_from(self._key())
        with CacheClient(configuration, credentials, timedelta(minutes=1)) as client:
            first, second = (_code(client.delete_cache(entry.name)) for _ in range(2))
        if first == "NOT_FOUND_ERROR":
            return "✓ it doesn't exist"
        if first:
            return f"✗ {cure(first)}"
        if second != "NOT_FOUND_ERROR":
            return "✗ Momento has accepted the deletion but not confirmed it: run clean_up again"
        return "✓ deleted, as Momento confirms"

    def _key(self) -> str:
        """Return the API key: from the environment, or from a secret of ours that still holds it."""
        with suppress(CloudError):
            return self._cloud.api_key
        for entry in self._here():
            if entry.kind == "secret":
                with suppress(Exception):
                    return str(self._client.get_secret_value(SecretId=entry.name)["SecretString"])
        raise CloudError(
            "there is no API key to delete it with: restart the kernel with MOMENTO_API_KEY set, or delete it in Momento's console"
        )

    def _describe(self, name: str) -> dict[str, Any] | None:
        """Return what AWS knows of this secret; None if there is none."""
        with suppress(self._client.exceptions.ResourceNotFoundException):
            return self._client.describe_secret(SecretId=name)
        return None


def _how_to_check(entry: Entry) -> str:
    if entry.kind == "cache":
        return "Momento's console, Caches"
    region = entry.place["region"]
    return f"aws secretsmanager describe-secret --secret-id {shlex.quote(entry.name)} --region {region}"


def _not_created(name: str, why: str) -> CloudError:
    # A request may get through although its response is an error, so the entry stays.
    return CloudError(f"{name} was not created, as far as is known: {why}. Then run resources.clean_up().")


def _is_ours(found: dict[str, Any], entry: Entry) -> bool:
    tags = found.get("Tags", [])
    return TAGS[0] in tags and {"Key": MARK, "Value": entry.mark} in tags


def _code(response: object) -> str:
    """Return the error code of a response of Momento's SDK; "" for success."""
    return response.error_code.name if hasattr(response, "error_code") else ""
