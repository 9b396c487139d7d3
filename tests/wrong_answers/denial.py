# %% Let it return True or False
may_serve_old_copy = lambda error: None

# %% A timeout says nothing about the token
may_serve_old_copy = lambda error: False

# %% a timeout has no response
may_serve_old_copy = lambda error: error.response["Error"]["Code"] != "AccessDeniedException"

# %% An error that you don't know should stop you
DENIALS = {"AccessDeniedException", "DecryptionFailure", "InvalidRequestException", "ResourceNotFoundException"}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] not in DENIALS

# %% any status from 500 up says so
PASS = {"ThrottlingException", "InternalServiceError", "ExpiredTokenException"}
may_serve_old_copy = lambda error: not isinstance(error, ClientError) or error.response["Error"]["Code"] in PASS
