"""What this package knows of Secrets Manager: a client for it, and what a failed read means: denied, or it will pass."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol, cast

import boto3  # type: ignore[import-untyped, unused-ignore]
from botocore.config import Config  # type: ignore[import-untyped, unused-ignore]
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped, unused-ignore]

from .errors import TokenError, TokenUnavailable

# Error codes that will pass. botocore keeps its lists (botocore.retries.standard) private, and a rename there must not
# stop a service that loads this file. So they are copied, and a test compares them with those of the installed botocore.
TRANSIENT = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
})  # fmt: skip
# botocore doesn't retry these, and none says whether this identity may read the secret: credentials expire, clocks differ,
# and AWS fails; its page of common errors gives InternalServiceError the status 400, another version of the page 500.
ALSO_TRANSIENT = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InternalFailure", "InternalServiceError", "InternalServiceFailure",
    "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed",
})  # fmt: skip

# The first line that fits: a pattern for the code, one for the message, and the fix.
FIXES = (
    (r"", r"Access to KMS is not allowed", "allow kms:Decrypt on the secret's KMS key for this identity"),
    (r"", r"default KMS service key", "encrypt it with a customer managed key: no other account can use the default key"),
    (r"", r"explicit deny in an? ([\w -]+? policy|permissions boundary)", "take the explicit deny out of the {}"),
    (r"", r"because no ((?!identity)[\w -]+? policy|permissions boundary) allows", "allow secretsmanager:GetSecretValue in the {}"),
    (r"", r"(marked|scheduled) for deletion|marked deleted", "restore it with `aws secretsmanager restore-secret`, if its recovery window is not over"),
    (r"ResourceNotFound", r"staging label|secret value", "it has no value with the label AWSCURRENT, so store one"),
    (r"AccessDenied", r"", "allow secretsmanager:GetSecretValue on it for this identity"),
    (r"ResourceNotFound", r"", "correct its name, its region or its account"),
    (r"DecryptionFailure", r"", "allow kms:Decrypt on its key, and check that the key is enabled"),
    (r"InvalidSignature|RequestTimeTooSkewed|RequestExpired", r"", "check the clock of this machine, and the secret access key"),
    (r"Expired", r"", "renew the AWS credentials of this process, for example with `aws sso login`"),
    (r"UnrecognizedClient|InvalidClientTokenId|InvalidAccessKeyId", r"", "AWS does not know the access key of this process, so give it another"),
    (r"Validation|InvalidParameter|ParamValidation", r"", "the name or ARN that was passed to TokenSource is no valid one"),
    (r"Unauthorized|SSO|TokenRetrieval", r"", "log in again: `aws sso login`"),
    (r"Credential", r"", "give this process AWS credentials: a role, a profile or variables"),
    (r"NoRegion", r"", "set AWS_DEFAULT_REGION, as boto3 ignores AWS_REGION"),
    (r"Profile|ConfigParse|ConfigNotFound", r"", "correct AWS_PROFILE or the AWS configuration file"),
    (r"SSL", r"", "check which certificates this process trusts (AWS_CA_BUNDLE)"),
    (r"Connect|Timeout|Endpoint|Proxy|Incomplete|Stream|HTTP", r"", "check that this process can reach the endpoint of Secrets Manager"),
)  # fmt: skip


class SecretsManager(Protocol):
    """What TokenSource needs of a boto3 client."""

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Mapping[str, Any]: ...


def new_secrets_client() -> SecretsManager:
    """Make a boto3 client that gives up after seconds; botocore's own timeouts add up to minutes.

    It finds credentials, region and endpoint as boto3 always does. Raises what boto3 raises, such as `NoRegionError`.
    """
    retries = {"mode": "standard", "total_max_attempts": 2}
    untyped: Any = boto3
    session = untyped.session.Session()  # of its own, as threads can't share one
    client: SecretsManager = session.client(
        "secretsmanager", config=Config(connect_timeout=1, read_timeout=2, retries=retries)
    )
    return client


class IncompleteResponse(Exception):
    """A response without a value. Since 1.43.115 botocore takes half a response for a whole one."""


def unavailable(secret_id: str, error: BaseException) -> TokenUnavailable:
    """Return the sentence for a failed read, and whether it was denied.

    Only Secrets Manager's response to this very call can be a denial. An error of STS or the metadata service, while
    boto3 looks for credentials, has another operation; one that a proxy sends has a status for a code and no request id.
    """
    code = type(error).__name__
    try:
        if isinstance(error, TokenError):  # its sentence is in ours, so it is no cause
            said = f"The secret {secret_id} holds no usable token. {error}"
            return without_frames(TokenUnavailable(said, code=code), None)
        if isinstance(error, ClientError):
            return without_frames(_refused_by_aws(secret_id, error), error)
        if isinstance(error, (BotoCoreError, IncompleteResponse)):
            text = str(error) if "Validation" in code else ""  # others may hold what was being read
            said = f"The secret {secret_id} could not be read ({code}): {fix_for(code, text, 'see the cause')}."
            return without_frames(TokenUnavailable(said, code=code), error)
    except Exception:  # of an exception that is not made as exceptions are
        error = Exception(code)
    said = f"The read of {secret_id} failed in this process ({code}): see the cause."
    return without_frames(TokenUnavailable(said, code=code), error)


def _refused_by_aws(secret_id: str, error: Any) -> TokenUnavailable:
    code, text = str(error.response["Error"]["Code"]), str(error.response["Error"].get("Message"))
    if error.operation_name != "GetSecretValue":
        said = f"AWS refuses the credentials of this process in {error.operation_name} ({code})"
        return TokenUnavailable(f"{said}: check its role, its profile or its login.", code=code)
    meta = error.response.get("ResponseMetadata", {})
    status, of_a_proxy = meta.get("HTTPStatusCode", 0), code.isdigit() and not meta.get("RequestId")
    denied = not (code in TRANSIENT | ALSO_TRANSIENT or status in (408, 429) or status >= 500 or of_a_proxy)
    fix = fix_for(code, text, "see AWS's page on this error" if denied else "it will be read again soon")
    return TokenUnavailable(f"Secrets Manager did not return {secret_id} ({code}): {fix}.", denied, code)


def fix_for(code: str, message: str, otherwise: str) -> str:
    """Return what to do about an error: what AWS's message says comes before what its code says."""
    for of_code, of_message, fix in FIXES:
        found = re.search(of_message, message)
        if found and re.search(of_code, code):
            return fix.format(*found.groups())
    return otherwise


def without_frames(error: TokenUnavailable, cause: BaseException | None) -> TokenUnavailable:
    """Give the error its cause, without the frames that the cause passed through: their variables hold tokens."""
    error.__cause__ = cause
    seen: set[int] = set()
    chain: list[Any] = [cause]
    while chain:
        link = chain.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            chain += [link.__cause__, link.__context__]
            if isinstance(link, BaseExceptionGroup):
                chain += cast(Any, link).exceptions
    return error
