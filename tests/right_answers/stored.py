# %% check first, of what is left without white space
def read_token(name):
    check(token := " ".join(retrieve(name).split()))
    return token


# %% an error of its own, with its own words
class NoToken(TokenError):
    pass


def read_token(name):
    text = retrieve(name).strip()
    try:
        check(text)
    except TokenError as error:
        raise NoToken(f"the secret {name} is of no use: {error}") from None
    return text


# %% a class that can be called, with a client of its own
class Reader:
    def __call__(self, name):
        answer = boto3.client("secretsmanager").get_secret_value(SecretId=name)
        token = answer["SecretString"].rstrip("\n")
        check(token)
        return token


read_token = Reader()
