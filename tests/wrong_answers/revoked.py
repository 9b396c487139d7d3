# %% reads of the secret: 0
def make_service():
    source = TokenSource(SECRET_NAME, ttl=1)
    client = make_cache_client(source.get())
    return lambda user: client.increment(CACHE_NAME, user)


# %% new clients: 0
def make_service():
    source, client = TokenSource(SECRET_NAME, ttl=0.001), make_cache_client(current_token(SECRET_NAME))

    def serve(user):
        source.get()
        return client.increment(CACHE_NAME, user)

    return serve


# %% After a second rotation
def make_service():
    held = [make_cache_client(current_token(SECRET_NAME))]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code") and len(held) == 1:
            held.insert(0, make_cache_client(current_token(SECRET_NAME)))
            answer = held[0].increment(CACHE_NAME, user)
        return answer

    return serve


# %% the service sent it again
def make_service():
    held = [make_cache_client(current_token(SECRET_NAME))]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code"):
            held[0] = make_cache_client(current_token(SECRET_NAME))
            answer = held[0].increment(CACHE_NAME, user)
        return answer

    return serve


# %% When Momento denies the token, and only then
make_service = lambda: lambda user: make_cache_client(current_token(SECRET_NAME)).increment(CACHE_NAME, user)


# %% Before any rotation 5 of 5 requests failed (returned NoneType)
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% After a rotation 5 of 5 requests failed (AuthenticationException)
def make_service():
    client = make_cache_client(TokenSource(SECRET_NAME).get())

    def serve(user):
        response = client.increment(CACHE_NAME, user)
        if hasattr(response, "error_code"):
            raise response.inner_exception
        return response.value

    return serve


# %% new clients: 5
def make_service():
    source = TokenSource(SECRET_NAME)
    return lambda user: make_cache_client(source.get()).increment(CACHE_NAME, user)


# %% ended with UNAVAILABLE
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        answer = clients.call(lambda client: client.increment(CACHE_NAME, user))
        if getattr(answer, "error_code", None) is MomentoErrorCode.SERVER_UNAVAILABLE:
            answer = clients.call(lambda client: client.increment(CACHE_NAME, user))
        return answer

    return serve


# %% After a rotation 5 of 5 requests failed (AUTHENTICATION_ERROR)
client = make_cache_client(current_token(SECRET_NAME))
make_service = lambda: lambda user: client.increment(CACHE_NAME, user)


# %% reads of the secret: 5, new clients: 5
def make_service():
    def serve(user):
        clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% make_service returns no function
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
    return clients.call(lambda client: client.increment(CACHE_NAME, "anna"))


# %% its `call` a function of the client
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
    client = make_cache_client(current_token(SECRET_NAME))
    return lambda user: clients.call(client.increment(CACHE_NAME, user))


# %% SharedClient takes a TokenSource and a function
def make_service():
    clients = SharedClient(make_cache_client, TokenSource(SECRET_NAME))
    return lambda user: clients.call(lambda client: client.increment(CACHE_NAME, user))


# %% Increment the user's counter once
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
    return lambda user: clients.call(lambda client: client.increment(CACHE_NAME, "visits"))
