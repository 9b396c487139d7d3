# %% it ended; it printed last: KeyError: 'oh'
def service(source, make_cache_client):
    raise KeyError("oh")


# %% it returned NoneType, not Momento's response
def service(source, make_cache_client):
    return lambda user: None


# %% it returned coroutine, not Momento's response
def service(source, make_cache_client):
    clients = SharedClient(source, make_cache_client)

    async def serve(user):
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% NameError: name 'boto3' is not defined
def service(source, make_cache_client):
    def serve(user):
        token = boto3.client("secretsmanager").get_secret_value(SecretId=SECRET_NAME)["SecretString"]
        return make_cache_client(token).increment(CACHE_NAME, user)

    return serve


# %% `service` is no function that a cell defines
class service:
    def __init__(self, source, make_cache_client):
        self.clients = SharedClient(source, make_cache_client)

    def __call__(self, user):
        return self.clients.call(lambda client: client.increment(CACHE_NAME, user))


# %% a Momento client was made before the fork
def service(source, make_cache_client):
    client = make_cache_client(source.get())
    return lambda user: client.increment(CACHE_NAME, user)


# %% POST /rotated failed: NameError: name 'helds' is not defined
def service(source, make_cache_client):
    clients = SharedClient(source, make_cache_client)

    def serve(user):
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    def rotated():
        helds.clear()

    return serve, rotated


# %% requests failed first
def service(source, make_cache_client):
    held = {}

    def serve(user):
        token = source.get()
        if token.number not in held:
            held[token.number] = make_cache_client(token)
        response = held[token.number].increment(CACHE_NAME, user)
        if is_refused(response):
            source.renew(token)
        return response

    return serve


# %% was sent again: it may count twice
def service(source, make_cache_client):
    clients = SharedClient(source, make_cache_client)

    def serve(user):
        for _ in range(3):
            response = clients.call(lambda client: client.increment(CACHE_NAME, user))
            if hasattr(response, "value"):
                break
        return response

    return serve


# %% But each request reads the secret
def service(source, make_cache_client):
    def serve(user):
        source.reset()
        with make_cache_client(source.get()) as client:
            return client.increment(CACHE_NAME, user)

    return serve


# %% But each request makes a Momento client
def service(source, make_cache_client):
    def serve(user):
        clients = SharedClient(source, make_cache_client)
        return clients.call(lambda client: client.increment(CACHE_NAME, user))

    return serve


# %% Solved.
def increment(user):
    return lambda client: client.increment(CACHE_NAME, user)


def caches(source, make_cache_client):
    clients = SharedClient(source, make_cache_client)
    return lambda user: clients.call(increment(user))


service = lambda source, make_cache_client: caches(source, make_cache_client)


# %% Solved.
from collections.abc import Callable


def service(source, make_cache_client: Callable):
    held = {}

    def serve(user):
        for _ in range(2):
            token = source.get()
            if held.get("token") != token:
                held.update(token=token, client=make_cache_client(token))
            response = held["client"].increment(CACHE_NAME, user)
            if not is_refused(response) or not source.renew(token):
                return response

    return serve
