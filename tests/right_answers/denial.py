# %% as the pattern does
from momento_token.secrets_manager import unavailable


def may_serve_old_copy(error):
    return not unavailable("the secret", error).denied


# %% a longer list
NOT_NOW = {
    "ThrottlingException",
    "TooManyRequestsException",
    "SlowDown",
    "ExpiredTokenException",
    "RequestTimeout",
}


def may_serve_old_copy(error):
    match error:
        case ClientError():
            answer = error.response
            if answer["ResponseMetadata"]["HTTPStatusCode"] // 100 == 5:
                return True
            return answer["Error"]["Code"] in NOT_NOW
        case _:
            return True


# %% by what was answered
def may_serve_old_copy(error):
    answer = getattr(error, "response", None)
    if answer is None:
        return True
    code = answer["Error"]["Code"]
    return any(part in code for part in ("Throttling", "Internal", "Unavailable", "ExpiredToken"))
