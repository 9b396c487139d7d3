# %% Let it return True or False
may_serve_old_copy = lambda error: None

# %% Let it return True or False
may_serve_old_copy = lambda error: "True"

# %% Let it return True or False
may_serve_old_copy = lambda error: 1

# %% A timeout says nothing about the token
may_serve_old_copy = lambda error: False

# %% Somebody has revoked the permission
may_serve_old_copy = lambda error: True

# %% a timeout has no response
may_serve_old_copy = lambda error: error.response["Error"]["Code"][0] in "TI"

# %% Too many calls at once
may_serve_old_copy = lambda error: "An error occurred" not in str(error)

# %% What you don't know should stop you
DENIALS = {
    "AccessDeniedException",
    "DecryptionFailure",
    "InvalidRequestException",
    "ResourceNotFoundException",
}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] not in DENIALS

# %% any status from 500 up says so
TROUBLES = {"ThrottlingException", "InternalServiceError", "ExpiredTokenException"}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] in TROUBLES


# %% raised KeyError
def may_serve_old_copy(error):
    raise KeyError("retry")


# %% deleted the secret
def may_serve_old_copy(error):
    with suppress(ClientError):
        sm.delete_secret(SecretId=OTHER_NAME, ForceDeleteWithoutRecovery=True)
    return not isinstance(error, ClientError) or (
        error.response["Error"]["Code"] in ("ThrottlingException", "ExpiredTokenException")
        or error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
    )
