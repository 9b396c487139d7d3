"""Keep one Momento client for the process. Its token comes from Secrets Manager, and when Momento
denies that token, the secret is read again and a new client takes over.

    momento = MomentoClient("tutorial/momento-api-key")  # at module level: once per process

    def handle(user):
        response = momento.call(lambda client: client.increment("tutorial", f"visits/{user}"))
        return checked(response).value

It needs MOMENTO_ENDPOINT (from Momento's console), AWS credentials and a region, and two
permissions on the secret: secretsmanager:DescribeSecret and secretsmanager:GetSecretValue.

What it doesn't do: stop when its permission is revoked; refresh without letting callers wait, for
about two seconds a call and address while Secrets Manager hangs; work with asyncio, or in a
process that was forked after its first call. The package momento_token does.
"""

import logging
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
log = logging.getLogger(__name__)
RENEWAL_PAUSE = 1  # seconds: a secret without a usable token is read at most this often


def new_cache_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    return CacheClient(Configurations.InRegion.Default.latest(), credentials, timedelta(minutes=10))


class MomentoClient:
    def __init__(self, secret_name, new_client=new_cache_client, ttl=3600):
        """`new_client(token)` returns the client to keep, without a wait; `ttl` is in whole seconds."""
        self._secret_name, self._new_client, self._ttl = secret_name, new_client, ttl
        self._boto3_client = boto3.client("secretsmanager", config=AWS)
        self._lock = Lock()
        self._tokens = self._empty_cache()
        self._token = self._client = None  # the client, and the token that it was last made with
        self._renewed_at = float("-inf")

    def call(self, operation):
        """Return the response of `operation(client)`, repeated once if Momento denies the token.

        A denied call has done nothing. Raises an error if there is no token to make a client with.
        """
        client, tokens = self._current()
        response = operation(client)
        if getattr(response, "error_code", None) == MomentoErrorCode.AUTHENTICATION_ERROR:
            self._renew(tokens)
            client, _ = self._current()
            response = operation(client)
        return response

    def _current(self):
        tokens = self._tokens
        try:
            token = (tokens.get_secret_string(self._secret_name) or "").strip()
        except Exception as error:
            client = self._client
            if client is None or self._token is None:  # none yet, or denied
                # The library raises one object again and again, and each time its traceback grows.
                raise error.with_traceback(None) from None
            return client, tokens
        with self._lock:
            # A client keeps the token it was made with, so a new token needs a new client. A
            # thread that read its token before a renewal must not bring the old one back.
            if self._client is None or (token != self._token and tokens is self._tokens):
                self._replace_client(token)
            return self._client, tokens

    def _replace_client(self, token):
        self._token = token
        try:
            if token[:1] in ("", "{", "[", '"', "'"):
                raise ValueError(f"{self._secret_name} must hold the API key alone, as plaintext.")
            self._client = self._new_client(token)
        except Exception as error:
            if self._client is None:
                self._start_over()
                raise
            # The old client may still work. No message: it could hold the token.
            log.warning("No client for the new %s: %s", self._secret_name, type(error).__name__)

    def _renew(self, tokens):
        """Start an empty cache, so that the next call reads the secret, once for all threads."""
        with self._lock:
            if tokens is self._tokens:
                self._start_over()

    def _start_over(self):
        now = time.monotonic()
        if now > self._renewed_at + RENEWAL_PAUSE:
            self._tokens, self._token, self._renewed_at = self._empty_cache(), None, now

    def _empty_cache(self):
        # After an error the library waits before the next read: ten seconds at most, not an hour.
        config = SecretCacheConfig(secret_refresh_interval=self._ttl, exception_retry_delay_max=10)
        return SecretCache(config, self._boto3_client)


def checked(response):
    """Return the response, or raise the error that it carries: Momento's SDK returns errors."""
    if isinstance(response, ErrorResponseMixin):
        raise response.inner_exception
    return response
