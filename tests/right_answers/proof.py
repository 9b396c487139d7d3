# %% with boto3, returning early
def is_just_right(identity):
    client = identity.client("secretsmanager")
    try:
        client.get_secret_value(SecretId=SECRET_NAME)
    except ClientError:
        return False
    try:
        client.get_secret_value(SecretId=OTHER_NAME)
    except ClientError:
        return True
    return False


# %% as a table
def is_just_right(identity):
    wanted = {SECRET_NAME: "allowed", OTHER_NAME: "AccessDeniedException"}
    return wanted == {name: attempt(identity, name) for name in wanted}
