# %% Make one client outside the handler
handle = handle_with_three


# %% New clients: 4
of_user = functools.lru_cache(lambda user: new_client())


def handle(user):
    return visit_with(of_user(user), user)


# %% New clients: 5
mine = threading.local()


def handle(user):
    if not hasattr(mine, "client"):
        mine.client = new_client()
    return visit_with(mine.client, user)


# %% each request still reads the token
one = new_client()


def handle(user):
    read(sm)
    return visit_with(one, user)


# %% your handler returned 1; Momento counted 2
one = new_client()


def handle(user):
    visit_with(one, user)
    return 1
