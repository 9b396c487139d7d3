# %% as the package does
from momento_token.secrets_manager import unavailable


def may_serve_old_copy(error):
    return not unavailable("the secret", error).denied


# %% by what an error has
def may_serve_old_copy(error):
    response = getattr(error, "response", None)
    if response is None:
        return True
    status = response["ResponseMetadata"]["HTTPStatusCode"]
    return status in (408, 429) or status > 499 or response["Error"]["Code"] in {*TRANSIENT, *ALSO_TRANSIENT}


# %% by botocore's own classes
from botocore.exceptions import BotoCoreError


def may_serve_old_copy(error):
    match error:
        case BotoCoreError():
            return True
        case ClientError(response={"ResponseMetadata": {"HTTPStatusCode": 408 | 429 | 500 | 502 | 503 | 504}}):
            return True
        case ClientError(response={"Error": {"Code": code}}):
            return code in TRANSIENT or code in ALSO_TRANSIENT
    return False
