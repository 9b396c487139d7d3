"""Going live: is everything there, what will it cost, what was created, and is all of it gone again?

Everything that is created is written to a file before it is created, and tagged, so that it is found and removed also
after a failure half way, by the next run or another machine.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

from .cloud import TAGS, Cloud, CloudError
from .pricing import API_CALL, MONTH, QUOTA_PER_SECOND, SECRET_MONTH
from .show import Table, dollars
from .tokens import TokenError, check

RECORD = Path("created_by_the_tutorial.json")
PREFIX = "tutorial/"
DAY = 24 * 3600  # seconds


def check_live(cloud: Cloud, calls: int) -> Table:
    """What a run of so many calls needs, a row each: found, or missing and how to mend it. Creates nothing."""
    rows = list(_checks(cloud, calls))
    ready = all(found for _, found, _ in rows)
    return Table(
        ("Needed", "Found", "What to do"),
        [
            (need, "✓" if found else "✗ missing", "nothing" if found else fix)
            for need, found, fix in rows
        ],
        "Ready" if ready else "Not ready: nothing was created",
    )


def expected_cost(calls: int, days: float = 1) -> dict[str, float]:
    """US dollars at most, for one secret that is kept this long and this many calls to Secrets Manager."""
    return {
        "one secret, a day": SECRET_MONTH.amount * days * DAY / MONTH,
        f"{calls:,} calls": calls * API_CALL.amount,
    }


class Resources:
    """What this project has created in the account and at Momento, on disk; for one run and those before it.

    Raises `CloudError` if `go_ahead` isn't True: then nothing is created.
    """

    def __init__(self, cloud: Cloud, go_ahead: object, record: Path = RECORD) -> None:
        if go_ahead is not True:
            raise CloudError(
                "Nothing was created: read what it costs, then set go_ahead = True and run this cell again."
            )
        import boto3

        self._cloud, self._record = cloud, record
        self._client = boto3.client("secretsmanager")
        self._region = self._client.meta.region_name

    def create_secret(self) -> str:
        """A new tagged secret with your token; its name."""
        name = f"{PREFIX}go-live-{uuid4().hex[:8]}"
        self._write([*self._recorded(), (name, self._region)])
        self._client.create_secret(Name=name, SecretString=self._cloud.api_key, Tags=TAGS)
        return name

    def leftovers(self) -> list[str]:
        """Names of this region's secrets that this project created and that are still there: by the file and by the tag."""
        recorded = {name for name, region in self._recorded() if region == self._region}
        return sorted(name for name in recorded | set(self._tagged()) if self._is_ours(name))

    def clean_up(self) -> list[str]:
        """Delete them, and forget them once they are gone; their names. Other regions' entries stay in the file."""
        found = self.leftovers()
        for name in found:
            self._client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
        self._write([entry for entry in self._recorded() if entry[1] != self._region])
        return found

    def _is_ours(self, name: str) -> bool:
        """Is it there, and does it carry our tag? A name alone is no proof."""
        with suppress(self._client.exceptions.ResourceNotFoundException):
            description = self._client.describe_secret(SecretId=name)
            return TAGS[0] in description.get("Tags", []) and "DeletedDate" not in description
        return False

    def _tagged(self) -> Iterator[str]:
        (tag,) = TAGS
        filters = [
            {"Key": "tag-key", "Values": [tag["Key"]]},
            {"Key": "tag-value", "Values": [tag["Value"]]},
        ]
        for page in self._client.get_paginator("list_secrets").paginate(Filters=filters):
            yield from (secret["Name"] for secret in page["SecretList"])

    def _recorded(self) -> list[tuple[str, str]]:
        """Name and region of each."""
        try:
            return [(name, region) for name, region in json.loads(self._record.read_text("utf-8"))]
        except (FileNotFoundError, ValueError):
            return []

    def _write(self, entries: list[tuple[str, str]]) -> None:
        if entries:
            self._record.write_text(json.dumps(entries) + "\n", encoding="utf-8")
        else:
            self._record.unlink(missing_ok=True)


def _checks(cloud: Cloud, calls: int) -> Iterator[tuple[str, bool, str]]:
    import boto3
    from botocore.config import Config

    session = boto3.Session()
    region = session.region_name
    known = session.get_available_regions("secretsmanager")
    yield (
        "an AWS region",
        region in known,
        f"{region} is no region of Secrets Manager: set AWS_DEFAULT_REGION, such as us-west-2",
    )
    quick = Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})
    yield (
        "AWS credentials that are valid",
        *_asked(_identity, session.client("sts", config=quick)),
    )
    yield (
        "permission to read secrets",
        *_asked(_may_describe, session.client("secretsmanager", config=quick)),
    )
    yield (
        f"at most {QUOTA_PER_SECOND:,} calls a second, the quota",
        calls <= QUOTA_PER_SECOND,
        "plan fewer calls, or spread them over time",
    )
    yield ("a Momento API key", *_asked(_has_key, cloud))
    yield ("Momento's endpoint", *_asked(_reaches_momento, cloud))


def _asked(question: Any, of: Any) -> tuple[bool, str]:
    """Did it go well, and if not, the sentence that says what to do."""
    try:
        question(of)
    except Exception as error:
        return False, cure(error)
    return True, ""


def _identity(sts: Any) -> None:
    sts.get_caller_identity()


def _may_describe(client: Any) -> None:
    """Ask for a secret that isn't there: "not found" is what only those hear who may ask."""
    with suppress(client.exceptions.ResourceNotFoundException):
        client.describe_secret(SecretId=f"{PREFIX}momento-api-key")


def _has_key(cloud: Cloud) -> None:
    kind = check(cloud.api_key.strip())
    if kind.endpoint and cloud.momento_endpoint not in kind.endpoint:
        raise TokenError(
            "The API key belongs to another endpoint than MOMENTO_ENDPOINT: copy both from one place."
        )


def _reaches_momento(cloud: Cloud) -> None:
    provider = cloud.credentials_from(cloud.api_key)
    socket.create_connection((provider.cache_endpoint, provider.port), timeout=3).close()


CURES = {
    "NoCredentialsError": "there are no AWS credentials: run `aws configure`, or `aws sso login`, and connect again",
    "PartialCredentialsError": "the AWS credentials are incomplete: run `aws configure` and connect again",
    "ExpiredTokenException": "the AWS credentials have expired: log in again, such as by `aws sso login`",
    "ExpiredToken": "the AWS credentials have expired: log in again, such as by `aws sso login`",
    "UnrecognizedClientException": "AWS doesn't know these credentials: copy them again, or log in again",
    "InvalidClientTokenId": "AWS doesn't know these credentials: copy them again, or log in again",
    "AccessDeniedException": "this identity may not: give it the policy of notebook 02",
    "EndpointConnectionError": "AWS can't be reached: see whether this machine is online, and whether the region is right",
    "ConnectTimeoutError": "AWS does not answer: see whether a firewall or a proxy is in between",
    "gaierror": "MOMENTO_ENDPOINT can't be found: copy it again, and see whether this machine is online",
    "ConnectionRefusedError": "nothing answers at Momento's endpoint: copy it again from Momento's console",
    "TimeoutError": "Momento's endpoint does not answer: see whether a firewall or a proxy is in between",
}


def cure(error: BaseException) -> str:
    """One sentence that says what to do about it."""
    if isinstance(error, (CloudError, TokenError)):
        return str(error)
    code = getattr(error, "response", {}).get("Error", {}).get("Code", type(error).__name__)
    return CURES.get(code, f"{code}: look it up in the documentation of AWS or Momento")


def cost_table(calls: int) -> Table:
    costs = expected_cost(calls)
    rows = [(what, dollars(amount)) for what, amount in costs.items()]
    rows.append(("at most", dollars(sum(costs.values()))))
    return Table(("What", "Cost"), rows, "What a run costs")
