# %% Let it return True or False
may_serve_old_copy = lambda error: None

# %% A timeout says nothing about the token
may_serve_old_copy = lambda error: False

# %% a timeout or missing credentials have no response
may_serve_old_copy = lambda error: error.response["Error"]["Code"] != "AccessDeniedException"

# %% Nothing can be read until they are renewed
may_serve_old_copy = lambda error: (
    not isinstance(error, ClientError)
    or error.response["Error"]["Code"] in TRANSIENT
    or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
)

# %% There were too many calls
may_serve_old_copy = lambda error: (
    not isinstance(error, ClientError) or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
)

# %% they notice only if readers fail
may_serve_old_copy = lambda error: "AccessDenied" not in str(error)

# %% An error that you don't know should stop you
DENIALS = {"AccessDeniedException", "DecryptionFailure", "InvalidRequestException", "ResourceNotFoundException"}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] not in DENIALS

# %% BandwidthLimitExceeded (ClientError): you would stop.
PARTS = "Throttling", "Internal", "Unavailable", "ExpiredToken"


def may_serve_old_copy(error):
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    known = any(part in error.response["Error"]["Code"] for part in PARTS)
    return known or status in (408, 429) or status >= 500


# %% HTTP 408 (ClientError): you would stop.
may_serve_old_copy = lambda error: (
    not isinstance(error, ClientError)
    or error.response["Error"]["Code"] in TRANSIENT | ALSO_TRANSIENT
    or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
)


# %% HTTP 500 (ClientError): you would stop.
def may_serve_old_copy(error):
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"] in TRANSIENT | ALSO_TRANSIENT or status in (408, 429) or status > 500


# %% HTTP 502 (ClientError): you would stop.
def may_serve_old_copy(error):
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"] in TRANSIENT | ALSO_TRANSIENT or status in (408, 429, 500, 503)


# %% No AWS credentials (NoCredentialsError): you would stop.
from botocore.exceptions import HTTPClientError


def may_serve_old_copy(error):
    if not isinstance(error, ClientError):
        return isinstance(error, HTTPClientError)
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return error.response["Error"]["Code"] in TRANSIENT | ALSO_TRANSIENT or status in (408, 429) or status >= 500


# %% It says nothing about your permission
def may_serve_old_copy(error):
    if not isinstance(error, ClientError):
        return True
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return (
        error.response["Error"]["Code"] in TRANSIENT or "Expired" in str(error) or status in (408, 429) or status >= 500
    )


# %% your function raised it.
def may_serve_old_copy(error):
    if isinstance(error, ClientError) and "AccessDenied" in str(error):
        raise error
    return True


# %% its code is error.response["Error"]["Code"]
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error["Error"]["Code"] in TRANSIENT

# %% name 'BotoCoreErrors' is not defined
may_serve_old_copy = lambda error: isinstance(error, BotoCoreErrors)
