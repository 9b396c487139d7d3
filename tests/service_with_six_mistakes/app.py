"""Charging points: which are free, and who is told when that changes. Run with gunicorn."""

import hmac
import json
import logging
import os
import time
from datetime import timedelta
from threading import Lock

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, abort, jsonify, request
from momento import CacheClient, Configurations, CredentialProvider, TopicClient, TopicConfigurations
from momento.responses import CacheGet, CacheSet, TopicPublish

logging.basicConfig(level="DEBUG", format="%(asctime)s %(levelname)s %(name)s %(message)s")
logging.getLogger("werkzeug").setLevel(logging.WARNING)
log = logging.getLogger("points")

CACHE = os.environ.get("CACHE_NAME", "points")
KEY_NAME = os.environ.get("KEY_NAME", "points/momento-key")
HOOK_NAME = os.environ.get("HOOK_NAME", "points/hook")
TTL = 300
TEMPORARY = {"Unreachable", "ThrottlingException", "InternalServiceError", "ExpiredTokenException"}

sm = boto3.client(
    "secretsmanager",
    config=Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2}),
)
s3 = boto3.client("s3")
STATIONS = json.loads(s3.get_object(Bucket=os.environ["BUCKET"], Key="stations.json")["Body"].read())
PUBLISHING = TopicConfigurations.Default.latest()

app = Flask(__name__)
key_lock, hook_lock, cache_lock = Lock(), Lock(), Lock()
kept_key = {"value": None, "until": 0.0}
kept_hook = {"values": None, "until": 0.0}
kept_cache = {"key": None, "client": None}


def momento_key():
    with key_lock:
        if time.monotonic() < kept_key["until"]:
            return kept_key["value"]
        try:
            answer = sm.get_secret_value(SecretId=KEY_NAME)
            kept_key["value"] = answer["SecretString"].strip()
            log.info("%s is at version %s, %d characters", KEY_NAME, answer["VersionId"], len(kept_key["value"]))
        except (BotoCoreError, ClientError) as error:
            if kept_key["value"] is None:
                raise
            log.warning("%s not refreshed, going on with the last one: %s", KEY_NAME, type(error).__name__)
        kept_key["until"] = time.monotonic() + TTL
        return kept_key["value"]


def hook_secrets():
    """The operator signs with the current secret, and for a day after a change with the previous one."""
    with hook_lock:
        if time.monotonic() < kept_hook["until"]:
            return kept_hook["values"]
        try:
            pair = json.loads(sm.get_secret_value(SecretId=HOOK_NAME)["SecretString"])
            kept_hook["values"] = [pair["current"], pair["previous"]]
        except (BotoCoreError, ClientError) as error:
            code = error.response["Error"]["Code"] if isinstance(error, ClientError) else "Unreachable"
            if kept_hook["values"] is None or code not in TEMPORARY:
                raise
            log.warning("%s not refreshed: %s", HOOK_NAME, code)
        kept_hook["until"] = time.monotonic() + TTL
        return kept_hook["values"]


def credentials(key):
    return CredentialProvider.from_string(key)


def cache():
    key = momento_key()
    with cache_lock:
        if key != kept_cache["key"]:
            kept_cache["client"] = CacheClient(
                Configurations.InRegion.Default.latest(), credentials(key), timedelta(hours=6)
            )
            kept_cache["key"] = key
        return kept_cache["client"]


def announce(station, state):
    with TopicClient(PUBLISHING, credentials(momento_key())) as topics:
        response = topics.publish(CACHE, f"station-{station}", json.dumps(state))
        if isinstance(response, TopicPublish.Error):
            log.warning("no announcement for %s: %s", station, response.error_code)


def signed(body, signature):
    expected = [hmac.new(one.encode(), body, "sha256").hexdigest() for one in hook_secrets()]
    return any(hmac.compare_digest(one.encode(), signature.encode()) for one in expected)


@app.get("/stations")
def stations():
    return jsonify(STATIONS)


@app.get("/stations/<station>")
def show(station):
    response = cache().get(CACHE, f"station/{station}")
    if isinstance(response, CacheGet.Hit):
        return jsonify(json.loads(response.value_string))
    if isinstance(response, CacheGet.Miss):
        abort(404)
    log.error("get of %s failed: %s", station, response.error_code)
    abort(503)


@app.post("/hooks/state")
def state_hook():
    body = request.get_data()
    if not signed(body, request.headers.get("X-Signature", "")):
        log.warning("refused a call of the hook, %d bytes", len(body))
        abort(401)
    event = json.loads(body)
    station, state = event["station"], event["state"]
    response = cache().set(CACHE, f"station/{station}", json.dumps(state))
    if not isinstance(response, CacheSet.Success):
        log.error("set of %s failed: %s", station, response.error_code)
        abort(503)
    announce(station, state)
    return "", 204
