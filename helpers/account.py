"""Going live: is everything there, what may it do, and what will it cost at most? Nothing here creates anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from momento_token import TokenError

from .cloud import Cloud, CloudError, kind_of
from .display import Table, checklist
from .ledger import error_code
from .pricing import API_CALL, MONTH, QUOTA_PER_SECOND, SECRET_MONTH

PREFIX = "tutorial/"
DAY = 24 * 3600  # seconds

# What the notebook needs, by what it can be granted on: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awssecretsmanager.html
# Tags given to CreateSecret need TagResource too: https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
ON_OUR_SECRETS = ("CreateSecret", "TagResource", "DescribeSecret", "GetSecretValue", "DeleteSecret")
ON_EVERYTHING = ("ListSecrets",)
_ASKED = ("DescribeSecret", "GetSecretValue", "ListSecrets")
_NOT_ASKED = ("CreateSecret", "TagResource", "DeleteSecret")


def check_live(cloud: Cloud, calls: int) -> Table:
    """What a run of so many calls needs, a row each: found, missing and how to mend it, or not to be known before.

    Creates nothing. Makes five cheap calls to AWS and one to Momento.
    """
    return checklist(_checks(cloud, calls), "Ready", "Not ready: nothing was created")


def policy_to_paste() -> str:
    """The least that this identity needs for the notebook, as an IAM policy for its account and region, in JSON.

    Raises `CloudError` if AWS doesn't say who this is.
    """
    import boto3

    try:
        _, partition, _, _, account, _ = sts_client().get_caller_identity()["Arn"].split(":", 5)
    except Exception as error:
        raise CloudError(f"AWS doesn't say which account this is: {cure(error)}.") from None
    region = boto3.Session().region_name
    ours = f"arn:{partition}:secretsmanager:{region}:{account}:secret:{PREFIX}go-live-*"
    statements = [
        {"Effect": "Allow", "Action": _actions(ON_OUR_SECRETS), "Resource": ours},
        {"Effect": "Allow", "Action": _actions(ON_EVERYTHING), "Resource": "*"},
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements}, indent=2)


def expected_cost(calls: int, days: float = 1) -> dict[str, float]:
    """US dollars at most, for one secret that is kept this long and this many calls to Secrets Manager."""
    return {
        "one secret, a day": SECRET_MONTH.amount * days * DAY / MONTH,
        f"{calls:,} calls": calls * API_CALL.amount,
    }


def cost_table(calls: int) -> Table:
    """What `expected_cost` gives, each amount rounded up: "at most" must hold."""
    costs = expected_cost(calls)
    rows = [(what, dollars_at_most(amount)) for what, amount in costs.items()]
    rows.append(("at most", dollars_at_most(sum(costs.values()))))
    return Table(("What", "Cost"), rows, "What a run costs, rounded up")


def dollars_at_most(amount: float) -> str:
    """US dollars rounded up, to the cent from one cent on, below that to the millionth."""
    exact = Decimal(repr(round(amount, 12)))  # without the noise of binary fractions
    step = Decimal("0.01") if exact >= Decimal("0.01") or not exact else Decimal("0.000001")
    return f"${exact.quantize(step, ROUND_CEILING):,f}"


def is_aws(endpoint: str) -> bool:
    """Is this an endpoint of AWS itself, in any partition, and not a stand-in?"""
    host = urlsplit(endpoint).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def sts_client() -> Any:
    """A client of the service that says who you are: AWS's own, or the stand-in's that plays Secrets Manager."""
    import boto3

    secrets_manager = boto3.client("secretsmanager").meta.endpoint_url
    endpoint = None if is_aws(secrets_manager) else secrets_manager
    return boto3.client("sts", endpoint_url=endpoint, config=_quick())


def _quick() -> Any:
    from botocore.config import Config

    return Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2})


def _actions(names: tuple[str, ...]) -> list[str]:
    return [f"secretsmanager:{name}" for name in names]


def _checks(cloud: Cloud, calls: int) -> Iterator[tuple[str, bool | None, str]]:
    import boto3

    session = boto3.Session()
    region = session.region_name
    known = {
        name
        for partition in session.get_available_partitions()
        for name in session.get_available_regions("secretsmanager", partition)
    }
    yield (
        "an AWS region",
        region in known,
        f"{region} isn't a region of Secrets Manager: set AWS_DEFAULT_REGION, for example to us-west-2",
    )
    yield ("AWS credentials that are valid", *_asked(_identity, sts_client))
    yield (f"permission for {', '.join(_ASKED)}", *_asked(_may_read, session))
    yield (
        f"permission for {', '.join(_NOT_ASKED)}",
        None,
        "a check would have to create something: compare your policy with the one below",
    )
    yield (
        f"at most {QUOTA_PER_SECOND:,} calls a second, the quota",
        calls <= QUOTA_PER_SECOND,
        "plan fewer calls, or spread them over time",
    )
    yield ("a Momento API key", *(has_key := _asked(_has_key, cloud)))
    yield ("Momento's endpoint", *(reached := _asked(_reaches_momento, cloud)))
    first = (False, "fix the two lines above, then check again")
    asked = has_key[0] and reached[0]
    yield ("a key that Momento accepts", *(_asked(_momento_accepts, cloud) if asked else first))


def _asked(question: Any, of: Any) -> tuple[bool, str]:
    """Did it go well, and if not, the sentence that says what to do."""
    try:
        question(of)
    except Exception as error:
        return False, cure(error)
    return True, ""


def _identity(make_sts: Any) -> None:
    make_sts().get_caller_identity()


def _may_read(session: Any) -> None:
    """Ask for a secret that isn't there: "not found" is what only those hear who may ask."""
    client = session.client("secretsmanager", config=_quick())
    nobodys = f"{PREFIX}go-live-check-{uuid4().hex}"
    for ask in (client.describe_secret, client.get_secret_value):
        with suppress(client.exceptions.ResourceNotFoundException):
            ask(SecretId=nobodys)
    client.list_secrets(MaxResults=1)


def _has_key(cloud: Cloud) -> None:
    kind = kind_of(cloud.api_key.strip())
    if kind.endpoint and cloud.momento_endpoint not in kind.endpoint:
        raise TokenError("The API key belongs to another endpoint than MOMENTO_ENDPOINT: copy both from one place.")


def _reaches_momento(cloud: Cloud) -> None:
    provider = cloud.credentials_from(cloud.api_key)
    socket.create_connection((provider.cache_endpoint, provider.port), timeout=3).close()


def _momento_accepts(cloud: Cloud) -> None:
    """List the caches: a key for data alone may not, one of the role Viewer may, and may create none.

    Source: https://docs.momentohq.com/api/authentication/api-keys
    """
    from momento import CacheClient, Configurations

    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)
    credentials = cloud.credentials_from(cloud.api_key)
    with CacheClient(configuration, credentials, timedelta(minutes=1)) as client:
        answer = client.list_caches()
    if hasattr(answer, "error_code"):
        code = answer.error_code.name
        raise CloudError(CURES.get(code, f"Momento answered {code}: look it up in its documentation"))


CURES = {
    "NoCredentialsError": "there are no AWS credentials: run `aws configure`, or `aws sso login`, and connect again",
    "PartialCredentialsError": "the AWS credentials are incomplete: run `aws configure` and connect again",
    "ExpiredTokenException": "the AWS credentials have expired: log in again, for example with `aws sso login`",
    "ExpiredToken": "the AWS credentials have expired: log in again, for example with `aws sso login`",
    "UnrecognizedClientException": "AWS doesn't know these credentials: copy them again, or log in again",
    "InvalidClientTokenId": "AWS doesn't know these credentials: copy them again, or log in again",
    "AccessDeniedException": "this identity lacks the permission: give it the policy that helpers.account.policy_to_paste() prints",
    "ReadTimeoutError": "AWS accepted the request but didn't answer: check whether a firewall or a proxy is in between",
    "ConnectionClosedError": "the connection to AWS broke off: check whether this machine is online",
    "LimitExceededException": "the account has reached its limit of secrets: delete one, or use another region",
    "EndpointConnectionError": "AWS can't be reached: check whether this machine is online, and whether the region is right",
    "ConnectTimeoutError": "AWS does not answer: check whether a firewall or a proxy is in between",
    "gaierror": "MOMENTO_ENDPOINT can't be found: copy it again, and check whether this machine is online",
    "ConnectionRefusedError": "nothing answers at Momento's endpoint: copy it again from Momento's console",
    "AUTHENTICATION_ERROR": "Momento refuses the API key, because it was revoked, has expired or belongs to another endpoint: make one in Momento's console",
    "PERMISSION_ERROR": "the API key lacks the permission to manage caches: make one with the role Operator in Momento's console",
    "TimeoutError": "Momento's endpoint does not answer: check whether a firewall or a proxy is in between",
}


def cure(error: BaseException) -> str:
    """One sentence that says what to do about it."""
    if isinstance(error, (CloudError, TokenError)):
        return str(error)
    code = error_code(error)
    return CURES.get(code, f"{code}: look it up in the documentation of AWS or Momento")


def answer_of(error: BaseException) -> dict[str, Any]:
    """What AWS answered; empty if it didn't. botocore's connection errors have a `response` too, which is None."""
    return getattr(error, "response", None) or {}
