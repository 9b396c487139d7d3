# %% a client of its own, which raises what it can't do
def make_service():
    held = [make_cache_client(current_token(SECRET_NAME))]

    def serve(user):
        answer = held[0].increment(CACHE_NAME, user)
        if getattr(answer, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR:
            held[0] = make_cache_client(current_token(SECRET_NAME))
            answer = held[0].increment(CACHE_NAME, user)
        if hasattr(answer, "error_code"):
            raise RuntimeError(answer.message)
        return answer

    return serve


# %% a class that can be called, which returns the number
class Service:
    def __init__(self):
        self.clients = SharedClient(TokenSource(SECRET_NAME), make_cache_client)

    def __call__(self, user):
        return self.clients.call(lambda client: client.increment(CACHE_NAME, user, 1)).value


make_service = Service


# %% the file of notebook 04
from momento_client import MomentoClient


def make_service():
    momento = MomentoClient(SECRET_NAME, make_cache_client)

    def serve(user):
        return checked(momento.call(lambda client: client.increment(CACHE_NAME, user))).value

    return serve


# %% shared clients that were in use before
shared = SharedClient(TokenSource(SECRET_NAME), make_cache_client)
shared.call(lambda client: client.get(CACHE_NAME, "visits"))
make_service = lambda: lambda user: shared.call(lambda client: client.increment(CACHE_NAME, user))
