"""One Momento client for a process: its token is read from Secrets Manager, and again when
Momento refuses it.

    momento = MomentoClient("tutorial/momento-api-key")  # at module level: once for each process

    def handle(user):
        response = momento.call(lambda client: client.increment("tutorial", f"visits/{user}"))
        return checked(response).value

It needs MOMENTO_ENDPOINT (from Momento's console), AWS credentials and a region, and two
permissions on the secret: secretsmanager:DescribeSecret and secretsmanager:GetSecretValue.

What it doesn't do: stop when its permission is revoked; refresh without letting callers wait,
for two seconds at most while Secrets Manager hangs; work with asyncio, or in a process that was
forked after its first call. The package momento_token does.
"""

import os
import time
from datetime import timedelta
from threading import Lock

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from botocore.config import Config
from momento import CacheClient, Configurations, CredentialProvider
from momento.errors import MomentoErrorCode
from momento.responses.mixins import ErrorResponseMixin

# boto3 would wait for minutes by default.
AWS = Config(
    connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 2}
)


def new_cache_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    return CacheClient(Configurations.InRegion.Default.latest(), credentials, timedelta(minutes=10))


class MomentoClient:
    def __init__(self, secret_name, new_client=new_cache_client, ttl=3600):
        self._secret_name, self._new_client, self._ttl = secret_name, new_client, ttl
        self._boto3_client, self._lock = boto3.client("secretsmanager", config=AWS), Lock()
        self._renewed_at = self._token = self._client = None
        self._tokens = self._empty_cache()

    def call(self, operation):
        """Return the response of `operation(client)`, repeated once if Momento refuses the token.

        A refused call has done nothing. Raises what boto3 raises if the token can't be read.
        """
        client, tokens = self._current()
        response = operation(client)
        if getattr(response, "error_code", None) == MomentoErrorCode.AUTHENTICATION_ERROR:
            self._renew(tokens)
            response = operation(self._current()[0])
        return response

    def _current(self):
        tokens = self._tokens
        token = (tokens.get_secret_string(self._secret_name) or "").strip()
        if not token or token[0] in "{[\"'":
            raise ValueError(f"{self._secret_name} must hold the API key alone, as plaintext.")
        with self._lock:
            # A client takes its token when it is made, and never another.
            if self._client is None or (token != self._token and tokens is self._tokens):
                self._client, self._token = self._new_client(token), token
            return self._client, tokens

    def _renew(self, tokens):
        with self._lock:
            now = time.monotonic()
            if self._tokens is tokens and (not self._renewed_at or now > self._renewed_at + 1):
                self._tokens, self._renewed_at = self._empty_cache(), now  # one thread, for all

    def _empty_cache(self):
        # After an error the library waits before the next read: ten seconds at most, not an hour.
        config = SecretCacheConfig(secret_refresh_interval=self._ttl, exception_retry_delay_max=10)
        return SecretCache(config, self._boto3_client)


def checked(response):
    """Return the response, or raise the error that it carries: Momento's SDK returns errors."""
    if isinstance(response, ErrorResponseMixin):
        raise response.inner_exception
    return response
