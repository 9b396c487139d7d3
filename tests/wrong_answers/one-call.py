# %% with a TTL of minutes
make_reader = lambda: fetch

# %% see `condition=`
make_reader = lambda: cached(TTLCache(1, 3600))(lambda: fetch())

# %% A read 0.7 s later made a call again
make_reader = lambda: cached(TTLCache(1, 0.2), condition=Condition())(lambda: fetch())

# %% they share a cache
shared = cached(TTLCache(1, 3600), condition=Condition())(lambda: fetch())
make_reader = lambda: shared


# %% make_reader returns no function
def make_reader():
    @cached(TTLCache(1, 3600), condition=Condition())
    def read():
        return fetch()
