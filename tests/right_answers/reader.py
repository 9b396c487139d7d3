# %% a copy and the time of its read
def make_reader():
    kept = {}

    def read():
        if not kept or time.monotonic() > kept["at"] + 1.5:
            kept.update(token=get_token(), at=time.monotonic())
        return kept["token"]

    return read


# %% a function of the notebook's, with two seconds
def make_reader():
    return with_cachetools(2)


# %% a class, which looks first whether the version is another one
class Reader:
    def __init__(self):
        self.token, self.version, self.read_at = None, None, 0

    def __call__(self):
        if time.monotonic() > self.read_at + 1:
            response = sm.get_secret_value(SecretId=SECRET_NAME)
            self.token, self.version = response["SecretString"], response["VersionId"]
            self.read_at = time.monotonic()
        return self.token


make_reader = Reader


# %% lru_cache, with the second as its argument
def make_reader():
    read_in = functools.lru_cache(maxsize=1)(lambda second: get_token())
    return lambda: read_in(time.monotonic() // 1)


# %% momento_token, which refreshes in the background
def make_reader():
    return TokenSource(SECRET_NAME, ttl=1, report=lambda event: None).get
