# %% Make one cache in make_reader, outside read
def make_reader():
    def read():
        return SecretCache(client=sm).get_secret_string(SECRET_NAME)

    return read


# %% Let the copy expire
def make_reader():
    return lru_cache(get_token)


# %% when access was denied, it still returned something
def make_reader():
    cache = SecretCache(SecretCacheConfig(secret_refresh_interval=2), sm)
    return lambda: cache.get_secret_string(SECRET_NAME)


# %% let the error of boto3 through
def make_reader():
    fresh = cached(TTLCache(1, 1), condition=Condition())(get_token)

    def read():
        try:
            return fresh()
        except ClientError:
            return None

    return read


# %% raised once, then returned something again
def make_reader():
    kept = {}

    def read():
        if not kept or time.monotonic() > kept["at"] + 1:
            kept["at"] = time.monotonic()
            kept["token"] = get_token()
        return kept["token"]

    return read


# %% raised UnboundLocalError
def make_reader():
    fresh = with_cachetools(1)

    def read():
        try:
            token = fresh()
        except ClientError as error:
            print("denied:", error.response["Error"]["Code"])
        return token

    return read


# %% after 2.25 s it still returned the old token
def make_reader():
    return with_cachetools(60)


# %% But after 2.25 s
def make_reader():
    kept = {}

    def read():
        if not kept or time.monotonic() > kept["used"] + 1:
            kept["token"] = get_token()
        kept["used"] = time.monotonic()
        return kept["token"]

    return read


# %% make_reader returns no function
def make_reader():
    cached(TTLCache(1, 1))(get_token)


# %% It didn't return the token
def make_reader():
    return cached(TTLCache(1, 1))(lambda: sm.get_secret_value(SecretId=SECRET_NAME))


# %% a second reader made none: they share a cache
shared = cached(TTLCache(1, 1), condition=Condition())(get_token)


def make_reader():
    return shared
