# %% `make_reader` is no function
make_reader = None

# %% gives no function
make_reader = lambda: None

# %% start with an empty cache
make_reader = lambda: lambda: "a token"

# %% In 32 of 32 threads your function raised NameError
make_reader = lambda: lambda: token_of_nobody

# %% Nothing is kept
make_reader = lambda: fetch

# %% see `condition=`
make_reader = lambda: cached(TTLCache(1, 3600))(lambda: fetch())

# %% share a cache
shared = cached(TTLCache(1, 3600), condition=Condition())(lambda: fetch())
make_reader = lambda: shared

# %% asked again
make_reader = lambda: cached(TTLCache(1, 0.3), condition=Condition())(lambda: fetch())

# %% That is AWS's library
from aws_secretsmanager_caching import SecretCache

make_reader = lambda: lambda cache=SecretCache(): cache.get_secret_string(SECRET_NAME)


# %% That is AWS's library
def make_reader():
    cache = SecretCache()
    return lambda: cache.get_secret_string(SECRET_NAME)


# %% not every thread got the token
old = fetch()


def make_reader():
    lock, kept = threading.Lock(), []

    def read():
        with lock:
            if not kept:
                kept.append(fetch())
        return old

    return read


# %% not every thread got the token
def make_reader():
    lock, kept = threading.Lock(), []

    def read():
        if lock.acquire(blocking=False):
            kept.append(fetch())
            return kept[0]
        return "not yet"

    return read


# %% Nothing is kept
def make_reader():
    local = threading.local()

    def read():
        if not hasattr(local, "token"):
            local.token = fetch()
        return local.token

    return read


# %% start with an empty cache
def make_reader():
    token = fetch()
    return lambda: token


# %% threads your function raised RuntimeError
def make_reader():
    lock, kept = threading.Lock(), []

    def read():
        if not lock.acquire(blocking=False):
            raise RuntimeError("somebody else reads")
        kept.append(fetch())
        return kept[0]

    return read


# %% Keep the value that was read
def make_reader():
    lock, kept, served = threading.Lock(), [], []

    def read():
        with lock:
            if not kept:
                kept.append(fetch())
            served.append(1)
        return kept[0] if len(served) <= 33 else "expired"

    return read


# %% it should only read
def make_reader():
    sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
    return lambda: "a token"
