# %% three Momento calls
def handle(user):
    return 1


# %% raised KeyError
def handle(user):
    raise KeyError(user)


# %% A client for each call
handle = handle_with_three


# %% A client for each request
def handle(user):
    return visit_with(new_client(), user)


# %% A client for each request
def handle(user):
    with CacheClient(Configurations.Laptop.v1(), credentials, TTL) as client:
        return visit_with(client, user)


# %% Some client is still made inside
from functools import lru_cache

of_user = lru_cache(lambda user: new_client())


def handle(user):
    return visit_with(of_user(user), user)


# %% the token is still read for each request
one = new_client()


def handle(user):
    read(sm)
    return visit_with(one, user)


# %% Return the number that the third call gets
one, counts = new_client(), {}


def handle(user):
    visit_with(one, user)
    counts[user] = counts.get(user, 0) + 1
    return counts[user]


# %% each once
one = new_client()


def handle(user):
    for _ in range(3):
        one.set(CACHE_NAME, f"{user}/visits", "1")
    return 1


# %% each once
one = new_client()


def handle(user):
    answer = one.increment(CACHE_NAME, f"{user}/visits")
    return answer.value


# %% each once
one = new_client()


def handle(user):
    visit_with(one, user)
    return visit_with(one, user)


# %% with their keys
one = new_client()


def handle(user):
    one.set(CACHE_NAME, f"{user}/seen", "today")
    one.increment(CACHE_NAME, f"{user}/visits", 2)
    return int(one.get(CACHE_NAME, f"{user}/visits").value_string) - 1


# %% Return the number that the third call gets
one = new_client()


def handle(user):
    return float(visit_with(one, user))
