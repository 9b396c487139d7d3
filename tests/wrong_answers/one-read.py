# %% make the client once, then use it three times
handle = handle_naively


# %% keeping it longer is for notebook 03
def handle(user):
    return visit_with(cache_client, user)


# %% a new token in the secret was not used
def handle(user):
    get_token(SECRET_NAME)
    return visit_with(cache_client, user)


# %% your handler returned a str; Momento counted 2
def handle(user):
    with naive_client() as client:
        return str(visit_with(client, user))


# %% with the keys of the handler above
def handle(user):
    with naive_client() as client:
        client.set(CACHE_NAME, f"{user}/visits", "1")
        client.increment(CACHE_NAME, f"{user}/seen")
        return int(client.get(CACHE_NAME, f"{user}/visits").value_string)
