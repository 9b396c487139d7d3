"""What this project creates in your accounts: written down before it is created, removed from the record once its deletion is confirmed.

Nothing else is deleted. A secret is ours only if its name is in the record *and* it carries the tag that this entry of
the record holds; a cache has no tags, so its name is a random one that nobody else can have chosen. `ListSecrets` "might
not reflect changes from the last five minutes" (its API reference), so nothing here relies on it.
"""

from __future__ import annotations

import json
import os
import shlex
import socket
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit
from uuid import uuid4

import momento_token
from momento_token import SharedClient

from .account import CURES, PREFIX, answer_of, cure, is_aws, sts_client
from .cloud import TAGS, Cloud, CloudError
from .display import PlainError, Table

RECORD = Path("created_by_the_tutorial")  # a folder with a file for each thing created
MARK = "tutorial-record"  # the tag whose value is in the record, and nowhere else
LAG = 300  # seconds that AWS may need to show what was created, the only such figure that it publishes
CONFIRMATION = 30.0  # seconds that a deletion is waited for: "there might be a short delay"
# What tells one place from another, by the kind of what is there.
PLACES = {"secret": {"account", "region", "endpoint"}, "cache": {"endpoint"}}
WINDOW = 7  # days to restore a secret that was deleted by name, the fewest that AWS allows


@dataclass(frozen=True)
class Entry:
    """One thing that was to be created: a "secret" or a "cache", where, and since when (seconds since 1970)."""

    kind: str
    name: str
    mark: str
    place: dict[str, str]
    written: float

    @property
    def is_settled(self) -> bool:
        """Is it long enough ago that "not found" means that it isn't there, and not that it isn't there yet?"""
        return abs(time.time() - self.written) > LAG  # also after the clock was put right


class Record:
    """The entries on disk, each in a file of its own: two kernels can't lose each other's, nor a crash more than one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, kind: str, name: str, place: dict[str, str]) -> Entry:
        """Write an entry down, all the way to the disk. Raises `CloudError` if that can't be."""
        entry = Entry(kind, name, uuid4().hex, place, time.time())
        try:
            if self.folder.is_file():
                self._put_aside(self.folder)
            self._write(entry)
        except OSError as error:
            raise CloudError(
                f"Nothing was created, as the record {self.folder} can't be written ({error.strerror}): "
                "start JupyterLab in a folder that you may write to."
            ) from None
        return entry

    def strike(self, entry: Entry) -> None:
        """Forget an entry; the folder goes with the last one."""
        self._path(entry.name).unlink(missing_ok=True)
        with suppress(OSError):  # there are others
            self.folder.rmdir()

    def holds(self, entry: Entry) -> bool:
        return self._path(entry.name).exists()

    def entries(self) -> list[Entry]:
        """All entries, in the order of their names. A file that can't be understood is put aside, and that is said."""
        if self.folder.is_file():
            self._put_aside(self.folder)
        self._remove_unfinished()
        read = [self._read(path) for path in sorted(self.folder.glob("*.json"))]
        return [entry for entry in read if entry]

    def _write(self, entry: Entry) -> None:
        """Whole or not at all, as another kernel may read at any time."""
        unfinished = self._path(entry.name).with_suffix(".new")
        for _ in range(10):  # another kernel that strikes off its last entry takes the folder away
            self.folder.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError), unfinished.open("w", encoding="utf-8") as file:
                json.dump(asdict(entry), file)
                file.flush()
                os.fsync(file.fileno())
                break
        unfinished.replace(self._path(entry.name))

    def _remove_unfinished(self) -> None:
        """What a kernel that was killed while it wrote has left: nothing was created for these."""
        for path in self.folder.glob("*.new"):
            with suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > LAG:
                    path.unlink()

    def _read(self, path: Path) -> Entry | None:
        try:
            entry = Entry(**json.loads(path.read_text("utf-8")))
            texts = (entry.name, entry.mark, *entry.place.values())
            if not all(isinstance(text, str) and text for text in texts):
                raise ValueError
            if set(entry.place) != PLACES[entry.kind] or self._path(entry.name) != path:
                raise ValueError
            float(entry.written)
            return entry
        except FileNotFoundError:  # struck off by another kernel
            return None
        except (ValueError, TypeError, AttributeError, KeyError):
            self._put_aside(path)
            return None

    def _put_aside(self, path: Path) -> None:
        kept = self.folder.with_name(f"{self.folder.name}-unreadable-{uuid4().hex[:8]}")
        path.replace(kept)
        with suppress(OSError):
            self.folder.rmdir()
        name = unquote(path.stem) if path != self.folder else f"{PREFIX}go-live-…"
        print(
            f"✗ A record can't be read and is kept as {kept}. It was for {name}: "
            "see whether that is in resources.others() or in the console of AWS or Momento."
        )

    def _path(self, name: str) -> Path:
        return self.folder / f"{quote(name, safe='')}.json"


class Removal(Table):
    """What became of each: the names `removed`, those that may be `left`, and how to check these."""

    def __init__(self, rows: list[tuple[str, str, str]]) -> None:
        self.removed = [name for name, outcome, _ in rows if outcome.startswith("✓ deleted")]
        self.left = [name for name, outcome, _ in rows if outcome.startswith("✗")]
        super().__init__(
            ("Name", "What became of it", "How to check"),
            rows or [("–", "there was nothing to remove", "–")],
            f"{len(self.removed)} removed, {len(self.left)} not confirmed",
        )


class Resources:
    """What this project has created in the account and at Momento, for one run and those before it on this machine.

    Raises `CloudError` if `go_ahead` isn't True, or AWS doesn't say which account this is: then nothing is created.
    """

    def __init__(
        self,
        cloud: Cloud,
        go_ahead: object,
        record: Path = RECORD,
        confirmation: float = CONFIRMATION,
    ) -> None:
        if go_ahead is not True:
            raise CloudError(
                "Nothing was created: read what it costs, then set go_ahead = True and run this cell again."
            )
        import boto3
        from botocore.config import Config

        self._cloud, self._record, self._confirmation = cloud, Record(record), confirmation
        # The first secret of an account may take long: AWS makes the key for it.
        config = Config(connect_timeout=3, read_timeout=20, retries={"total_max_attempts": 3})
        self._client = boto3.client("secretsmanager", config=config)
        self._places = {"secret": self._aws_place(), "cache": {"endpoint": self._momento_place()}}

    def create_secret(self) -> str:
        """A new tagged secret with your token; its name. Raises `CloudError`, which says what to do."""
        api_key = self._cloud.api_key.strip()
        entry = self._record.add("secret", f"{PREFIX}go-live-{uuid4().hex[:12]}", self._places["secret"])
        try:
            self._client.create_secret(
                Name=entry.name,
                SecretString=api_key,
                Tags=[*TAGS, {"Key": MARK, "Value": entry.mark}],
            )
        except Exception as error:
            if is_certain_refusal(error):
                self._record.strike(entry)
                raise CloudError(f"The secret was not created: {cure(error)}.") from None
            raise CloudError(
                f"Whether {entry.name} was created is not known ({cure(error)}): "
                "it stays in the record, so run resources.clean_up()."
            ) from None
        return entry.name

    def create_cache(self, clients: SharedClient) -> str:
        """A new cache; its name. Raises `CloudError`, which says what to do.

        "Already exists" is success too: the SDK repeats a request whose answer was lost, and nobody else has this name.
        """
        name = f"{PREFIX.rstrip('/')}-go-live-{uuid4().hex[:12]}"
        entry = self._record.add("cache", name, self._places["cache"])
        try:
            code = _momento_code(clients.call(lambda client: client.create_cache(name)))
        except (PlainError, momento_token.PlainError):  # there is no token, so Momento wasn't asked
            self._record.strike(entry)
            raise
        if code in ("PERMISSION_ERROR", "AUTHENTICATION_ERROR"):
            self._record.strike(entry)
            raise CloudError(f"The cache was not created: {CURES[code]}.")
        if code:
            raise CloudError(
                f"Whether the cache {name} was created is not known ({code}): "
                "it stays in the record, so run resources.clean_up()."
            )
        return name

    def leftovers(self) -> list[str]:
        """Names in the record that are here, or may be: AWS is asked for each secret by its name."""
        return [entry.name for entry in self._here() if self._may_be_there(entry)]

    def others(self) -> list[str]:
        """Names of secrets that carry the tutorial's tag but aren't in this record, or are in it without its tag.

        They may be a colleague's, or yours from another machine. What was created in the last five minutes may be
        missing. Raises `CloudError` if they can't be listed.
        """
        recorded = {entry.name: entry for entry in self._here() if entry.kind == "secret"}
        try:
            names = {name for name in self._tagged() if name not in recorded}
            for name, entry in recorded.items():
                found = self._describe(name)
                if found and not _is_ours(found, entry):
                    names.add(name)
        except Exception as error:
            raise CloudError(f"Secrets can't be listed: {cure(error)}.") from None
        return sorted(names)

    def clean_up(self) -> Removal:
        """Delete what is in the record, and strike off what is confirmed gone. The rest stays there, and is listed.

        Caches come first, as the key for them may be in a secret. Call it as often as you like.
        """
        self._forget_ended_sandboxes()
        order = sorted(self._record.entries(), key=lambda entry: entry.kind)
        return Removal([self._outcome(entry) for entry in order])

    def delete_by_name(self, name: str) -> Removal:
        """Delete one of `others()`, which can be restored for seven days, as it may be a colleague's.

        Raises `CloudError` if it is no secret of this tutorial, or can't be deleted.
        """
        entry = next((one for one in self._here() if one.name == name), None)
        try:
            found = self._describe(name)
            if not found or not (entry or TAGS[0] in found.get("Tags", [])):
                raise CloudError(
                    f"{name} is no secret of this tutorial in {self._region}: nothing was deleted. "
                    "Type a name as resources.others() lists it."
                )
            self._client.delete_secret(SecretId=found["ARN"], RecoveryWindowInDays=WINDOW)
        except CloudError:
            raise
        except Exception as error:
            raise CloudError(f"{name} was not deleted: {cure(error)}.") from None
        if entry:
            self._record.strike(entry)
        restore = f"aws secretsmanager restore-secret --secret-id {name} --region {self._region}"
        return Removal([(name, f"✓ deleted, and for {WINDOW} days restored by:", restore)])

    @property
    def _region(self) -> str:
        return self._client.meta.region_name

    def _aws_place(self) -> dict[str, str]:
        """Which account, region and endpoint this is: a name is meant for one of them."""
        endpoint = self._client.meta.endpoint_url
        if self._cloud.mode == "sandbox":
            endpoint = f"sandbox {endpoint}"
        try:
            account = sts_client().get_caller_identity()["Account"]
        except Exception as error:
            if is_aws(endpoint):
                raise CloudError(
                    f"AWS doesn't say which account this is, so nothing was created: {cure(error)}."
                ) from None
            account = "unknown"  # a stand-in without this service
        return {
            "account": account,
            "region": self._region,
            "endpoint": "AWS" if is_aws(endpoint) else endpoint,
        }

    def _momento_place(self) -> str:
        if self._cloud.mode == "sandbox":
            return f"sandbox http://{self._cloud.momento_address}"
        return self._cloud.momento_endpoint

    def _here(self) -> list[Entry]:
        return [entry for entry in self._record.entries() if entry.place == self._places[entry.kind]]

    def _forget_ended_sandboxes(self) -> None:
        """What a sandbox held ended with it."""
        for entry in self._record.entries():
            word, _, url = entry.place["endpoint"].partition(" ")
            if word == "sandbox" and entry.place != self._places[entry.kind] and _is_silent(url):
                self._record.strike(entry)

    def _may_be_there(self, entry: Entry) -> bool:
        if entry.kind == "cache":
            return True
        try:
            found = self._describe(entry.name)
        except Exception:
            return True
        return _is_ours(found, entry) if found else not entry.is_settled

    def _outcome(self, entry: Entry) -> tuple[str, str, str]:
        if entry.place != self._places[entry.kind]:
            place = ", ".join(f"{what} {where}" for what, where in entry.place.items())
            return entry.name, f"– not here, so it was kept: {place}", self._how_to_check(entry)
        try:
            said = self._remove_cache(entry) if entry.kind == "cache" else self._remove_secret(entry)
        except Exception as error:
            said = f"✗ {cure(error)}"
        if not self._record.holds(entry):
            said = "✓ another kernel removed it"
        if said.startswith("✓"):
            self._record.strike(entry)
        return entry.name, said, "–" if said.startswith("✓") else self._how_to_check(entry)

    def _remove_secret(self, entry: Entry) -> str:
        found = self._describe(entry.name)
        if not found:
            return _not_found(entry)
        if not _is_ours(found, entry):
            return "✗ not deleted, because its tag isn't the one in the record: see resources.delete_by_name()"
        # By its ARN: a secret that is created anew under this name has another one.
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
            first = _momento_code(client.delete_cache(entry.name))
            if first == "NOT_FOUND_ERROR":
                return _not_found(entry)
            if first:
                raise CloudError(f"Momento answered {first}: run clean_up again")
            if _momento_code(client.delete_cache(entry.name)) == "NOT_FOUND_ERROR":
                return "✓ deleted, as Momento confirms"
        return "✗ Momento has accepted the deletion but not confirmed it: run clean_up again"

    def _key(self) -> str:
        """The API key: from the environment, or from a secret of ours that still holds it."""
        with suppress(CloudError):
            return self._cloud.api_key
        for entry in self._here():
            if entry.kind == "secret":
                with suppress(Exception):
                    if _is_ours(self._describe(entry.name) or {}, entry):
                        return self._client.get_secret_value(SecretId=entry.name, VersionStage="AWSCURRENT")[
                            "SecretString"
                        ]
        raise CloudError(
            "there is no API key to delete it with: restart the kernel with MOMENTO_API_KEY set, or delete it in Momento's console"
        )

    def _how_to_check(self, entry: Entry) -> str:
        if entry.kind == "cache":
            return "Momento's console, Caches"
        region = entry.place["region"]
        return f"aws secretsmanager describe-secret --secret-id {shlex.quote(entry.name)} --region {region}"

    def _describe(self, name: str) -> dict[str, Any] | None:
        """What AWS knows of this secret; None if it says that there is none."""
        with suppress(self._client.exceptions.ResourceNotFoundException):
            return self._client.describe_secret(SecretId=name)
        return None

    def _tagged(self) -> Iterator[str]:
        (tag,) = TAGS
        filters = [
            {"Key": "tag-key", "Values": [tag["Key"]]},
            {"Key": "tag-value", "Values": [tag["Value"]]},
        ]
        for page in self._client.get_paginator("list_secrets").paginate(Filters=filters):
            for secret in page["SecretList"]:
                if tag in secret.get("Tags", []):
                    yield secret["Name"]


def is_certain_refusal(error: BaseException) -> bool:
    """Does this say that nothing was created? Only if AWS refused the first request: one before it may have got through."""
    about = answer_of(error).get("ResponseMetadata", {})
    return 400 <= about.get("HTTPStatusCode", 0) < 500 and about.get("RetryAttempts") == 0


def _is_ours(found: dict[str, Any], entry: Entry) -> bool:
    tags = found.get("Tags", [])
    return TAGS[0] in tags and {"Key": MARK, "Value": entry.mark} in tags


def _not_found(entry: Entry) -> str:
    if entry.is_settled:
        return "✓ it is not there"
    minutes = LAG // 60
    return f"✗ not there, or not yet: run clean_up again {minutes} minutes after it was written down"


def _momento_code(answer: object) -> str:
    return answer.error_code.name if hasattr(answer, "error_code") else ""


def _is_silent(url: str) -> bool:
    parts = urlsplit(url)
    try:
        socket.create_connection((parts.hostname, parts.port), timeout=1).close()
        return False
    except (OSError, TypeError):
        return True
