"""Nothing leaves the machine in sandbox mode, whatever the learner's environment says."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

SESSION = """
import sys

outside = []

def guard(event, arguments):
    if event == "socket.getaddrinfo" or event == "socket.connect" and isinstance(arguments[1], tuple):
        host = arguments[1][0] if event == "socket.connect" else arguments[0]
        if host not in (None, "", "127.0.0.1", "::1", "localhost"):
            outside.append(host)

sys.addaudithook(guard)

from datetime import timedelta

import boto3
boto3.client("sts")  # a default session made before connect(), with the learner's own settings

from helpers.cloud import connect
from momento import CacheClient, Configurations, TopicClient, TopicConfigurations

cloud = connect()
seen = []
client = boto3.client("secretsmanager")
client.meta.events.register("before-send", lambda request, **_: seen.append(str(request.headers["Authorization"])))
cloud.ensure_secret("s")
token = client.get_secret_value(SecretId="s")["SecretString"]
boto3.client("sts").get_caller_identity()
with CacheClient(Configurations.Laptop.v1(), cloud.credentials_from(token), timedelta(seconds=60)) as cache:
    assert cache.set("tutorial", "k", "v").__class__.__name__ == "Success"
with TopicClient(TopicConfigurations.Default.v1(), cloud.credentials_from(token)) as topics:
    assert topics.publish("tutorial", "t", "m").__class__.__name__ == "Success"
assert seen and all(f"Credential={cloud._sandbox.aws_access_key}/" in one and "/us-west-2/" in one for one in seen), seen
assert not outside, outside
print("hermetic")
"""


@pytest.fixture
def learner(tmp_path) -> dict[str, str]:
    """An environment such as a developer has: real-looking keys, a profile, a region, a proxy, a Momento key."""
    config = tmp_path / "config"
    config.write_text("[profile work]\nregion = eu-central-1\nsso_start_url = https://example.awsapps.com/start\n")
    proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy"), "http://203.0.113.1:3128")
    return {
        **os.environ,
        **proxies,
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        "AWS_SESSION_TOKEN": "a-session-token",
        "AWS_PROFILE": "work",
        "AWS_CONFIG_FILE": str(config),
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
        "MOMENTO_API_KEY": "a-real-key",
        "MOMENTO_ENDPOINT": "cell-4-us-west-2-1.prod.a.momentohq.com",
    }


def alone() -> list[str]:
    """Return what runs a command where only the loopback interface exists, if this machine can: gRPC's sockets too."""
    up = 'ip link set lo up 2>/dev/null || ifconfig lo up && exec "$@"'
    namespace = ["unshare", "-rn", "sh", "-c", up, "sh"]
    possible = shutil.which("unshare") and not subprocess.run([*namespace, "true"], capture_output=True).returncode
    return namespace if possible else []


@pytest.mark.slow
def test_nothing_leaves_the_machine_and_no_real_credential_is_used(learner):
    command = [*alone(), sys.executable, "-c", SESSION]
    done = subprocess.run(command, env=learner, capture_output=True, text=True, timeout=60)
    assert done.stdout == "hermetic\n", done.stderr
