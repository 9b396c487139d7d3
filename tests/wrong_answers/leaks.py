# %% its log
class Reader(LeakyReader):
    __repr__ = object.__repr__


# %% The token shows in what is printed, `repr(reader.token)`
class Reader:
    def __init__(self, secret_name):
        self.token = sm.get_secret_value(SecretId=secret_name)["SecretString"]
        print("read", self.token)


# %% `repr(reader)`
from dataclasses import dataclass


@dataclass
class Reader:
    secret_name: str

    def __post_init__(self):
        self.token = Token(sm.get_secret_value(SecretId=self.secret_name)["SecretString"])

    def __repr__(self):
        return f"Reader({self.token})"


# %% Call `check` on what you read
class Reader:
    def __init__(self, secret_name):
        self.token = Token(sm.get_secret_value(SecretId=secret_name)["SecretString"])


# %% what it holds shows in a crash report
class Reader:
    def __init__(self, secret_name):
        answer = sm.get_secret_value(SecretId=secret_name)
        self.token = Token(answer["SecretString"])
        check(self.token)
