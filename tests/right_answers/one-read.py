# %% a client of its own, closed by hand
def handle(user):
    client = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(get_token(SECRET_NAME)), TTL)
    client.set(CACHE_NAME, f"{user}/seen", "yes")
    client.increment(CACHE_NAME, f"{user}/visits", 1)
    visits = client.get(CACHE_NAME, f"{user}/visits")
    client.close() if hasattr(client, "close") else None
    return int(visits.value_bytes)


# %% the parts as functions
def visit(client, user):
    client.set(CACHE_NAME, user + "/seen", "today")
    client.increment(CACHE_NAME, user + "/visits")
    return client.get(CACHE_NAME, user + "/visits").value_string


def handle(user):
    with naive_client() as client:
        return int(visit(client, user))


# %% an object that can be called, which prints
class Handler:
    def __call__(self, user):
        print("serving", user)
        with naive_client() as client:
            client.set(CACHE_NAME, f"{user}/seen", "today")
            client.increment(CACHE_NAME, f"{user}/visits")
            answer = client.get(CACHE_NAME, f"{user}/visits")
            return int(answer.value_string)


handle = Handler()
