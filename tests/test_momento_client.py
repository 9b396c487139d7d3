"""The small file to take home, notebooks/momento_client.py, over the real SDKs: rotations, revocation, a hang, mistakes."""

from __future__ import annotations

import contextlib
import importlib
import logging
import threading
import time
import traceback
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from momento import CacheClient, Configurations
from momento.errors import AuthenticationException
from momento.responses import CacheIncrement
from names import SECRET_NAME

from helpers.timing import at_once
from momento_token import is_refused

pytestmark = pytest.mark.slow
FILE = Path(__file__).resolve().parent.parent / "notebooks" / "momento_client.py"


@pytest.fixture
def file(monkeypatch):
    """The file, as a notebook beside it imports it."""
    monkeypatch.syspath_prepend(str(FILE.parent))
    return importlib.import_module("momento_client")


@pytest.fixture
def momento(cloud, file):
    """A function that makes a MomentoClient for the sandbox."""

    configuration = Configurations.Laptop.v1().with_middlewares(cloud.ledger.middlewares)

    def new_client(token: str) -> CacheClient:
        return CacheClient(configuration, cloud.credentials_from(token), timedelta(minutes=1))

    return lambda **settings: file.MomentoClient(SECRET_NAME, new_client, **settings)


def rotate(cloud) -> None:
    """Store a new key in the secret, and revoke the old one immediately."""
    sm = boto3.client("secretsmanager")
    old = sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(old)


def visit(client: CacheClient) -> object:
    return client.increment("tutorial", "visits")


def test_32_threads_share_a_read_and_a_client_through_rotations_a_second_apart(cloud, momento):
    kept, stop, responses = momento(), threading.Event(), []
    with cloud.ledger.page("start") as page:
        at_once(lambda: kept.call(visit), 32)
    assert (page.count("GetSecretValue"), page.momento_clients) == (1, 1)

    def work() -> None:
        while not stop.is_set():
            responses.append(kept.call(visit))

    threads = [threading.Thread(target=work, daemon=True) for _ in range(32)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        time.sleep(1.1)
        with cloud.ledger.page("a rotation") as page:
            rotate(cloud)
            time.sleep(0.5)
        # One read is `rotate`'s own; the old client may have called, too.
        assert page.count("GetSecretValue") == 2 and page.momento_clients <= 2
    stop.set()
    for thread in threads:
        thread.join(20)
    assert all(isinstance(response, CacheIncrement.Success) for response in responses)
    assert max(response.value for response in responses) == len(responses) + 32  # each was done once


def test_checked_returns_a_good_response_and_raises_the_error_of_another(cloud, momento, file):
    kept = momento()
    response = kept.call(visit)
    assert file.checked(response) is response and response.value == 1
    cloud.revoke_api_key(cloud.api_key)
    with pytest.raises(AuthenticationException):
        file.checked(kept.call(visit))


def test_a_refused_token_without_a_newer_one_is_read_once_a_second_and_not_for_each_call(cloud, momento):
    kept = momento()
    kept.call(visit)
    cloud.revoke_api_key(cloud.api_key)
    begun = time.monotonic()
    with cloud.ledger.page("refused") as page:
        assert all(is_refused(kept.call(visit)) for _ in range(50))
    assert page.count("GetSecretValue") <= 1 + (time.monotonic() - begun)


def test_callers_go_on_with_the_old_copy_while_secrets_manager_hangs(cloud, momento):
    kept = momento(ttl=1)
    kept.call(visit)
    cloud.add_fault("aws", delay=20)
    time.sleep(1.1)
    responses = at_once(lambda: kept.call(visit), 32)
    cloud.clear_faults()
    assert all(isinstance(response, CacheIncrement.Success) for response in responses)


@pytest.mark.parametrize("text", ['{{"MOMENTO_API_KEY": "{key}"}}', "Bearer {key}", ""])
def test_a_bad_new_value_is_logged_once_and_the_old_client_goes_on(cloud, momento, caplog, text):
    kept, sm, key = momento(ttl=1), boto3.client("secretsmanager"), str(cloud.api_key)
    kept.call(visit)
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=text.format(key=key) or " ")
    time.sleep(1.1)
    assert all(isinstance(kept.call(visit), CacheIncrement.Success) for _ in range(5))
    assert caplog.text.count("No client for the new") == 1 and key not in caplog.text
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())
    cloud.revoke_api_key(key)
    time.sleep(1.1)
    assert isinstance(kept.call(visit), CacheIncrement.Success)


def test_a_client_that_could_not_be_made_is_made_later(cloud, file):
    away = [False]

    def new_client(token: str) -> CacheClient:
        if away[0]:
            raise ConnectionError("Momento can't be reached")
        return CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(minutes=1))

    kept = file.MomentoClient(SECRET_NAME, new_client)
    kept.call(visit)
    away[0] = True
    rotate(cloud)
    assert is_refused(kept.call(visit))
    away[0] = False
    time.sleep(1.1)
    assert isinstance(kept.call(visit), CacheIncrement.Success)


def test_a_first_token_that_is_corrected_is_seen_a_second_later(cloud, momento):
    kept, sm = momento(), boto3.client("secretsmanager")
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=f"Bearer {cloud.api_key}")
    with pytest.raises(Exception, match="Bearer"):
        kept.call(visit)
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.api_key)
    time.sleep(1.1)
    with contextlib.suppress(Exception):  # the copy of the bad value; it starts over
        kept.call(visit)
    assert isinstance(kept.call(visit), CacheIncrement.Success)


def test_while_a_new_version_cannot_be_fetched_the_old_client_goes_on(cloud, momento):
    kept, sm = momento(ttl=1), boto3.client("secretsmanager")
    kept.call(visit)
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())
    cloud.add_fault("aws", "GetSecretValue", error="ThrottlingException")
    time.sleep(1.1)
    assert all(isinstance(kept.call(visit), CacheIncrement.Success) for _ in range(5))


def test_an_error_that_is_raised_again_and_again_does_not_grow(cloud, momento):
    kept, lengths = momento(), []
    cloud.add_fault("aws", error="AccessDeniedException")
    for _ in range(50):
        try:
            kept.call(visit)
        except ClientError as error:
            lengths.append(len(traceback.extract_tb(error.__traceback__)))
    assert len(lengths) == 50 and max(lengths) <= 2 * lengths[0]


def test_what_is_wrong_is_raised_and_shows_no_token(cloud, momento, caplog):
    caplog.set_level(logging.INFO)
    sm, key = boto3.client("secretsmanager"), str(cloud.api_key)
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=f'{{"MOMENTO_API_KEY": "{key}"}}')
    with pytest.raises(ValueError, match="must hold the API key alone") as caught:
        momento().call(visit)
    assert key not in str(caught.value) and key not in caplog.text
    cloud.add_fault("aws", error="AccessDeniedException")
    kept = momento()
    with pytest.raises(ClientError, match="AccessDenied"):
        kept.call(visit)
    cloud.clear_faults()
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=key + "\n")
    time.sleep(1.5)  # the library's own pause after an error
    assert isinstance(kept.call(visit), CacheIncrement.Success)
