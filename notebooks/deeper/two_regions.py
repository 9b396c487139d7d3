"""Read a secret in its region, and from its replica while that region is unavailable.

    def new_reader():
        return TwoRegions(new_client("us-west-2"), new_client("eu-west-1"))

    source = TokenSource("tutorial/momento-api-key", new_reader)

The role of the service needs secretsmanager:GetSecretValue on both ARNs. Only the region differs.
"""

import logging

import boto3
from botocore.config import Config

from momento_token.secrets_manager import unavailable

log = logging.getLogger(__name__)
log.addHandler(logging.NullHandler())  # where warnings go is the service's decision


def new_client(region):
    """Return a client that gives up soon, as each read waits for home first."""
    retries = {"mode": "standard", "total_max_attempts": 2}
    config = Config(connect_timeout=1, read_timeout=1, retries=retries)
    return boto3.Session().client("secretsmanager", region_name=region, config=config)


class TwoRegions:
    def __init__(self, home, replica):
        self.home, self.replica = home, replica

    def get_secret_value(self, SecretId, **wanted):
        try:
            return self.home.get_secret_value(SecretId=SecretId, **wanted)
        except Exception as error:
            of_home = error
        if unavailable(SecretId, of_home).denied:
            raise of_home
        there = in_region(SecretId, self.replica.meta.region_name)
        try:
            return self.replica.get_secret_value(SecretId=there, **wanted)
        except Exception as of_replica:
            log.warning("The replica didn't help. %s", unavailable(there, of_replica))
        raise of_home  # transient, whatever the replica said


def in_region(secret_id, region):
    """Return the ARN of the replica in this region. A name is the same in all regions."""
    parts = secret_id.split(":")
    return ":".join([*parts[:3], region, *parts[4:]]) if parts[0] == "arn" else secret_id
