# ruff: noqa
"""What cells before an exercise make, beside their definitions; run with `cloud` in scope."""

import functools
import json
import logging
import sys
import threading
import time
from datetime import timedelta

import boto3
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations, TopicConfigurations
from momento.errors import MomentoErrorCode

from answers import NOTEBOOKS

from drills.contest import Result
from drills.other_ways import NEVER, Outcome
from helpers import pricing
from momento_token import SharedClient, Token, TokenError, TokenSource, check

if str(NOTEBOOKS) not in sys.path:
    sys.path.append(str(NOTEBOOKS))  # for the plain files beside the notebooks
from momento_client import checked

SECRET_NAME, OTHER_NAME, CACHE_NAME = "tutorial/momento-api-key", "tutorial/database-password", "tutorial"
TTL, DAY = timedelta(minutes=10), 86_400
TAGS = [{"Key": "created-by", "Value": "momento-secrets-tutorial"}]
sm = client = contest_client = boto3.client("secretsmanager")
configuration = Configurations.Laptop.v1()
credentials = cloud.credentials_from(sm.get_secret_value(SecretId=SECRET_NAME)["SecretString"])
cache_client = CacheClient(configuration, credentials, TTL)  # 02
listening = TopicConfigurations.Default.v1().with_client_timeout(timedelta(hours=1))  # 04
secret_arn = sm.describe_secret(SecretId=SECRET_NAME)["ARN"]  # 06
without_suffix = secret_arn[:-6]
fleet = pricing.Fleet(600, processes=300, lifetime=DAY, way=pricing.FIXED_TTL)  # 05
if cloud._engine == "ministack":  # deeper, other regions and accounts
    from drills.who_may_read import new_identity

    allow = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": secret_arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    service, rotation = new_identity("service", policy), new_identity("rotation", policy)
    service_arn, rotation_arn = (f"arn:aws:iam::000000000000:user/{name}" for name in ("service", "rotation"))
log = logging.getLogger("reader")  # where tokens leak

results = [  # deeper, the contest: of a contest, what the exercise looks at
    Result(name, cold, many, [], waited, "", stops)
    for name, cold, many, waited, stops in [
        ("reused client", 1, 32, None, True),
        ("aws-secretsmanager-caching", 2, 2, 4, False),
        ("powertools", 1, 32, 4, True),
        ("cachetools", 1, 1, 4, True),
        ("dogpile", 1, 1, 0, False),
        ("functools", 1, 30, None, False),
    ]
]
outcomes = [  # deeper, other ways to deliver a token: of the drill, what the exercise looks at
    Outcome("environment variable", [NEVER]),
    Outcome("mounted file", [3_600.0]),
    Outcome("extension or agent", [300.0], 300),
    Outcome("AWS's library", [3_180.0]),
    Outcome("the pattern", [0.0], 300),
]


def visit_with(client, user):  # 02
    checked(client.set(CACHE_NAME, "last-visitor", user))
    checked(client.increment(CACHE_NAME, "visits"))
    return checked(client.increment(CACHE_NAME, f"{user}/visits")).value
