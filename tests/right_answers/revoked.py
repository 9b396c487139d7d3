# %% a client of its own, made anew
def make_service():
    lock, held = threading.Lock(), {}

    def client_for(token):
        with lock:
            if held.get("token") != token:
                held.update(token=token, client=make_cache_client(token))
            return held["client"]

    def serve(user):
        answer = client_for(held.get("token") or current_token()).increment(CACHE_NAME, user)
        if getattr(answer, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR:
            return client_for(current_token()).increment(CACHE_NAME, user)
        return answer

    return serve


# %% a class that can be called, on a plain configuration
class Service:
    def __init__(self):
        self.clients = SharedClient(TokenSource(SECRET_NAME, ttl=60), self.make)

    def make(self, token):
        return CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), TTL)

    def __call__(self, user):
        return self.clients.call(lambda client: client.increment(CACHE_NAME, user, 1))


make_service = Service


# %% it returns the number
def make_service():
    clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
    return lambda user: clients.call(lambda one: one.increment(CACHE_NAME, user)).value
