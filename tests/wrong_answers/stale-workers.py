# %% no function with a name
service = lambda secrets, make: None


# %% does not serve
def service(secrets, make_cache_client):
    raise KeyError("oh")


# %% fail before the rotation
def service(secrets, make_cache_client):
    return lambda user: None


# %% No worker finds out
def service(secrets, make_cache_client):
    source, held = TokenSource(SECRET_NAME, secrets), {}

    def serve(user):
        if not held:
            held["client"] = make_cache_client(source.get())
        return held["client"].increment(CACHE_NAME, user)

    return serve


# %% should be done again
def service(secrets, make_cache_client):
    source, held = TokenSource(SECRET_NAME, secrets), {}

    def serve(user):
        token = source.get()
        if token.number not in held:
            held[token.number] = make_cache_client(token)
        answer = held[token.number].increment(CACHE_NAME, user)
        if is_refused(answer):
            source.renew(token)
        return answer

    return serve


# %% read again only when Momento refuses it
def service(secrets, make_cache_client):
    def serve(user):
        token = secrets().get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        with make_cache_client(token) as client:
            return client.increment(CACHE_NAME, user)

    return serve


# %% reached Momento
def service(secrets, make_cache_client):
    from types import SimpleNamespace

    return lambda user: SimpleNamespace(value=1)


# %% answered by nobody
def service(secrets, make_cache_client):
    def serve(user):
        os._exit(1)

    return serve
