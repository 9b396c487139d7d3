"""Wrong answers to "leak nowhere": each headed by the hint that it must get."""


# %% Run `Reader(SECRET_NAME)` in its own cell.
class Reader:
    def __init__(self, secret_name):
        self.token = sm.no_such_call(secret_name)


# %% tried to end the process
class Reader:
    def __init__(self, secret_name):
        os._exit(0)


# %% Write `def` and not `async def`
async def Reader(secret_name):
    return LeakyReader(secret_name)


# %% Keep the whole of what `GetSecretValue` returns.
class Reader:
    def __init__(self, secret_name):
        self.token = "a constant"


# %% Leave `__repr__` to Python, or show the secret's name in it.
class Reader(LeakyReader):
    pass


# %% Leave `__repr__` to Python, or show the secret's name in it.
from dataclasses import dataclass


@dataclass
class Reader:
    secret_name: str

    def __post_init__(self):
        self.token = sm.get_secret_value(SecretId=self.secret_name)["SecretString"]

    def __str__(self):
        return self.token


# %% Log that the secret was read, and its name.
class Reader(LeakyReader):
    __repr__ = object.__repr__


# %% printed a token
class Reader:
    def __init__(self, secret_name):
        self.token = sm.get_secret_value(SecretId=secret_name)["SecretString"]
        print("read", self.token)


# %% Pass the token on as an argument instead.
class Reader:
    def __init__(self, secret_name):
        self.token = sm.get_secret_value(SecretId=secret_name)["SecretString"]
        os.environ["TOKEN"] = self.token


# %% Return a `Token`, which hides itself.
class Reader:
    def __init__(self, secret_name):
        self.token = sm.get_secret_value(SecretId=secret_name)["SecretString"]


# %% Call `check` on what you read
class Reader:
    def __init__(self, secret_name):
        self.token = Token(sm.get_secret_value(SecretId=secret_name)["SecretString"])


# %% tried to end the process
class Reader:
    def __init__(self, secret_name):
        self.token = Token(sm.get_secret_value(SecretId=secret_name)["SecretString"])
        if self.token.startswith("{"):
            os.abort()


# %% Log that the secret was read, and its name.
class Reader:
    def __init__(self, secret_name):
        self.token = Token(sm.get_secret_value(SecretId=secret_name)["SecretString"])
        if self.token.startswith("{"):
            log.debug("no token: %s", str(self.token))
            raise ValueError("no token")


# %% Say what is wrong without repeating the value
class Reader:
    def __init__(self, secret_name):
        self.token = Token(sm.get_secret_value(SecretId=secret_name)["SecretString"])
        if self.token.startswith("{"):
            raise ValueError(str(self.token))


# %% Read the secret in a function of its own
from momento_token import check


class Reader:
    def __init__(self, secret_name):
        answer = sm.get_secret_value(SecretId=secret_name)
        self.token = Token(answer["SecretString"])
        check(self.token)
