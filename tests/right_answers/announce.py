# %% a client alone, as most write it
class Handler:
    def __init__(self):
        self.client = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(read(sm)), TTL)

    def __call__(self, user):
        return visit_with(self.client, user)


handle = Handler()

# %% made at the first request
one = functools.lru_cache(new_client)


def handle(user):
    return visit_with(one(), user)
