# %% make the client once, and use it for all three calls
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
    with new_client(get_token(SECRET_NAME)) as client:
        return str(visit_with(client, user))


# %% Momento counted 2.
def handle(user):
    with new_client(get_token(SECRET_NAME)) as client:
        checked(client.set(CACHE_NAME, "last-visitor", user))
        checked(client.increment(CACHE_NAME, f"{user}/visits"))
        return checked(client.increment(CACHE_NAME, "visits")).value


# %% each once: set, increment, increment
def handle(user):
    with new_client(get_token(SECRET_NAME)) as client:
        checked(client.set(CACHE_NAME, user, "today"))
        checked(client.increment(CACHE_NAME, "visits"))
        return checked(client.increment(CACHE_NAME, f"{user}/visits")).value


# %% 5 sets, 5 increments
def handle(user):
    with new_client(get_token(SECRET_NAME)) as client:
        checked(client.set(CACHE_NAME, "last-visitor", user))
        return checked(client.increment(CACHE_NAME, f"{user}/visits")).value


# %% Put `checked` around each call
def handle(user):
    with new_client(get_token(SECRET_NAME)) as client:
        client.set(CACHE_NAME, "last-visitor", user)
        client.increment(CACHE_NAME, "visits")
        return client.increment(CACHE_NAME, f"{user}/visits").value


# %% return the last `.value`
def handle(user):
    with new_client(get_token(SECRET_NAME)) as client:
        visit_with(client, user)


# %% raised NameError
def handle(user):
    with new_client(token) as client:
        return visit_with(client, user)


# %% when the first increment failed
def handle(user: str) -> int:
    with new_client(get_token(SECRET_NAME)) as client:
        checked(client.set(CACHE_NAME, "last-visitor", user))
        client.increment(CACHE_NAME, "visits")
        return checked(client.increment(CACHE_NAME, f"{user}/visits")).value
