# %% reads of the secret: 0
make_service = make_service_of_a_colleague


# %% new clients: 0
def make_service():
    source, client = TokenSource(SECRET_NAME, ttl=0.001), make_cache_client(current_token())

    def serve(user):
        source.get()
        return client.increment(CACHE_NAME, user)

    return serve


# %% After a second rotation
def make_service():
    held = [make_cache_client(current_token())]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code") and len(held) == 1:
            held.insert(0, make_cache_client(current_token()))
            answer = held[0].increment(CACHE_NAME, user)
        return answer

    return serve


# %% the service sent it again
def make_service():
    held = [make_cache_client(current_token())]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code"):
            held[0] = make_cache_client(current_token())
            answer = held[0].increment(CACHE_NAME, user)
        return answer

    return serve


# %% share the client until Momento refuses the token
make_service = lambda: lambda user: make_cache_client(current_token()).increment(CACHE_NAME, user)


# %% Before any rotation 5 of 5 requests failed
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve
