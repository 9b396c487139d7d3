# %% a client made by hand, and never closed
def handle(user):
    client = CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(get_token(SECRET_NAME)), TTL)
    return visit_with(client, user)


# %% a client kept as long as the token that was read is the same
kept = {}


def handle(user):
    token = get_token(SECRET_NAME)
    if token not in kept:
        kept[token] = CacheClient(configuration, cloud.credentials_from(token), TTL)
    print("serving", user)
    return visit_with(kept[token], user)


# %% three clients with one token
def handle(user):
    token = get_token(SECRET_NAME)
    with new_client(token) as client:
        checked(client.set(CACHE_NAME, "last-visitor", user))
    with new_client(token) as client:
        checked(client.increment(CACHE_NAME, "visits"))
    with new_client(token) as client:
        return checked(client.increment(CACHE_NAME, f"{user}/visits", 1)).value
