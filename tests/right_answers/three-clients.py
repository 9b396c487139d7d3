# %% a class, on a plain configuration
class Handler:
    def __init__(self):
        self.client = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(read(sm)), TTL)

    def __call__(self, user):
        return visit_with(self.client, user)


handle = Handler()

# %% made at the first request
from functools import lru_cache

one = lru_cache(new_client)


def handle(user):
    return visit_with(one(), user)


# %% by the pattern
from momento_token import SharedClient, TokenSource

clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)


def handle(user):
    clients.call(lambda client: client.set(CACHE_NAME, f"{user}/seen", "today"))
    clients.call(lambda client: client.increment(CACHE_NAME, f"{user}/visits"))
    return int(clients.call(lambda client: client.get(CACHE_NAME, f"{user}/visits")).value_string)
