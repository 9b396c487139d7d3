# %% a property, read each time
class Reader:
    def __init__(self, secret_name):
        self.secret_name = secret_name
        check(self.token)

    @property
    def token(self):
        return Token(sm.get_secret_value(SecretId=self.secret_name)["SecretString"])


# %% a function that returns a plain object, by the package
def Reader(secret_name):
    from types import SimpleNamespace

    return SimpleNamespace(token=TokenSource(secret_name).get())
