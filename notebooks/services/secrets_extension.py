"""A stand-in for AWS's Parameters and Secrets Lambda extension, as far as its page describes it.

https://docs.aws.amazon.com/lambda/latest/dg/with-secrets-manager.html (read on 2026-11-25). It answers GET
/secretsmanager/get?secretId=… on localhost, with versionStage and versionId, and keeps what it read for SECRETS_MANAGER_TTL
seconds: 300 by default, and at most. Names have to be URL-encoded. The header X-Aws-Parameters-Secrets-Token holds the value
of AWS_SESSION_TOKEN, so that no web page or forged request can read secrets through it. AWS's page doesn't give the status
of an answer without it; 401 is ours. The Secrets Manager Agent for servers speaks the same protocol, on the same port.
"""

import json
import logging
import os
import time
from urllib.parse import parse_qs

import boto3
import waitress
from botocore.exceptions import ClientError

PORT = int(os.environ.get("PARAMETERS_SECRETS_EXTENSION_HTTP_PORT", 2773))
TTL = min(300, int(os.environ.get("SECRETS_MANAGER_TTL", 300)))
LABELS = {"versionStage": "VersionStage", "versionId": "VersionId"}

secrets = boto3.client("secretsmanager")
cache = {}  # by what was asked: until when it is good, and the answer


def application(environ, start_response):
    status, content = answer(environ)
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(content, default=str).encode()]


def answer(environ):
    if environ.get("HTTP_X_AWS_PARAMETERS_SECRETS_TOKEN") != os.environ["AWS_SESSION_TOKEN"]:
        return "401 Unauthorized", {"message": "X-Aws-Parameters-Secrets-Token is missing or wrong"}
    query = parse_qs(environ["QUERY_STRING"])
    if environ["PATH_INFO"] != "/secretsmanager/get" or "secretId" not in query:
        return "400 Bad Request", {"message": "ask /secretsmanager/get?secretId=…"}
    asked = {"SecretId": query["secretId"][0]}
    asked |= {LABELS[name]: values[0] for name, values in query.items() if name in LABELS}
    key, now = tuple(asked.items()), time.time()
    good_until, content = cache.get(key, (0, None))
    if now >= good_until:
        try:
            content = secrets.get_secret_value(**asked)
        except ClientError as error:
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            return f"{status} Secrets Manager's answer", error.response["Error"]
        content.pop("ResponseMetadata")
        cache[key] = now + TTL, content
    return "200 OK", content


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    waitress.serve(application, host="127.0.0.1", port=PORT)
