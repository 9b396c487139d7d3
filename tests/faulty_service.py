"""A service for the trials, sound or with a fault, in three shapes: `python tests/faulty_service.py SHAPE FAULT`.

A fault is a class that changes `Sound` where services go wrong; its docstring begins with the trial that finds it. Shapes:
async (an event loop), threads, workers (processes that fork, with threads).
"""

import json
import logging
import os
import sys
import time
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path
from threading import RLock

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from momento import CacheClient, CacheClientAsync, Configurations, CredentialProvider

SECRET_NAME, CACHE_NAME, TTL = os.environ["SECRET_NAME"], os.environ["CACHE_NAME"], int(os.environ["TOKEN_TTL"])
SHAPE, FAULT = sys.argv[1:3] if __name__ == "__main__" else os.environ["SHAPE_AND_FAULT"].split()
SHORT = Config(connect_timeout=1, read_timeout=1, retries={"mode": "standard", "total_max_attempts": 1})
log = logging.getLogger("visits")
logging.basicConfig(level=os.environ.get("LOG_LEVEL", "INFO"))
logging.getLogger("botocore").setLevel("INFO")  # its DEBUG log shows what it reads


def new_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    kind = CacheClientAsync if SHAPE == "async" else CacheClient
    return kind(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


class Sound:
    config, increments = SHORT, 1

    def __init__(self):
        self.sm, self.lock = boto3.client("secretsmanager", config=self.config), RLock()
        self.token = self.client = self.read_at = None

    def current(self, denied=None):
        """Return the client; `denied` is the one whose token Momento denied."""
        with self.lock:
            if self.expired() or self.client is None or denied is self.client:
                self.read_at = time.monotonic()
                try:
                    token = self.read()
                except (BotoCoreError, ClientError) as error:
                    self.failed(error)
                else:
                    if token != self.token or self.client is None:
                        self.replace(token)
            return self.client

    def expired(self):
        return self.read_at is None or time.monotonic() > self.read_at + TTL

    def read(self):
        return self.sm.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")["SecretString"]

    def failed(self, error):
        if code_of(error) == "AccessDeniedException":
            self.client = None
        if self.client is None:
            raise error

    def replace(self, token):
        self.client, self.token = new_client(token), token

    def repeats(self, code):
        return code == "AUTHENTICATION_ERROR"


class NoLock(Sound):
    "start: each thread reads"

    def __init__(self):
        super().__init__()
        self.lock = nullcontext()


class ReadsEachTime(Sound):
    "start: a read for each request"

    def expired(self):
        return True


class ClientEachTime(Sound):
    "start: a Momento client for each request"

    def current(self, denied=None):
        super().current(denied)
        return new_client(self.token)


class Logs(Sound):
    "output: logs the token"

    def read(self):
        token = super().read()
        log.info("read the token %s", token)
        return token


class LogsForDebugging(Sound):
    "output: logs the token, at DEBUG"

    def read(self):
        token = super().read()
        log.debug("the secret's value is %r", {"SecretString": token})
        return token


class PrintsOnErrors(Sound):
    "output: prints the old token when it can't read another one"

    def failed(self, error):
        super().failed(error)
        print("no new token, using", self.token)


class RaisesIt(Sound):
    "output: an exception's message holds a token that no client takes"

    def replace(self, token):
        try:
            super().replace(token)
        except Exception as error:
            raise ValueError(f"the secret's value {token} is no key") from error


class ShowsAPart(Sound):
    "output: logs most of the token"

    def replace(self, token):
        log.info("a new token: %s…", token[:80])
        super().replace(token)


class ReadsOnce(Sound):
    "rotation: reads when it starts, and never again"

    def current(self, denied=None):
        return self.client or super().current()


class KeepsItsClient(Sound):
    "rotation: reads the new token, and keeps the client that holds the old one"

    def replace(self, token):
        self.client, self.token = self.client or new_client(token), token


class WaitsForItsTtl(Sound):
    "rotation: reads no sooner than its TTL says"

    def current(self, denied=None):
        return super().current()


class NeverRepeats(Sound):
    "rotation: reads again when Momento denies a call, and lets that call fail"

    def repeats(self, code):
        return code == "AUTHENTICATION_ERROR" and self.current(self.client) and False


class RepeatsAll(Sound):
    "rotation: repeats an Increment after any error"

    def repeats(self, code):
        return True


class CountsTwice(Sound):
    "rotation: repeats what succeeded"

    increments = 2


class GoesOn(Sound):
    "denial: takes a denial for an outage"

    def failed(self, error):
        if self.client is None:
            raise error


class StopsThenGoesOn(Sound):
    "denial: lets one request fail, and uses the old token until the next read"

    def failed(self, error):
        if self.client is None or code_of(error) == "AccessDeniedException":
            raise error


class ForgetsToRead(Sound):
    "denial: reads again only when Momento denies the token"

    def expired(self):
        return False


class DefaultTimeouts(Sound):
    "outage: boto3's timeouts, under a lock"

    config = None


class StallsInTurn(Sound):
    "outage: each caller waits for a failed read of each caller before it"

    def failed(self, error):
        super().failed(error)
        self.read_at = float("-inf")


class KeepsNoCopy(Sound):
    "outage: drops the token when it expires, by the wall clock"

    until = datetime.min

    def expired(self):
        if datetime.now() > self.until:
            self.client = None
        return not self.client

    def replace(self, token):
        super().replace(token)
        self.until = datetime.now() + timedelta(seconds=TTL)


class KnowsNoErrors(Sound):
    "outage: keeps the token when a read times out, and not when Secrets Manager responds with an error"

    def failed(self, error):
        if self.client is None or isinstance(error, ClientError):
            raise error


def code_of(error):
    response = getattr(error, "response", None) or {}
    return response.get("Error", {}).get("Code", type(error).__name__)


def visit(user):
    """Yield each client that is to increment the counter, get its response; return the status and what to respond."""
    try:
        client = service.current()
        for _ in range(service.increments):
            response = yield client
        if hasattr(response, "error_code") and service.repeats(response.error_code.name):
            response = yield service.current(client)
        if hasattr(response, "error_code"):
            return 502, {"error": response.error_code.name}
        return 200, {"visits": response.value}
    except Exception as error:
        log.exception("A request failed")
        return 503, {"error": code_of(error)}


def application(environ, start_response):
    user = environ["PATH_INFO"].rpartition("/")[2]
    visits = visit(user)
    try:
        client = next(visits)
        while True:
            client = visits.send(client.increment(CACHE_NAME, f"visits/{user}"))
    except StopIteration as end:
        status, content = end.value
    start_response(f"{status} {status}", [("Content-Type", "application/json")])
    return [json.dumps(content).encode()]


async def async_application(scope, receive, send):
    user = scope["path"].rpartition("/")[2]
    visits = visit(user)
    try:
        client = next(visits)
        while True:
            client = visits.send(await client.increment(CACHE_NAME, f"visits/{user}"))
    except StopIteration as end:
        status, content = end.value
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(content).encode()})


service = globals()[FAULT]()
if __name__ == "__main__":
    port = int(os.environ["PORT"])
    if SHAPE == "async":
        import uvicorn

        uvicorn.run(async_application, port=port, lifespan="off")
    elif SHAPE == "threads":
        import waitress

        waitress.serve(application, host="127.0.0.1", port=port, threads=32)
    else:
        gunicorn = [
            "-m",
            "gunicorn",
            f"--bind=127.0.0.1:{port}",
            "--workers=2",
            "--threads=16",
            f"--chdir={Path(__file__).parent}",
        ]
        os.environ["SHAPE_AND_FAULT"] = f"{SHAPE} {FAULT}"
        os.execv(sys.executable, [sys.executable, *gunicorn, "faulty_service:application"])
