"""What the collection relies on of Secrets Manager, a fact each: what is tried, what AWS documents, and how to find out.

On AWS what a fact finds has to be what AWS documents; what a stand-in does instead is written in docs/stand-ins.md,
which `python tests/contract/table.py` makes from these.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

SITE = "https://docs.aws.amazon.com/{}.html"
API = "secretsmanager/latest/apireference/"
NO_RETRY = Config(retries={"total_max_attempts": 1})
NOT_FOUND, EXISTS, DENIED = "ResourceNotFoundException", "ResourceExistsException", "AccessDeniedException"
INVALID_REQUEST, INVALID_PARAMETER = "InvalidRequestException", "InvalidParameterException"
REFUSED = "refused"  # where AWS documents no code
REPLICA = "eu-west-1"


class NoIam(Exception):
    def __str__(self) -> str:
        return "no IAM: only the sandbox's own key may, and it may everything"


class Aws:
    """An endpoint to try facts on, and the secrets that were created there."""

    def __init__(self, session: boto3.Session, url: str | None, sandbox: Any = None, has_iam: bool = False) -> None:
        self.session, self.url, self.sandbox, self.has_iam = session, url, sandbox, has_iam
        self.created: list[Secret] = []

    def client(self, service: str = "secretsmanager", session: boto3.Session | None = None, **more: Any) -> Any:
        return (session or self.session).client(service, endpoint_url=self.url, config=NO_RETRY, **more)

    def nothing(self, ending: str = "") -> Secret:
        """Return a secret that isn't there, with a name that nobody has."""
        self.created.append(Secret(f"tutorial/contract/{uuid4().hex}{ending}", self.client()))
        return self.created[-1]

    def secret(self, *values: str, **settings: Any) -> Secret:
        """Create a secret that had these values, one after the other."""
        first = {"SecretString": values[0]} if values else {}
        secret = self.nothing().then("create_secret", **first, **settings)
        for value in values[1:]:
            secret.put(value)
        return secret

    def user(self, action: str, resource: str) -> boto3.Session:
        """Create a user who may do just this. Raises `NoIam` where there is none."""
        if not self.has_iam:
            raise NoIam
        iam, name = self.client("iam"), f"contract-{uuid4().hex}"
        allow = {"Effect": "Allow", "Action": action, "Resource": resource}
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Statement": [allow]}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return self.keys(key["AccessKeyId"], key["SecretAccessKey"])

    def rotation(self, **environment: str) -> dict[str, Any]:
        """Deploy `rotates.py`, which Secrets Manager may invoke; return the settings of a rotation by it."""
        key = self.session.get_credentials().access_key
        names = ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        environment |= dict(zip(names, (self.url, "us-west-2", key, key), strict=True))
        file = str(Path(__file__).with_name("rotates.py"))
        function = self.sandbox.ask("deploy_function", file=file, environment=environment)
        allow = {"Action": "lambda:InvokeFunction", "Principal": "secretsmanager.amazonaws.com"}
        self.client("lambda").add_permission(FunctionName=function, StatementId="contract", **allow)
        return {"RotationLambdaARN": function, "RotationRules": {"AutomaticallyAfterDays": 30}}

    def keys(self, *key: str | None) -> boto3.Session:
        return boto3.Session(*key, region_name="us-west-2")

    def wait(self, wanted: Callable[[], bool]) -> bool:
        """Wait until it is so, on AWS, whose operations are eventually consistent; a stand-in is so immediately."""
        end = time.monotonic() + (0 if self.url else 30)
        while not (so := wanted()) and time.monotonic() < end:
            time.sleep(2)
        return so

    def clean_up(self) -> None:
        """Remove all secrets; raises `AssertionError` with the names of those that can't be confirmed gone."""
        for secret in self.created:
            secret.code("remove_regions_from_replication", RemoveReplicaRegions=[REPLICA])
            secret.code("delete_secret", **BY_FORCE)
        left = [it.name for it in self.created if not self.wait(lambda it=it: it.code("describe_secret") == NOT_FOUND)]
        self.created.clear()
        assert not left, f"Not confirmed as deleted, so delete by hand: {left}"


@dataclass
class Secret:
    """A secret as one client sees it. What makes a change returns the secret, so that the next call can follow."""

    name: str
    client: Any

    def do(self, operation: str, **asked: Any) -> dict[str, Any]:
        which = {"Name" if operation == "create_secret" else "SecretId": self.name}
        return getattr(self.client, operation)(**which, **asked)

    def then(self, operation: str, **asked: Any) -> Secret:
        self.do(operation, **asked)
        return self

    def code(self, operation: str = "get_secret_value", **asked: Any) -> str:
        """Return the code of AWS's error, or "allowed"."""
        try:
            self.do(operation, **asked)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return "allowed"

    def read(self, **which: Any) -> dict[str, Any]:
        return self.do("get_secret_value", **which)

    def value(self, **which: Any) -> str:
        return self.read(**which)["SecretString"]

    def about(self) -> dict[str, Any]:
        return self.do("describe_secret")

    def put(self, value: str, *labels: str, token: str | None = None) -> Secret:
        more = {"VersionStages": labels} if labels else {}
        return self.then("put_secret_value", SecretString=value, ClientRequestToken=token or str(uuid4()), **more)

    def move(self, label: str, to: str | None, away_from: str) -> Secret:
        """Move the label between the versions that have these values, or take it off."""
        ids = {self.value(VersionId=version): version for version in self.about()["VersionIdsToStages"]}
        there = {"MoveToVersionId": ids[to]} if to else {}
        return self.then("update_secret_version_stage", VersionStage=label, RemoveFromVersionId=ids[away_from], **there)

    def labels(self) -> str:
        """Say which value has which labels, in their order, as "second: AWSCURRENT, first: AWSPREVIOUS"."""
        stages = self.about().get("VersionIdsToStages", {})
        found = [f"{self.value(VersionId=it)}: {'+'.join(sorted(its))}" for it, its in stages.items() if its]
        return ", ".join(sorted(found, key=lambda text: text.partition(": ")[2]))

    def delete(self, **how: Any) -> Secret:
        return self.then("delete_secret", **how)

    def seen_by(self, session: boto3.Session, aws: Aws) -> Secret:
        return Secret(self.name, aws.client(session=session))


@dataclass(frozen=True)
class Fact:
    """`find_out` returns what it found, in the words of `wanted`; or a function that does, once AWS has caught up."""

    part: str
    title: str
    wanted: str
    find_out: Callable[[Aws], str | Callable[[], str]]
    source: str
    live: bool  # False: what only a stand-in lets us do


FACTS: list[Fact] = []


def part(title: str, page: str) -> Callable[..., Any]:
    """Begin a part; what is returned adds a fact. Its source is the page of the operation in its title, or this one."""

    def fact(tried: str, wanted: str, find_out: Any = None, live: bool = True) -> Any:
        def add(find_out: Callable[[Aws], Any]) -> None:
            operation = re.search(r"[A-Z][a-z]+(Secret|Resource|Replication)\w*", tried)
            source = SITE.format(f"{API}API_{operation[0]}" if operation else page)
            FACTS.append(Fact(title, tried, wanted, find_out, source, live))

        return add(find_out) if find_out else add

    return fact


def fields(response: dict[str, Any], *names: str) -> str:
    """Say which of these fields the response has."""
    return ", ".join(name for name in names if name in response)


def moved(aws: Aws) -> Secret:
    return aws.secret("first").put("second", "AWSPENDING").move("AWSCURRENT", "second", "first")


def waiting(aws: Aws) -> Secret:
    return aws.secret("first").delete()


def replicated(aws: Aws, *values: str) -> tuple[Secret, Secret]:
    """Create a secret and its replica, wait until that can be read, then store these values."""
    primary = aws.secret("first").then("replicate_secret_to_regions", AddReplicaRegions=[{"Region": REPLICA}])
    replica = Secret(primary.name, aws.client(region_name=REPLICA))
    aws.wait(lambda: replica.code() == "allowed")
    for value in values:
        primary.put(value)
    return primary, replica


def promoted(aws: Aws) -> str:
    """Say what became of the ARN of a replica that is a secret of its own now."""
    primary, replica = replicated(aws)
    aws.created.append(replica)
    arn = replica.do("stop_replication_to_replica")["ARN"]
    return "only the region differs" if arn.replace(REPLICA, "us-west-2") == primary.about()["ARN"] else "another ARN"


def read_by_an_identity(aws: Aws, secret: Secret, resource: str) -> str:
    return secret.seen_by(aws.user("secretsmanager:GetSecretValue", resource), aws).code()


def policy_for_all(effect: str) -> dict[str, Any]:
    """Return the arguments that attach a policy with this effect on everybody who reads."""
    statement = {"Effect": effect, "Principal": "*", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}
    return {"ResourcePolicy": json.dumps({"Version": "2012-10-17", "Statement": [statement]})}


def rotating(aws: Aws) -> Secret:
    """Start a rotation that fails."""
    return aws.secret("first").then("rotate_secret", **aws.rotation())


def rotated(aws: Aws) -> Secret:
    secret = aws.secret("first").then("rotate_secret", **aws.rotation(NEW_VALUE="second"))
    end = time.monotonic() + 60
    while "LastRotatedDate" not in secret.about() and time.monotonic() < end:
        time.sleep(0.1)
    return secret


X = {"SecretString": "x"}
TAGGED = {**X, "Tags": [{"Key": "a", "Value": "1"}]}
TOKEN = str(uuid4())
PENDING = {"VersionId": TOKEN, "VersionStage": "AWSPENDING"}
BY_FORCE = {"ForceDeleteWithoutRecovery": True}

# A table, a line or two a fact:
# fmt: off

fact = part("Reading", f"{API}API_GetSecretValue")
fact("a read that names no label", "second", lambda aws: aws.secret("first", "second").put("third", "AWSPENDING").value)
fact("a read of a secret that isn't there", NOT_FOUND, lambda aws: aws.nothing().code())
fact("a read of a label that no version has", NOT_FOUND, lambda aws: aws.secret("x").code(VersionStage="AWSPREVIOUS"))
fact("a read of a secret that was created without a value", NOT_FOUND, lambda aws: aws.secret().code())
fact("a read with a version's id and its label", "second",
     lambda aws: aws.secret("first").put("second", "AWSPENDING", token=TOKEN).value(**PENDING))
fact("a read with a version's id and a label of another version", REFUSED,
     lambda aws: aws.secret("first").put("second", token=TOKEN).put("third", "AWSPENDING").code(**PENDING))
fact("a read of a secret stored as bytes", "SecretBinary",
     lambda aws: fields(aws.nothing().then("create_secret", SecretBinary=b"x").read(), "SecretBinary", "SecretString"))
fact("DescribeSecret", "CreatedDate, VersionIdsToStages",
     lambda aws: fields(aws.secret("x").about(), "CreatedDate", "VersionIdsToStages", "SecretString"))

fact = part("Labels and versions", f"{API}API_UpdateSecretVersionStage")
fact("PutSecretValue", "third: AWSCURRENT, second: AWSPREVIOUS",
     lambda aws: aws.secret("first", "second", "third").labels)
fact("PutSecretValue with AWSPENDING", "first: AWSCURRENT, second: AWSPENDING",
     lambda aws: aws.secret("first").put("second", "AWSPENDING").labels)
fact("PutSecretValue with the same token and the same value", "second: AWSCURRENT, first: AWSPREVIOUS",
     lambda aws: aws.secret("first").put("second", token=TOKEN).put("second", token=TOKEN).labels)
fact("PutSecretValue with the same token and another value", EXISTS,
     lambda aws: aws.secret("first").put("second", token=TOKEN).code("put_secret_value", ClientRequestToken=TOKEN, **X))
fact("UpdateSecret with a value", "second: AWSCURRENT, first: AWSPREVIOUS",
     lambda aws: aws.secret("first").then("update_secret", SecretString="second").labels)
fact("AWSCURRENT moved to a pending version", "second: AWSCURRENT+AWSPENDING, first: AWSPREVIOUS",
     lambda aws: moved(aws).labels)
fact("a read after that", "second", lambda aws: moved(aws).value)
fact("AWSCURRENT moved back, the roll-back", "first: AWSCURRENT, second: AWSPREVIOUS",
     lambda aws: aws.secret("first", "second").move("AWSCURRENT", "first", "second").labels)
fact("AWSPENDING taken off", "first: AWSCURRENT",
     lambda aws: aws.secret("first").put("second", "AWSPENDING").move("AWSPENDING", None, "second").labels)

fact = part("What can be stored", f"{API}API_CreateSecret")
fact("a value of 65,536 bytes", "allowed", lambda aws: aws.nothing().code("create_secret", SecretString="x" * 65_536))
fact("a value of 65,537 bytes", REFUSED, lambda aws: aws.nothing().code("create_secret", SecretString="x" * 65_537))
fact("a name with a space", REFUSED, lambda aws: aws.nothing(" x").code("create_secret", **X))
fact("a name that is taken", EXISTS, lambda aws: aws.secret("x").code("create_secret", **X))
fact("the ARN after the name, each character as ?", "-??????",
     lambda aws: re.sub(r"\w", "?", (secret := aws.secret("x")).about()["ARN"].partition(secret.name)[2]))

fact = part("Listing", f"{API}API_ListSecrets")

@fact("ListSecrets by a tag's key and value, in pages of two", "all three")
def _(aws: Aws) -> Callable[[], str]:
    value = uuid4().hex
    names = {aws.secret("x", Tags=[{"Key": "contract", "Value": value}]).name for _ in range(3)}
    aws.secret("x", Tags=[{"Key": "contract", "Value": "other"}])
    filters = [{"Key": "tag-key", "Values": ["contract"]}, {"Key": "tag-value", "Values": [value]}]
    pages = aws.client().get_paginator("list_secrets")

    def listed() -> str:
        found = pages.paginate(Filters=filters, PaginationConfig={"PageSize": 2})
        its = [one["Name"] for page in found for one in page["SecretList"]]
        return "all three" if len(its) == 3 and set(its) == names else f"{len(its)} secrets"

    return listed

@fact("ListSecrets of a secret that waits for deletion", "only with IncludePlannedDeletion")
def _(aws: Aws) -> Callable[[], str]:
    filters = [{"Key": "name", "Values": [waiting(aws).name]}]
    listed = lambda **more: bool(aws.client().list_secrets(Filters=filters, **more)["SecretList"])  # noqa: E731
    words = {(False, True): "only with IncludePlannedDeletion", (True, True): "always"}
    return lambda: words.get((listed(), listed(IncludePlannedDeletion=True)), "never")

fact = part("Deleting and restoring", f"{API}API_DeleteSecret")
fact("days until the deletion, if no window is given", "30",
     lambda aws: str(round((aws.secret("x").do("delete_secret")["DeletionDate"].timestamp() - time.time()) / 86400)))
fact("a recovery window of six days", INVALID_PARAMETER,
     lambda aws: aws.secret("x").code("delete_secret", RecoveryWindowInDays=6))
fact("a read of a secret that waits for deletion", INVALID_REQUEST, lambda aws: waiting(aws).code)
fact("PutSecretValue of a secret that waits for deletion", INVALID_REQUEST,
     lambda aws: waiting(aws).code("put_secret_value", **X))
fact("DescribeSecret of a secret that waits for deletion", "DeletedDate",
     lambda aws: fields(waiting(aws).about(), "DeletedDate"))
fact("CreateSecret with the name of one that waits", INVALID_REQUEST,
     lambda aws: waiting(aws).code("create_secret", **X))
fact("a read after RestoreSecret", "first", lambda aws: waiting(aws).then("restore_secret").value)
fact("DescribeSecret after ForceDeleteWithoutRecovery", NOT_FOUND,
     lambda aws: partial(aws.secret("x").delete(**BY_FORCE).code, "describe_secret"))
fact("ForceDeleteWithoutRecovery of a secret that isn't there", "allowed",
     lambda aws: aws.nothing().code("delete_secret", **BY_FORCE))

@fact("CreateSecret with the name of one that was deleted", "another ARN")
def _(aws: Aws) -> Callable[[], str]:
    secret = aws.secret("x")
    old = secret.do("delete_secret", **BY_FORCE)["ARN"]

    def create_again() -> str:
        said = secret.code("create_secret", **X)
        return said if said not in ("allowed", EXISTS) else "another ARN" if secret.about()["ARN"] != old else "the same"

    return create_again

fact = part("Replicas", "secretsmanager/latest/userguide/replicate-secrets")
fact("a read of the replica after a new value of the primary", "second", lambda aws: replicated(aws, "second")[1].value)
fact("a new value of the replica", REFUSED, lambda aws: replicated(aws)[1].code("put_secret_value", **X))
fact("DeleteSecret of a primary that has replicas", REFUSED, lambda aws: replicated(aws)[0].code("delete_secret"))
fact("the regions of the replicas, by DescribeSecret", REPLICA,
     lambda aws: ", ".join(one["Region"] for one in replicated(aws)[0].about().get("ReplicationStatus", [])))
fact("the ARN after StopReplicationToReplica", "only the region differs", promoted)

fact = part("Who may", "secretsmanager/latest/userguide/auth-and-access_iam-policies")

fact("a read by an identity that may read another secret", DENIED, live=False, find_out=
     lambda aws: read_by_an_identity(aws, aws.secret("x"), aws.secret("x").about()["ARN"]))
fact("a read by an identity whose policy ends in ??????", "allowed", live=False, find_out=
     lambda aws: read_by_an_identity(aws, it := aws.secret("x"), it.about()["ARN"][: -len("AbCdEf")] + "??????"))
fact("a read that a resource policy denies to everybody, by an identity that may read all", DENIED, live=False, find_out=
     lambda aws: read_by_an_identity(aws, aws.secret("x").then("put_resource_policy", **policy_for_all("Deny")), "*"))
fact("PutResourcePolicy with BlockPublicPolicy, of a policy that allows everybody to read", "PublicPolicyException",
     lambda aws: aws.secret("x").code("put_resource_policy", BlockPublicPolicy=True, **policy_for_all("Allow")))
fact("CreateSecret with tags, by an identity without TagResource", DENIED, live=False, find_out=
     lambda aws: aws.nothing().seen_by(aws.user("secretsmanager:CreateSecret", "*"), aws).code("create_secret", **TAGGED))

fact = part("Errors that every call can meet", f"{API}CommonErrors")
fact("an access key that nobody has", "UnrecognizedClientException",
     lambda aws: aws.secret("x").seen_by(aws.keys("AKIAIOSFODNN7EXAMPLE", "x"), aws).code())

@fact("a signature with a wrong secret key", REFUSED)
def _(aws: Aws) -> str:
    # MiniStack doesn't verify the signature of its administrator
    session = aws.user("secretsmanager:GetSecretValue", "*") if aws.has_iam else aws.session
    key = session.get_credentials().get_frozen_credentials()
    return aws.secret("x").seen_by(aws.keys(key.access_key, "wrong", key.token), aws).code()

@fact("a call beyond the quota", "ThrottlingException", live=False)
def _(aws: Aws) -> str:
    secret = aws.secret("x")
    aws.sandbox.ask("add_fault", service="aws", operation="GetSecretValue", error="ThrottlingException", times=1)
    return secret.code()

fact = part("Rotation", f"{API}API_RotateSecret")
fact("RotateSecret without a rotation function", INVALID_REQUEST, lambda aws: aws.secret("x").code("rotate_secret"))
fact("RotateSecret of a secret that isn't there", NOT_FOUND, lambda aws: aws.nothing().code("rotate_secret"))
fact("RotateSecret while AWSPENDING is on a version that isn't current", INVALID_REQUEST, live=False, find_out=
     lambda aws: aws.secret("first").put("second", "AWSPENDING").code("rotate_secret", **aws.rotation()))
fact("RotateSecret after AWSPENDING was taken off that version", "allowed", live=False, find_out=
     lambda aws: aws.secret("first").put("second", "AWSPENDING").move("AWSPENDING", None, "second").code(
         "rotate_secret", **aws.rotation()))
fact("a read of AWSPENDING before the rotation has stored a value", NOT_FOUND, live=False, find_out=
     lambda aws: rotating(aws).code(VersionStage="AWSPENDING"))
fact("the labels at that time, by DescribeSecret", "AWSCURRENT, AWSPENDING", live=False, find_out=
     lambda aws: ", ".join(sorted(chain(*rotating(aws).about()["VersionIdsToStages"].values()))))
fact("the labels at that time, by ListSecretVersionIds", "AWSCURRENT", live=False, find_out=
     lambda aws: ", ".join(chain(*(it["VersionStages"] for it in rotating(aws).do("list_secret_version_ids")["Versions"]))))
fact("the labels after a rotation", "second: AWSCURRENT, first: AWSPREVIOUS", live=False, find_out=
     lambda aws: rotated(aws).labels)
fact("DescribeSecret after a rotation", "RotationEnabled, LastRotatedDate", live=False, find_out=
     lambda aws: fields(rotated(aws).about(), "RotationEnabled", "LastRotatedDate"))
