"""The endpoints that the contract is tried on, by name."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import boto3
from facts import Aws

from sandbox.processes import Sandbox

ENGINES = {"moto": "moto, in the sandbox", "ministack": "MiniStack"}
LIVE = "TUTORIAL_CONTRACT"  # "live": on your own account too, with boto3's normal credentials


def asked_for_live() -> bool:
    return os.environ.get(LIVE) == "live"


@contextmanager
def running(name: str) -> Iterator[Aws]:
    """A stand-in, or "live"."""
    if name == "live":
        yield Aws(boto3.Session(), None)
        return
    sandbox = Sandbox("--aws-engine", name).wait_until_ready()
    key = sandbox.aws_access_key
    try:
        yield Aws(
            boto3.Session(key, key, region_name="us-west-2"),
            sandbox.aws,
            sandbox,
            name == "ministack",
        )
    finally:
        sandbox.close()


def found_by(fact, aws: Aws) -> str:
    """What a fact finds on this endpoint: an answer that boto3 can't read is a finding too."""
    try:
        return fact.find_out(aws)
    except Exception as error:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code")
        return code or type(error).__name__
    finally:
        aws.clean_up()
