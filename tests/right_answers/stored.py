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
        token = boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"].rstrip("\n")
        check(token)
        return token


read_token = Reader()
