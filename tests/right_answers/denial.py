# %% as the package does
from momento_token.secrets_manager import unavailable


def may_serve_old_copy(error):
    return not unavailable("the secret", error).denied


# %% by parts of the code
def may_serve_old_copy(error):
    response = getattr(error, "response", None)
    if response is None:
        return True
    code = response["Error"]["Code"]
    return any(part in code for part in ("Throttling", "Internal", "Unavailable", "ExpiredToken"))


# %% by botocore's own classes
from botocore.exceptions import BotoCoreError

PASS = TRANSIENT | ALSO_TRANSIENT | {"ServiceUnavailableException"}


def may_serve_old_copy(error):
    match error:
        case BotoCoreError():
            return True
        case ClientError(response={"Error": {"Code": code}}):
            return code in PASS
    return False
