# %% Let it return True or False
may_serve_old_copy = lambda error: None

# %% A timeout says nothing about the token
may_serve_old_copy = lambda error: False

# %% a timeout has no response
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

# %% any status from 500 up says so
PASS = {"ThrottlingException", "InternalServiceError", "ExpiredTokenException"}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] in PASS
