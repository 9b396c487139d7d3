"""What a failed read of the secret means: a no of Secrets Manager, or only that it can't be asked now."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from .errors import TokenError, TokenUnavailable

# Error codes that say "not now". botocore keeps its lists (botocore.retries.standard) private, and a rename there must
# not stop a service that loads this file: so they are copied, and a test compares them with the installed botocore's.
TRANSIENT = frozenset({
    "BandwidthLimitExceeded", "EC2ThrottledException", "LimitExceededException", "PriorRequestNotComplete",
    "ProvisionedThroughputExceededException", "RequestLimitExceeded", "RequestThrottled", "RequestThrottledException",
    "RequestTimeout", "RequestTimeoutException", "SlowDown", "ThrottledException", "Throttling", "ThrottlingException",
    "TooManyRequestsException", "TransactionInProgressException",
})  # fmt: skip
# Timeout, too many requests. The other statuses that say "not now" are 500 and above.
TRANSIENT_STATUSES = frozenset({408, 429})

# The signature has run out: our credentials do, and clocks differ. That says nothing about whether we may read.
EXPIRED_SIGNATURE = frozenset({
    "ExpiredToken", "ExpiredTokenException", "InvalidSignatureException", "RequestExpired", "RequestTimeTooSkewed",
})  # fmt: skip

FIXES = {
    "AccessDeniedException": "allow secretsmanager:GetSecretValue on it for this identity",
    "ResourceNotFoundException": "correct its name, its region or its label",
    "InvalidRequestException": "if it is scheduled for deletion, restore it",
    "DecryptionFailure": "allow kms:Decrypt on its key, and check that the key is enabled",
    "InvalidSignatureException": "check this machine's clock",
}


class BrokenOff(Exception):
    """Half an answer. Since 1.43.115 botocore takes one for a whole answer, with whatever fields it has."""


def unavailable(secret_id: str, error: BaseException) -> TokenUnavailable:
    """What a failed read of the secret means.

    Only an answer of Secrets Manager to this very call can be a denial: an error that came from elsewhere, such as STS or
    the metadata service while boto3 looked for credentials, has another operation, or is no answer at all.
    """
    denied, code = False, type(error).__name__
    if isinstance(error, TokenError):
        message = f"The secret {secret_id} holds no usable token. {error}"
    elif isinstance(error, ClientError):
        code = error.response.get("Error", {}).get("Code", code)
        if error.operation_name != "GetSecretValue":
            message = (
                f"Secrets Manager can't be asked for {secret_id}: AWS refuses our own credentials "
                f"({error.operation_name}, {code}): check the role, the profile or the login of this process."
            )
        else:
            denied = not says_not_now(error) and not is_of_a_stranger(error)
            fix = FIXES.get(code, "see AWS's page on this error" if denied else "try again later")
            message = f"Secrets Manager doesn't give {secret_id} ({code}): {fix}."
    elif isinstance(error, (BotoCoreError, BrokenOff)):
        message = (
            f"Secrets Manager can't be asked for {secret_id} ({code}): "
            "check that its endpoint can be reached, and that this process finds AWS credentials."
        )
    else:
        message = f"The read of {secret_id} failed in this process ({code}): see the error's cause."
    return caused_by(error, TokenUnavailable(message, denied, code))


def says_not_now(error: ClientError) -> bool:
    """Is this answer no decision about us, so that asking again may help?"""
    code = error.response.get("Error", {}).get("Code", "")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return code in TRANSIENT | EXPIRED_SIGNATURE or status in TRANSIENT_STATUSES or status >= 500


def is_of_a_stranger(error: ClientError) -> bool:
    """Did something between us and AWS answer, such as a proxy? Then there is a status for a code, and no request's id."""
    code = str(error.response.get("Error", {}).get("Code", ""))
    return code.isdigit() and not error.response.get("ResponseMetadata", {}).get("RequestId")


def caused_by(cause: BaseException | None, error: TokenUnavailable) -> TokenUnavailable:
    """The error with its cause, but without the frames that the cause passed through: their variables hold tokens."""
    error.__cause__ = None if isinstance(cause, TokenError) else cause  # its sentence is in ours
    seen: set[int] = set()
    chain = [cause]
    while chain:
        link = chain.pop()
        if link is not None and id(link) not in seen:
            seen.add(id(link))
            link.__traceback__ = None
            chain += [link.__cause__, link.__context__, *getattr(link, "exceptions", ())]
    return error
