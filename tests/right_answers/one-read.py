# %% a client made by hand, and never closed
def handle(user):
    client = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(get_token(SECRET_NAME)), TTL)
    client.set(CACHE_NAME, f"{user}/seen", "yes")
    client.increment(CACHE_NAME, f"{user}/visits", 1)
    return int(client.get(CACHE_NAME, f"{user}/visits").value_bytes)


# %% a client kept as long as the token that was read is the same
kept = {}


def handle(user):
    token = get_token(SECRET_NAME)
    if token not in kept:
        kept[token] = CacheClient(configuration, cloud.credentials_from(token), TTL)
    print("serving", user)
    return visit_with(kept[token], user)
