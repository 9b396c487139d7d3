# %% asynchronous
from momento import CacheClientAsync

from momento_token import AsyncSharedClient, TokenSource


def make_async(token):
    return CacheClientAsync(configuration, cloud.credentials_from(token), timedelta(minutes=10))


class Service:
    def __init__(self, ttl=300):
        self.clients = AsyncSharedClient(TokenSource(SECRET_NAME, new_sm, ttl=ttl), make_async)

    async def serve(self, user):
        return await self.clients.call(lambda client: client.increment(CACHE_NAME, user))


# %% the small file, which repeats a refused call once, and also stops when it is denied
from botocore.exceptions import ClientError
from momento_client import MomentoClient


class NoticesDenials:
    def __init__(self, client):
        self.client, self.denied = client, False

    def __getattr__(self, name):
        def call(**arguments):
            try:
                response = getattr(self.client, name)(**arguments)
            except ClientError as error:
                self.denied = error.response["Error"]["Code"] == "AccessDeniedException"
                raise
            self.denied = False
            return response

        return call


class DeniableClient(MomentoClient):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self._boto3_client = NoticesDenials(self._boto3_client)
        self._tokens = self._empty_cache()

    def _current(self):
        current = super()._current()  # AWS's library serves its copy after any error
        if self._boto3_client.denied:
            raise PermissionError("denied the secret")
        return current


def Service(ttl=300):
    momento = DeniableClient(SECRET_NAME, make_cache_client, ttl)
    return SimpleNamespace(serve=lambda user: momento.call(lambda client: client.increment(CACHE_NAME, user)))
