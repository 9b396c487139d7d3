"""What the notebooks rely on of Secrets Manager, a fact each: what happens, what AWS documents, and how to find out.

A fact tries it with boto3 and says in a few words what it found. On AWS that has to be what AWS documents; what a
stand-in makes of it is written in docs/stand-ins.md, which `python tests/contract/table.py` makes from these.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

API = "https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_{}.html"
GUIDE = "https://docs.aws.amazon.com/secretsmanager/latest/userguide/{}.html"
NO_RETRY = Config(retries={"total_max_attempts": 1})
LAG = 330  # seconds: "ListSecrets might not reflect changes from the last five minutes"


@dataclass(frozen=True)
class Fact:
    part: str
    title: str  # what is tried
    wanted: str  # what AWS documents, in the words in which `find_out` says what it found
    source: str
    find_out: Callable[[Aws], str]
    needs: str = ""  # "sandbox": what only a stand-in lets us do


FACTS: list[Fact] = []


def fact(part: str, title: str, wanted: str, source: str, needs: str = "") -> Callable:
    def keep(find_out: Callable[[Aws], str]) -> Callable[[Aws], str]:
        FACTS.append(Fact(part, title, wanted, source, find_out, needs))
        return find_out

    return keep


class Aws:
    """An endpoint to try facts on: `client` for Secrets Manager, and secrets that `clean_up` removes again."""

    def __init__(self, session: boto3.Session, url: str | None, sandbox: Any = None, has_iam: bool = False) -> None:
        self.session, self.url, self.sandbox, self.has_iam = session, url, sandbox, has_iam
        self.client = self.in_region(None)
        self.run = uuid4().hex[:8]
        self._created: list[tuple[Any, str]] = []

    def in_region(self, region: str | None) -> Any:
        return self.session.client("secretsmanager", region, endpoint_url=self.url, config=NO_RETRY)

    def name(self, ending: str = "") -> str:
        """A name that nobody has, remembered for `clean_up`."""
        name = f"tutorial/contract-{self.run}/{uuid4().hex}{ending}"
        self._created.append((self.client, name))
        return name

    def secret(self, value: str | None = "first", **settings: Any) -> str:
        """A new secret; its name."""
        name = self.name()
        if value is not None:
            settings["SecretString"] = value
        self.client.create_secret(Name=name, **settings)
        return name

    def put(self, name: str, value: str, **settings: Any) -> str:
        """A new version; its id."""
        return self.client.put_secret_value(SecretId=name, SecretString=value, **settings)["VersionId"]

    def value(self, name: str, **which: Any) -> str:
        return self.client.get_secret_value(SecretId=name, **which)["SecretString"]

    def labels(self, name: str) -> str:
        """Which value has which labels, in their order, as "second: AWSCURRENT, first: AWSPREVIOUS"."""
        stages = self.client.describe_secret(SecretId=name).get("VersionIdsToStages", {})
        found = [
            f"{self.value(name, VersionId=version)}: {'+'.join(sorted(labels))}"
            for version, labels in stages.items()
            if labels
        ]
        return ", ".join(sorted(found, key=lambda text: text.partition(": ")[2]))

    def soon(self, wanted: Callable[[], bool], seconds: float = 30) -> bool:
        """Is it so? Waited for on AWS, whose operations are eventually consistent; at once on a stand-in."""
        end = time.monotonic() + (0 if self.url else seconds)
        while not (so := wanted()) and time.monotonic() < end:
            time.sleep(2)
        return so

    def clean_up(self) -> None:
        """Remove all secrets of this run; raises `AssertionError` with the names of those that can't be confirmed gone."""
        for client, name in self._created:
            _delete(client, name)
        there = [name for client, name in self._created if not self.soon(_gone(client, name))]
        self._created.clear()
        assert not there, f"Not confirmed as deleted, so delete by hand: {there}"


def _delete(client: Any, name: str) -> None:
    """Whether it is there or not, and with its replicas."""
    code_of(lambda: client.remove_regions_from_replication(SecretId=name, RemoveReplicaRegions=REPLICAS))
    code_of(lambda: client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))


def _gone(client: Any, name: str) -> Callable[[], bool]:
    return lambda: code_of(lambda: client.describe_secret(SecretId=name)) == NOT_FOUND


def code_of(call: Callable[[], Any]) -> str:
    """The code of AWS's refusal, or "allowed"."""
    try:
        call()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        return f"HTTP {code}" if code.isdigit() else code
    return "allowed"


def refused(call: Callable[[], Any]) -> str:
    """Whether it is refused, where AWS documents no code for it: the caller's mistake, and not the server's."""
    try:
        call()
    except ClientError as error:
        status = error.response["ResponseMetadata"]["HTTPStatusCode"]
        return "refused" if 400 <= status < 500 else f"HTTP {status}"
    return "allowed"


NOT_FOUND = "ResourceNotFoundException"
EXISTS = "ResourceExistsException"
INVALID_REQUEST = "InvalidRequestException"
INVALID_PARAMETER = "InvalidParameterException"
REPLICA = "eu-west-1"
REPLICAS = [REPLICA]

# Reading

READ = "Reading"


@fact(READ, "a read that names no label", "the version AWSCURRENT", API.format("GetSecretValue"))
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.put(name, "second")
    aws.put(name, "pending", VersionStages=["AWSPENDING"])
    return "the version AWSCURRENT" if aws.value(name) == "second" else f"{aws.value(name)!r}"


@fact(
    READ,
    "a read of a secret that isn't there",
    f"{NOT_FOUND}, HTTP 400",
    API.format("GetSecretValue"),
)
def _(aws: Aws) -> str:
    try:
        aws.value(aws.name())
    except ClientError as error:
        about = error.response
        return f"{about['Error']['Code']}, HTTP {about['ResponseMetadata']['HTTPStatusCode']}"
    return "allowed"


@fact(READ, "a read of a label that no version has", NOT_FOUND, API.format("GetSecretValue"))
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(lambda: aws.value(name, VersionStage="AWSPREVIOUS"))


@fact(
    READ,
    "a read of a secret that was created without a value",
    NOT_FOUND,
    API.format("GetSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret(None)
    return code_of(lambda: aws.client.get_secret_value(SecretId=name))


@fact(
    READ,
    "a read with a version's id and a label of another version",
    "refused",
    API.format("GetSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    second = aws.put(name, "second")
    return refused(lambda: aws.value(name, VersionId=second, VersionStage="AWSPREVIOUS"))


@fact(
    READ,
    "a secret stored as bytes",
    "SecretBinary, and no SecretString",
    API.format("GetSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.name()
    aws.client.create_secret(Name=name, SecretBinary=b"\x00\xff")
    answer = aws.client.get_secret_value(SecretId=name)
    binary = "SecretBinary" if answer.get("SecretBinary") == b"\x00\xff" else "no SecretBinary"
    return f"{binary}, and {'a' if 'SecretString' in answer else 'no'} SecretString"


@fact(
    READ,
    "a read by the ARN, and by the ARN without its six last characters",
    "both find it",
    GUIDE.format("troubleshoot"),
)
def _(aws: Aws) -> str:
    arn = aws.client.describe_secret(SecretId=aws.secret())["ARN"]
    whole, part = (code_of(lambda a=a: aws.value(a)) for a in (arn, arn[: -len("-AbCdEf")]))
    return "both find it" if whole == part == "allowed" else f"whole {whole}, part {part}"


@fact(READ, "DescribeSecret", "labels and dates, and not the value", API.format("DescribeSecret"))
def _(aws: Aws) -> str:
    about = aws.client.describe_secret(SecretId=aws.secret("the value"))
    found = "labels and dates" if {"VersionIdsToStages", "CreatedDate"} <= set(about) else str(sorted(about))
    return f"{found}, and {'' if 'the value' in str(about) else 'not '}the value"


@fact(
    READ,
    "BatchGetSecretValue of two secrets and one that isn't there",
    f"2 values, 1 error: {NOT_FOUND}",
    API.format("BatchGetSecretValue"),
)
def _(aws: Aws) -> str:
    names = [aws.secret(), aws.secret(), aws.name()]
    try:
        answer = aws.client.batch_get_secret_value(SecretIdList=names)
    except ClientError as error:
        return error.response["Error"]["Code"]
    errors = [one["ErrorCode"] for one in answer.get("Errors", [])]
    return f"{len(answer['SecretValues'])} values, {len(errors)} error: {', '.join(errors)}"


# Labels and versions

LABELS = "Labels and versions"


@fact(LABELS, "the first version", "first: AWSCURRENT", API.format("CreateSecret"))
def _(aws: Aws) -> str:
    return aws.labels(aws.secret())


@fact(
    LABELS,
    "PutSecretValue without labels",
    "second: AWSCURRENT, first: AWSPREVIOUS",
    API.format("PutSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.put(name, "second")
    return aws.labels(name)


@fact(
    LABELS,
    "a third version",
    "third: AWSCURRENT, second: AWSPREVIOUS",
    API.format("PutSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.put(name, "second")
    aws.put(name, "third")
    return aws.labels(name)


@fact(
    LABELS,
    "PutSecretValue with AWSPENDING",
    "first: AWSCURRENT, second: AWSPENDING",
    API.format("PutSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.put(name, "second", VersionStages=["AWSPENDING"])
    return aws.labels(name)


@fact(
    LABELS,
    "UpdateSecret with a value",
    "second: AWSCURRENT, first: AWSPREVIOUS",
    API.format("UpdateSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.update_secret(SecretId=name, SecretString="second")
    return aws.labels(name)


@fact(
    LABELS,
    "AWSCURRENT moved to a pending version",
    "second: AWSCURRENT+AWSPENDING, first: AWSPREVIOUS; reads give second",
    API.format("UpdateSecretVersionStage"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    first = aws.client.get_secret_value(SecretId=name)["VersionId"]
    second = aws.put(name, "second", VersionStages=["AWSPENDING"])
    aws.client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=second, RemoveFromVersionId=first
    )
    aws.soon(lambda: aws.value(name) == "second")
    return f"{aws.labels(name)}; reads give {aws.value(name)}"


@fact(
    LABELS,
    "AWSCURRENT moved back, the roll-back",
    "first: AWSCURRENT, second: AWSPREVIOUS",
    API.format("UpdateSecretVersionStage"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    first = aws.client.get_secret_value(SecretId=name)["VersionId"]
    second = aws.put(name, "second")
    aws.client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=first, RemoveFromVersionId=second
    )
    return aws.labels(name)


@fact(
    LABELS,
    "AWSCURRENT moved without saying from where",
    INVALID_PARAMETER,
    API.format("UpdateSecretVersionStage"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    second = aws.put(name, "second", VersionStages=["AWSPENDING"])
    return code_of(
        lambda: aws.client.update_secret_version_stage(SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=second)
    )


@fact(
    LABELS,
    "a label of one's own put on another version",
    "it is on the new one only",
    API.format("PutSecretValue"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.put(name, "second", VersionStages=["MINE"])
    aws.put(name, "third", VersionStages=["MINE"])
    having = [part for part in aws.labels(name).split(", ") if "MINE" in part]
    return "it is on the new one only" if having == ["third: MINE"] else ", ".join(having)


@fact(
    LABELS,
    "a version whose last label is taken",
    "listed only with IncludeDeprecated",
    API.format("ListSecretVersionIds"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    old = aws.put(name, "second", VersionStages=["AWSPENDING"])
    aws.client.update_secret_version_stage(SecretId=name, VersionStage="AWSPENDING", RemoveFromVersionId=old)
    listed = [
        old in [one["VersionId"] for one in aws.client.list_secret_version_ids(SecretId=name, **more)["Versions"]]
        for more in ({}, {"IncludeDeprecated": True})
    ]
    return {
        (False, True): "listed only with IncludeDeprecated", (True, True): "listed always",
    }.get(tuple(listed), "not listed")  # fmt: skip


@fact(LABELS, "ClientRequestToken", "it is the version's id", API.format("PutSecretValue"))
def _(aws: Aws) -> str:
    token = str(uuid4())
    same = aws.put(aws.secret(), "second", ClientRequestToken=token) == token
    return "it is the version's id" if same else "the version has another id"


@fact(
    LABELS,
    "the same token with the same value",
    "allowed, and no new version",
    API.format("PutSecretValue"),
)
def _(aws: Aws) -> str:
    name, token = aws.secret(), str(uuid4())
    aws.put(name, "second", ClientRequestToken=token)
    said = code_of(lambda: aws.put(name, "second", ClientRequestToken=token))
    count = len(aws.client.list_secret_version_ids(SecretId=name)["Versions"])
    return f"{said}, and {'no new version' if count == 2 else f'versions with a label: {count}'}"


@fact(LABELS, "the same token with another value", EXISTS, API.format("PutSecretValue"))
def _(aws: Aws) -> str:
    name, token = aws.secret(), str(uuid4())
    aws.put(name, "second", ClientRequestToken=token)
    return code_of(lambda: aws.put(name, "third", ClientRequestToken=token))


# What can be stored

LIMITS = "What can be stored"


@fact(
    LIMITS,
    "a value of 65,536 bytes, and one of a byte more",
    "allowed, refused",
    API.format("CreateSecret"),
)
def _(aws: Aws) -> str:
    return ", ".join(refused(lambda n=n: aws.secret("x" * n)) for n in (65_536, 65_537))


@fact(LIMITS, "a name with a space", "refused", API.format("CreateSecret"))
def _(aws: Aws) -> str:
    name = aws.name(ending=" x")
    return refused(lambda: aws.client.create_secret(Name=name, SecretString="x"))


@fact(LIMITS, "a name that is taken", EXISTS, API.format("CreateSecret"))
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(lambda: aws.client.create_secret(Name=name, SecretString="x"))


@fact(LIMITS, "the ARN", "ends in the name, a hyphen and six characters", API.format("CreateSecret"))
def _(aws: Aws) -> str:
    name = aws.secret()
    arn = aws.client.describe_secret(SecretId=name)["ARN"]
    pattern = rf"arn:[\w-]+:secretsmanager:[\w-]+:\d{{12}}:secret:{re.escape(name)}-\w{{6}}"
    return "ends in the name, a hyphen and six characters" if re.fullmatch(pattern, arn) else arn


@fact(LIMITS, "a KMS key that doesn't exist", "refused", API.format("CreateSecret"))
def _(aws: Aws) -> str:
    return refused(lambda: aws.secret(KmsKeyId=str(uuid4())))


@fact(LIMITS, "tags, given, added and taken away", "as DescribeSecret says", API.format("TagResource"))
def _(aws: Aws) -> str:
    name = aws.secret(Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    aws.client.tag_resource(SecretId=name, Tags=[{"Key": "a", "Value": "3"}])
    aws.client.untag_resource(SecretId=name, TagKeys=["b"])
    aws.soon(lambda: len(aws.client.describe_secret(SecretId=name)["Tags"]) == 1)
    tags = aws.client.describe_secret(SecretId=name)["Tags"]
    return "as DescribeSecret says" if tags == [{"Key": "a", "Value": "3"}] else str(tags)


# Listing

LISTING = "Listing"


@fact(
    LISTING,
    "ListSecrets in pages of two, by a name's beginning",
    "all five, once each",
    API.format("ListSecrets"),
)
def _(aws: Aws) -> str:
    beginning = aws.name()
    names = [beginning, *(f"{beginning}-{number}" for number in range(4))]
    for name in names:
        aws._created.append((aws.client, name))
        aws.client.create_secret(Name=name, SecretString="x")

    def listed() -> list[str]:
        pages = aws.client.get_paginator("list_secrets").paginate(
            Filters=[{"Key": "name", "Values": [beginning]}], PaginationConfig={"PageSize": 2}
        )
        return sorted(one["Name"] for page in pages for one in page["SecretList"])

    aws.soon(lambda: listed() == names, LAG)
    return "all five, once each" if listed() == names else f"{len(listed())} of 5"


@fact(LISTING, "ListSecrets by a tag's key and value", "the tagged one", API.format("ListSecrets"))
def _(aws: Aws) -> str:
    value = uuid4().hex
    name = aws.secret(Tags=[{"Key": "contract", "Value": value}])
    aws.secret(Tags=[{"Key": "contract", "Value": "other"}])
    filters = [{"Key": "tag-key", "Values": ["contract"]}, {"Key": "tag-value", "Values": [value]}]

    def listed() -> list[str]:
        return [one["Name"] for one in aws.client.list_secrets(Filters=filters)["SecretList"]]

    aws.soon(lambda: listed() == [name], LAG)
    return "the tagged one" if listed() == [name] else f"{len(listed())} secrets"


@fact(
    LISTING,
    "ListSecrets with a NextToken that isn't one",
    "InvalidNextTokenException",
    API.format("ListSecrets"),
)
def _(aws: Aws) -> str:
    return code_of(lambda: aws.client.list_secrets(NextToken="none"))


@fact(
    LISTING,
    "ListSecrets of a secret that waits for deletion",
    "only with IncludePlannedDeletion",
    API.format("ListSecrets"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.delete_secret(SecretId=name)
    filters = [{"Key": "name", "Values": [name]}]

    def listed(**more: Any) -> bool:
        return bool(aws.client.list_secrets(Filters=filters, **more)["SecretList"])

    aws.soon(lambda: listed(IncludePlannedDeletion=True) and not listed(), LAG)
    return {
        (False, True): "only with IncludePlannedDeletion", (True, True): "always",
    }.get((listed(), listed(IncludePlannedDeletion=True)), "never")  # fmt: skip


# Deleting and restoring

DELETION = "Deleting and restoring"


@fact(DELETION, "DeleteSecret without a window", "in 30 days", API.format("DeleteSecret"))
def _(aws: Aws) -> str:
    date = aws.client.delete_secret(SecretId=aws.secret())["DeletionDate"]
    return f"in {round((date.timestamp() - time.time()) / 86400)} days"


@fact(DELETION, "a window of six days", INVALID_PARAMETER, API.format("DeleteSecret"))
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(lambda: aws.client.delete_secret(SecretId=name, RecoveryWindowInDays=6))


@fact(
    DELETION,
    "a window, and ForceDeleteWithoutRecovery",
    INVALID_PARAMETER,
    API.format("DeleteSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(
        lambda: aws.client.delete_secret(SecretId=name, RecoveryWindowInDays=7, ForceDeleteWithoutRecovery=True)
    )


@fact(
    DELETION,
    "a secret that waits for deletion: read, written, described",
    f"{INVALID_REQUEST}, {INVALID_REQUEST}, DeletedDate",
    API.format("DeleteSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.delete_secret(SecretId=name)
    aws.soon(lambda: code_of(lambda: aws.value(name)) != "allowed")
    codes = [code_of(lambda: aws.value(name)), code_of(lambda: aws.put(name, "second"))]
    shown = "DeletedDate" in aws.client.describe_secret(SecretId=name)
    return ", ".join([*codes, "DeletedDate" if shown else "no DeletedDate"])


@fact(
    DELETION,
    "a new secret with the name of one that waits",
    INVALID_REQUEST,
    API.format("CreateSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.delete_secret(SecretId=name)
    return code_of(lambda: aws.client.create_secret(Name=name, SecretString="x"))


@fact(DELETION, "RestoreSecret", "its value is back, and no DeletedDate", API.format("RestoreSecret"))
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.delete_secret(SecretId=name)
    aws.client.restore_secret(SecretId=name)
    aws.soon(lambda: code_of(lambda: aws.value(name)) == "allowed")
    back = "its value is back" if aws.value(name) == "first" else "its value is another"
    shown = "DeletedDate" in aws.client.describe_secret(SecretId=name)
    return f"{back}, and {'a' if shown else 'no'} DeletedDate"


@fact(
    DELETION,
    "DescribeSecret after ForceDeleteWithoutRecovery",
    NOT_FOUND,
    API.format("DeleteSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    aws.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    aws.soon(lambda: code_of(lambda: aws.client.describe_secret(SecretId=name)) == NOT_FOUND)
    return code_of(lambda: aws.client.describe_secret(SecretId=name))


@fact(
    DELETION,
    "ForceDeleteWithoutRecovery of a secret that isn't there",
    "allowed",
    API.format("DeleteSecret"),
)
def _(aws: Aws) -> str:
    name = aws.name()
    return code_of(lambda: aws.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True))


@fact(DELETION, "a secret created anew under the same name", "another ARN", API.format("CreateSecret"))
def _(aws: Aws) -> str:
    name = aws.secret()
    old = aws.client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)["ARN"]
    made = lambda: code_of(lambda: aws.client.create_secret(Name=name, SecretString="x"))  # noqa: E731
    aws.soon(lambda: made() in ("allowed", EXISTS))
    return "another ARN" if aws.client.describe_secret(SecretId=name)["ARN"] != old else "the same"


# Replicas

COPIES = "Replicas"
SINCE = GUIDE.format("replicate-secrets")


def _replicated(aws: Aws) -> str:
    name = aws.secret()
    aws.client.replicate_secret_to_regions(SecretId=name, AddReplicaRegions=[{"Region": REPLICA}])
    aws.soon(lambda: code_of(lambda: aws.in_region(REPLICA).get_secret_value(SecretId=name)) == "allowed")
    return name


@fact(
    COPIES,
    "a replica",
    "it has the value, and DescribeSecret names its region",
    API.format("ReplicateSecretToRegions"),
)
def _(aws: Aws) -> str:
    name = _replicated(aws)
    value = aws.in_region(REPLICA).get_secret_value(SecretId=name)["SecretString"]
    regions = [one["Region"] for one in aws.client.describe_secret(SecretId=name).get("ReplicationStatus", [])]
    there = "it has the value" if value == "first" else "it has another value"
    return f"{there}, and DescribeSecret names {'its region' if regions == [REPLICA] else 'none'}"


@fact(COPIES, "a new value of the primary", "the replica gets it", SINCE)
def _(aws: Aws) -> str:
    name = _replicated(aws)
    aws.put(name, "second")
    read = lambda: aws.in_region(REPLICA).get_secret_value(SecretId=name)["SecretString"]  # noqa: E731
    aws.soon(lambda: read() == "second")
    return "the replica gets it" if read() == "second" else "the replica keeps the old one"


@fact(COPIES, "a new value of the replica", "refused", SINCE)
def _(aws: Aws) -> str:
    name = _replicated(aws)
    return refused(lambda: aws.in_region(REPLICA).put_secret_value(SecretId=name, SecretString="x"))


@fact(
    COPIES,
    "DeleteSecret of a primary that has replicas",
    "refused",
    API.format("DeleteSecret"),
)
def _(aws: Aws) -> str:
    name = _replicated(aws)
    return refused(lambda: aws.client.delete_secret(SecretId=name))


# Who may

ACCESS = "Who may"
NO_IAM = "no IAM: only the sandbox's own key may, and it may everything"


def _policy(principal: Any = None) -> str:
    allow = {
        "Effect": "Allow",
        "Principal": principal or "*",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [allow]})


def _user_who_may(aws: Aws, action: str, resource: str) -> boto3.Session:
    iam = aws.session.client("iam", endpoint_url=aws.url)
    user = f"contract-{uuid4().hex}"
    iam.create_user(UserName=user)
    allow = {"Effect": "Allow", "Action": action, "Resource": resource}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    iam.put_user_policy(UserName=user, PolicyName="p", PolicyDocument=document)
    key = iam.create_access_key(UserName=user)["AccessKey"]
    return boto3.Session(key["AccessKeyId"], key["SecretAccessKey"], region_name=aws.session.region_name)


def _own(aws: Aws, name: str) -> dict[str, str]:
    return {"AWS": f"arn:aws:iam::{aws.client.describe_secret(SecretId=name)['ARN'].split(':')[4]}:root"}


@fact(
    ACCESS,
    "a resource policy, put, read and deleted",
    "as it was put, then none",
    API.format("PutResourcePolicy"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    policy = _policy(_own(aws, name))
    aws.client.put_resource_policy(SecretId=name, ResourcePolicy=policy)
    read = lambda: aws.client.get_resource_policy(SecretId=name).get("ResourcePolicy")  # noqa: E731
    aws.soon(lambda: read() is not None)
    first = "as it was put" if json.loads(read() or "{}") == json.loads(policy) else "another"
    aws.client.delete_resource_policy(SecretId=name)
    aws.soon(lambda: read() is None)
    return f"{first}, then {'none' if read() is None else 'still one'}"


@fact(
    ACCESS,
    "a resource policy that is no JSON",
    "MalformedPolicyDocumentException",
    API.format("PutResourcePolicy"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(lambda: aws.client.put_resource_policy(SecretId=name, ResourcePolicy="{"))


@fact(
    ACCESS,
    "one for everybody, with BlockPublicPolicy",
    "PublicPolicyException",
    API.format("PutResourcePolicy"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(
        lambda: aws.client.put_resource_policy(SecretId=name, ResourcePolicy=_policy(), BlockPublicPolicy=True)
    )


@fact(
    ACCESS,
    "a request signed with a wrong secret key",
    "refused",
    "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
)
def _(aws: Aws) -> str:
    key = aws.session.get_credentials().get_frozen_credentials()
    if aws.has_iam:  # its administrator's signature MiniStack doesn't look at
        user = _user_who_may(aws, "secretsmanager:GetSecretValue", "*")
        key = user.get_credentials().get_frozen_credentials()
    wrong = boto3.Session(key.access_key, "wrong", key.token, region_name=aws.session.region_name)
    name = aws.secret()
    client = wrong.client("secretsmanager", endpoint_url=aws.url, config=NO_RETRY)
    return refused(lambda: client.get_secret_value(SecretId=name))


@fact(
    ACCESS,
    "an access key that nobody has",
    "UnrecognizedClientException",
    "https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html",
)
def _(aws: Aws) -> str:
    nobody = boto3.Session("AKIAIOSFODNN7EXAMPLE", "x", region_name=aws.session.region_name)
    client = nobody.client("secretsmanager", endpoint_url=aws.url, config=NO_RETRY)
    return code_of(lambda: client.list_secrets(MaxResults=1))


def _as_user(aws: Aws, action: str, resource: str) -> Any:
    """A client of a new user who may do just this."""
    user = _user_who_may(aws, action, resource)
    return user.client("secretsmanager", endpoint_url=aws.url, config=NO_RETRY)


@fact(
    ACCESS,
    "a read by an identity that may read another secret",
    "AccessDeniedException",
    GUIDE.format("auth-and-access"),
    needs="sandbox",
)
def _(aws: Aws) -> str:
    one, other = aws.secret(), aws.secret()
    arn = aws.client.describe_secret(SecretId=other)["ARN"]
    if not aws.has_iam:
        return NO_IAM
    client = _as_user(aws, "secretsmanager:GetSecretValue", arn)
    return code_of(lambda: client.get_secret_value(SecretId=one))


@fact(
    ACCESS,
    "a read by an identity whose policy ends in ??????",
    "allowed",
    GUIDE.format("auth-and-access_iam-policies"),
    needs="sandbox",
)
def _(aws: Aws) -> str:
    name = aws.secret()
    arn = aws.client.describe_secret(SecretId=name)["ARN"][: -len("AbCdEf")] + "??????"
    if not aws.has_iam:
        return NO_IAM
    client = _as_user(aws, "secretsmanager:GetSecretValue", arn)
    return code_of(lambda: client.get_secret_value(SecretId=name))


@fact(
    ACCESS,
    "CreateSecret with tags, by an identity without TagResource",
    "AccessDeniedException",
    API.format("CreateSecret"),
    needs="sandbox",
)
def _(aws: Aws) -> str:
    if not aws.has_iam:
        return NO_IAM
    client = _as_user(aws, "secretsmanager:CreateSecret", "*")
    name = aws.name()
    tags = [{"Key": "a", "Value": "1"}]
    return code_of(lambda: client.create_secret(Name=name, SecretString="x", Tags=tags))


# Throttling

THROTTLING = "Throttling"


@fact(
    THROTTLING,
    "a call beyond the quota",
    "ThrottlingException, HTTP 400; boto3 asks again",
    "https://docs.aws.amazon.com/secretsmanager/latest/apireference/CommonErrors.html",
    needs="sandbox",
)
def _(aws: Aws) -> str:
    name = aws.secret()
    fault = {
        "service": "aws",
        "operation": "GetSecretValue",
        "error": "ThrottlingException",
        "times": 1,
    }
    try:
        aws.sandbox.ask("add_fault", **fault)
        aws.value(name)
    except ClientError as error:
        about = error.response
    aws.sandbox.ask("add_fault", **fault)
    patient = aws.session.client(
        "secretsmanager",
        endpoint_url=aws.url,
        config=Config(retries={"mode": "standard", "total_max_attempts": 2}),
    )
    again = code_of(lambda: patient.get_secret_value(SecretId=name)) == "allowed"
    said = f"{about['Error']['Code']}, HTTP {about['ResponseMetadata']['HTTPStatusCode']}"
    return f"{said}; boto3 {'asks again' if again else 'gives up'}"


# Rotation

ROTATION = "Rotation"


@fact(
    ROTATION,
    "RotateSecret of a secret that has no rotation function",
    INVALID_REQUEST,
    API.format("RotateSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    return code_of(lambda: aws.client.rotate_secret(SecretId=name))


@fact(ROTATION, "RotateSecret of a secret that isn't there", NOT_FOUND, API.format("RotateSecret"))
def _(aws: Aws) -> str:
    name = aws.name()
    return code_of(lambda: aws.client.rotate_secret(SecretId=name))


@fact(
    ROTATION,
    "CancelRotateSecret, then DescribeSecret",
    "no RotationEnabled, or False",
    API.format("CancelRotateSecret"),
)
def _(aws: Aws) -> str:
    name = aws.secret()
    said = code_of(lambda: aws.client.cancel_rotate_secret(SecretId=name))
    enabled = aws.client.describe_secret(SecretId=name).get("RotationEnabled", False)
    return (
        "no RotationEnabled, or False" if not enabled and said in ("allowed", INVALID_REQUEST) else f"{said}, {enabled}"
    )


@fact(
    ROTATION,
    "what a rotation does: put as AWSPENDING, read it by id and label, move AWSCURRENT",
    "read while pending: second; then second: AWSCURRENT+AWSPENDING, first: AWSPREVIOUS",
    GUIDE.format("rotate-secrets_lambda-functions"),
)
def _(aws: Aws) -> str:
    name, token = aws.secret(), str(uuid4())
    first = aws.client.get_secret_value(SecretId=name)["VersionId"]
    aws.put(name, "second", ClientRequestToken=token, VersionStages=["AWSPENDING"])
    read = aws.value(name, VersionId=token, VersionStage="AWSPENDING")
    aws.client.update_secret_version_stage(
        SecretId=name, VersionStage="AWSCURRENT", MoveToVersionId=token, RemoveFromVersionId=first
    )
    return f"read while pending: {read}; then {aws.labels(name)}"
