from datetime import timedelta
from functools import lru_cache

import boto3
from aws_secretsmanager_caching import SecretCache, SecretCacheConfig
from momento import CacheClient, Configurations, CredentialProvider


def example_API_retrieveAuthTokenFromSecretsManager():
    # Make the cache once for each process: it asks Secrets Manager again after an hour at the latest.
    config = SecretCacheConfig(secret_refresh_interval=3600)
    secrets = SecretCache(config, client=boto3.client("secretsmanager"))

    @lru_cache(maxsize=1)  # one client for all calls, and a new one when the secret holds a new key
    def client_for(api_key: str) -> CacheClient:
        endpoint = "cell-4-us-west-2-1.prod.a.momentohq.com"  # from Momento's console
        credentials = CredentialProvider.from_api_key_v2(api_key, endpoint)
        return CacheClient(Configurations.Laptop.latest(), credentials, timedelta(seconds=60))

    def cache_client() -> CacheClient:
        name = "tutorial/momento-api-key"
        return client_for(secrets.get_secret_string(name, version_stage="AWSCURRENT"))

    print(cache_client().set("tutorial", "test-key", "test-value"))


# end example
