"""Before going live: is everything there, what does it need, what will it cost at most? Nothing here creates anything."""

from __future__ import annotations

import json
import math
import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
from botocore.config import Config

from momento_token import TokenError

from .cloud import Cloud, CloudError, kind_of
from .display import Table, checklist
from .ledger import error_code
from .pricing import API_CALL, QUOTA_PER_SECOND, SECRET_MONTH

PREFIX = "tutorial/"

# What the notebook needs: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
# Tags given to CreateSecret need TagResource: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
ON_OUR_SECRETS = ("CreateSecret", "TagResource", "DescribeSecret", "GetSecretValue", "DeleteSecret")
ON_EVERYTHING = ("ListSecrets",)
TRIED = ("DescribeSecret", "GetSecretValue", "ListSecrets")
NOT_TRIED = ("CreateSecret", "TagResource", "DeleteSecret")

LOG_IN = "the AWS credentials have expired: log in again, for example with `aws sso login`"
UNKNOWN = "AWS doesn't know these credentials: copy them again, or log in again"
CURES = {
    "NoCredentialsError": "there are no AWS credentials: run `aws configure`, or `aws sso login`, and connect again",
    "PartialCredentialsError": "the AWS credentials are incomplete: run `aws configure` and connect again",
    **dict.fromkeys(("ExpiredTokenException", "ExpiredToken", "UnauthorizedSSOTokenError"), LOG_IN),
    **dict.fromkeys(
        ("SSOTokenLoadError", "TokenRetrievalError", "LoginRefreshRequired", "LoginTokenLoadError"), LOG_IN
    ),
    **dict.fromkeys(("UnrecognizedClientException", "InvalidClientTokenId"), UNKNOWN),
    "AccessDeniedException": "this identity lacks the permission: give it the policy that helpers.account.policy_to_paste() prints",
    "LimitExceededException": "the account has reached its limit of secrets: delete one, or use another region",
    "EndpointConnectionError": "AWS can't be reached: check whether this machine is online, and whether the region is right",
    "ConnectionClosedError": "the connection to AWS broke off: check whether this machine is online",
    "ConnectTimeoutError": "AWS doesn't respond: check whether a firewall or a proxy is in between",
    "ReadTimeoutError": "AWS accepted the request but didn't respond: check whether a firewall or a proxy is in between",
    "gaierror": "MOMENTO_ENDPOINT can't be found: copy it again, and check whether this machine is online",
    "ConnectionRefusedError": "nothing listens at Momento's endpoint: copy it again from Momento's console",
    "TimeoutError": "Momento's endpoint doesn't respond: check whether a firewall or a proxy is in between",
    "AUTHENTICATION_ERROR": "Momento refuses the API key, because it was revoked, has expired or belongs to another endpoint: make one in Momento's console",
    "PERMISSION_ERROR": "the API key lacks the permission to manage caches: make one with the role Operator in Momento's console",
}


def cure(error: BaseException | str) -> str:
    """Return the cause and the cure in one sentence, for an exception or for the code of Momento's SDK."""
    if isinstance(error, (CloudError, TokenError)):
        return str(error)
    code = error if isinstance(error, str) else error_code(error)
    return CURES.get(code, f"{code}: look it up in the documentation of AWS or Momento")


def policy_to_paste() -> str:
    """Return the least that this identity needs, as an IAM policy for its account and region. Raises `CloudError`."""
    try:
        _, partition, _, _, account, _ = sts_client().get_caller_identity()["Arn"].split(":", 5)
    except Exception as error:
        raise CloudError(f"AWS doesn't say which account this is: {cure(error)}.") from None
    ours = f"arn:{partition}:secretsmanager:{boto3.Session().region_name}:{account}:secret:{PREFIX}go-live-*"
    statements = [
        {"Effect": "Allow", "Action": [f"secretsmanager:{name}" for name in names], "Resource": resource}
        for names, resource in ((ON_OUR_SECRETS, ours), (ON_EVERYTHING, "*"))
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def cost_table(calls: int) -> Table:
    """Return what one secret for a day and these calls to Secrets Manager cost, each amount rounded up."""
    costs = {"one secret, a day": SECRET_MONTH.amount / 30, f"{calls:,} calls": calls * API_CALL.amount}
    costs["at most"] = sum(costs.values())
    rows = [(what, dollars_at_most(amount)) for what, amount in costs.items()]
    return Table(("What", "Cost"), rows, "What a run costs, rounded up")


def dollars_at_most(amount: float) -> str:
    """Write US dollars rounded up, to the cent from one cent on, below that to the millionth."""
    digits = 2 if amount >= 0.01 or not amount else 6
    steps = math.ceil(round(amount * 10**digits, 6))  # without the noise of binary fractions
    return f"${steps / 10**digits:,.{digits}f}"


def is_aws(endpoint: str) -> bool:
    """Tell an endpoint of AWS itself, in any partition, from a stand-in."""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def sts_client() -> Any:
    """Make a client of the service that says who you are: AWS's own, or that of the stand-in for Secrets Manager."""
    secrets_manager = boto3.client("secretsmanager").meta.endpoint_url
    return boto3.client("sts", endpoint_url=None if is_aws(secrets_manager) else secrets_manager, config=_quick())


def _quick() -> Config:
    return Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


def check_live(cloud: Cloud, calls: int) -> Table:
    """Check what a run of this many calls needs, a row each: found, missing with the cure, or not to be known before.

    Creates nothing. Makes five cheap calls to AWS and one to Momento.
    """
    return checklist(_checks(cloud, calls), "Ready", "Not ready: nothing was created")


def _checks(cloud: Cloud, calls: int) -> Iterator[tuple[str, bool | None, str]]:
    session = boto3.Session()
    partitions = session.get_available_partitions()
    known = {name for one in partitions for name in session.get_available_regions("secretsmanager", one)}
    wrong = f"{session.region_name} isn't a region of Secrets Manager: set AWS_DEFAULT_REGION, for example to us-west-2"
    yield "an AWS region", session.region_name in known, wrong
    yield "AWS credentials that are valid", *_tried(lambda: sts_client().get_caller_identity())
    yield f"permission for {', '.join(TRIED)}", *_tried(_may_read)
    creates = "a check would have to create something: compare your policy with the one below"
    yield f"permission for {', '.join(NOT_TRIED)}", None, creates
    few_enough, fewer = calls <= QUOTA_PER_SECOND, "plan fewer calls, or spread them over time"
    yield f"at most {QUOTA_PER_SECOND:,} calls a second, the quota", few_enough, fewer
    yield "a Momento API key", *(has_key := _tried(lambda: _has_key(cloud)))
    yield "Momento's endpoint", *(reached := _tried(lambda: _reaches_momento(cloud)))
    above = (False, "fix the two lines above, then check again")
    yield "a key that Momento accepts", *(_tried(lambda: _is_accepted(cloud)) if has_key[0] and reached[0] else above)


def _tried(check: Callable[[], object]) -> tuple[bool, str]:
    """Return whether the check raised nothing, and else the cure."""
    try:
        check()
    except Exception as error:
        return False, cure(error)
    return True, ""


def _may_read() -> None:
    """Read a secret that doesn't exist: only an identity that may read gets "not found"."""
    client = boto3.client("secretsmanager", config=_quick())
    for read in (client.describe_secret, client.get_secret_value):
        with suppress(client.exceptions.ResourceNotFoundException):
            read(SecretId=f"{PREFIX}go-live-check-{uuid4().hex}")
    client.list_secrets(MaxResults=1)


def _has_key(cloud: Cloud) -> None:
    kind = kind_of(cloud.api_key.strip())
    if kind.endpoint and cloud.momento_endpoint not in kind.endpoint:
        raise TokenError("The API key belongs to another endpoint than MOMENTO_ENDPOINT: copy both from one place.")


def _reaches_momento(cloud: Cloud) -> None:
    provider = cloud.credentials_from(cloud.api_key)
    socket.create_connection((provider.cache_endpoint, provider.port), timeout=3).close()


def _is_accepted(cloud: Cloud) -> None:
    """List the caches: keys for data alone may not, nor create one.

    Source: https://docs.momentohq.com/api/authentication/api-keys
    """
    from momento import CacheClient, Configurations

    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    with CacheClient(configuration, cloud.credentials_from(cloud.api_key), timedelta(minutes=1)) as client:
        response = client.list_caches()
    if hasattr(response, "error_code"):
        raise CloudError(cure(response.error_code.name))
