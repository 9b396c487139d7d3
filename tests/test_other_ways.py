"""The other ways to deliver a token: the stand-in for Lambda's extension, and what AWS's library does with an error."""

from __future__ import annotations

from urllib.parse import urlencode

import boto3
import httpx
import pytest
from aws_secretsmanager_caching import SecretCache
from botocore.exceptions import ClientError
from names import SECRET_NAME

from drills import fault
from drills.library_clock import library_clock
from drills.other_ways import extension
from drills.rotation_drill import current_token, store_new_token


def test_the_extension_responds_as_its_page_says(cloud):
    secrets, name, now = boto3.client("secretsmanager"), "tutorial/a+b=c@d", [0.0]
    secrets.create_secret(Name=name, SecretString="a value")
    with extension(lambda: now[0]) as variables:
        address = f"http://localhost:{variables['PARAMETERS_SECRETS_EXTENSION_HTTP_PORT']}/secretsmanager/get"

        def get(query: str, token: str = variables["AWS_SESSION_TOKEN"]) -> httpx.Response:
            headers = {"X-Aws-Parameters-Secrets-Token": token} if token else {}
            return httpx.get(f"{address}?{query}", headers=headers, trust_env=False)

        encoded = urlencode({"secretId": name})
        assert get(encoded).json()["SecretString"] == "a value"
        assert get(f"secretId={name}").status_code >= 400  # a plus that isn't encoded is a space
        assert get(encoded, token="").status_code == get(encoded, token="x").status_code == 401
        assert get("").status_code == 400
        secrets.put_secret_value(SecretId=name, SecretString="another")
        now[0] += 299
        assert get(encoded).json()["SecretString"] == "a value"
        now[0] += 2
        assert get(encoded).json()["SecretString"] == "another"
        now[0] += 301
        with fault(cloud, error="AccessDeniedException"):
            denied = get(encoded)
        assert denied.status_code == 400 and denied.json()["Code"] == "AccessDeniedException"


def test_awss_library_hides_an_error_unless_it_knows_of_a_version_that_it_can_not_read(cloud):
    cloud.ensure_secret(SECRET_NAME)
    with library_clock() as clock:
        cache, token = SecretCache(client=boto3.client("secretsmanager")), current_token(SECRET_NAME)
        assert cache.get_secret_string(SECRET_NAME) == token
        store_new_token(cloud, SECRET_NAME)
        clock.now += 3_601
        with fault(cloud, operation="DescribeSecret", error="AccessDeniedException"):
            assert cache.get_secret_string(SECRET_NAME) == token
        clock.now += 2  # the first wait after an error
        with (
            fault(cloud, operation="GetSecretValue", error="AccessDeniedException"),
            pytest.raises(ClientError, match="AccessDenied"),
        ):
            cache.get_secret_string(SECRET_NAME)
