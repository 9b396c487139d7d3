# %% does not serve
def service(secrets, make_cache_client):
    raise KeyError("oh")


# %% fail before the rotation
def service(secrets, make_cache_client):
    return lambda user: None


# %% Repeat a refused request
def service(secrets, make_cache_client):
    source, held = TokenSource(SECRET_NAME, secrets), {}

    def serve(user):
        token = source.get()
        if token.number not in held:
            held[token.number] = make_cache_client(token)
        response = held[token.number].increment(CACHE_NAME, user)
        if is_refused(response):
            source.renew(token)
        return response

    return serve


# %% read again only when Momento refuses it
def service(secrets, make_cache_client):
    def serve(user):
        token = secrets().get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        with make_cache_client(token) as client:
            return client.increment(CACHE_NAME, user)

    return serve
