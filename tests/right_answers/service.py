# %% asynchronous
from momento import CacheClientAsync

from momento_token import AsyncSharedClient, TokenSource


def make_async(token):
    return CacheClientAsync(Configurations.Laptop.v1(), cloud.credentials_from(token), TTL)


class Service:
    def __init__(self, ttl: float = 300):
        source = TokenSource(SECRET_NAME, quick_client, ttl=ttl)
        self.clients = AsyncSharedClient(source, make_async)

    async def serve(self, user):
        return await self.clients.call(lambda client: client.increment(CACHE_NAME, user))


# %% a function that makes a function, and listens
from types import SimpleNamespace

from momento_token import SharedClient, TokenSource
from momento_token.topics import SharedTopicClient


def Service(ttl=300):
    source = TokenSource(SECRET_NAME, quick_client, ttl=ttl)
    caches, topics = (
        SharedClient(source, make_cache_client),
        SharedTopicClient(source, make_topic_client),
    )
    return SimpleNamespace(
        serve=lambda user: caches.call(lambda client: client.increment(CACHE_NAME, user)).value,
        messages=lambda topic: topics.messages(CACHE_NAME, topic),
    )


# %% a module of functions
Service = a_module("""
import threading
from momento_token import SharedClient, TokenSource

clients = None

def start(ttl=300):
    global clients
    clients = SharedClient(TokenSource(tools.SECRET_NAME, tools.quick_client, ttl=ttl), tools.make_cache_client)

def serve(user):
    return clients.call(lambda client: client.increment(tools.CACHE_NAME, user))
""")


# %% with its own lock and clocks
import os
import threading
import time

from botocore.exceptions import BotoCoreError, ClientError
from momento.errors import MomentoErrorCode

from momento_token import Token
from momento_token.secrets_manager import unavailable


class Service:
    def __init__(self, ttl=300):
        self.ttl, self.sm = ttl, quick_client()
        self.forget()
        os.register_at_fork(after_in_child=self.forget)

    def forget(self):
        self.lock, self.token, self.read_at, self.client = threading.Lock(), None, 0.0, None
        self.lost = getattr(self, "lost", []) + [getattr(self, "client", None)]

    def read(self):
        answer = self.sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")
        token = Token(answer.pop("SecretString").strip())
        if token != self.token:
            self.token, self.client = token, make_cache_client(token)
        self.read_at = time.monotonic()

    def current(self, refused=None):
        with self.lock:
            if refused is not None and refused is self.client:
                self.read()
            elif self.client is None or time.monotonic() - self.read_at > self.ttl:
                try:
                    self.read()
                except (ClientError, BotoCoreError) as error:
                    if self.client is None or unavailable(SECRET_NAME, error).denied:
                        self.client = None
                        raise
            return self.client

    def serve(self, user):
        client = self.current()
        answer = client.increment(CACHE_NAME, user)
        while getattr(answer, "error_code", None) is MomentoErrorCode.AUTHENTICATION_ERROR:
            client = self.current(client)
            answer = client.increment(CACHE_NAME, user)
        return answer
