# %% gives no function
make_service = lambda: None

# %% returns nothing
make_service = lambda: lambda user: None

# %% Momento counted 0 of them
make_service = lambda: lambda user: "ok"


# %% counted 0 of 5
def make_service():
    client = make_cache_client(current_token())

    def serve(user):
        answer = client.increment(CACHE_NAME, user)
        return 1 if hasattr(answer, "error_code") else answer

    return serve


# %% reads the secret for each request
make_service = lambda: lambda user: make_cache_client(current_token()).increment(CACHE_NAME, user)


# %% Nobody asked for the new token
make_service = make_service_of_a_colleague


# %% read, and not used
def make_service():
    source, client = TokenSource(SECRET_NAME, ttl=0.001), make_cache_client(current_token())

    def serve(user):
        source.get()
        return client.increment(CACHE_NAME, user)

    return serve


# %% should be done again
from momento_token import is_refused


def make_service():
    source, clients = TokenSource(SECRET_NAME), {}

    def serve(user):
        token = source.get()
        client = clients.get(token.number) or clients.setdefault(token.number, make_cache_client(token))
        answer = client.increment(CACHE_NAME, user)
        is_refused(answer) and source.renew(token)
        return answer

    return serve


# %% makes a client for each request
def make_service():
    source = TokenSource(SECRET_NAME)

    def serve(user):
        return SharedClient(source, make_cache_client).call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% after a second
def make_service():
    held = [make_cache_client(current_token())]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code") and len(held) == 1:
            held.insert(0, make_cache_client(current_token()))
            answer = held[0].increment(CACHE_NAME, user)
        return answer

    return serve


# %% The answers aren't those
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        clients.call(lambda client: client.increment(CACHE_NAME, user))
        return 1

    return serve


# %% Momento counted 0 of them
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
    return lambda user: clients.call(lambda client: client.get(CACHE_NAME, user))


# %% Momento counted 0 of them
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        clients.call(lambda client: client.increment(CACHE_NAME, user))
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% deleted the secret
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def serve(user):
        sm.delete_secret(SecretId=SECRET_NAME, ForceDeleteWithoutRecovery=True)
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% failed before the rotation
def make_service():
    key = cloud.issue_api_key()
    cloud.revoke_api_key(key)
    client = make_cache_client(key)
    return lambda user: client.increment(CACHE_NAME, user)
