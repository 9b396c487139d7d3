"""The AWS CLI as the command `aws`, and roles to try its work with."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import boto3

from helpers.cloud import Cloud

# CloudTrail and CloudWatch Logs are nowhere here: the CLI checks the form of their commands, and makes no call.
AWS = f"""#!/bin/sh
printf '%s\\n' "$*" >> "$0.log"
case $1 in cloudtrail | logs) set -- "$@" --generate-cli-skeleton output ;; esac
PYTHONPATH={sys.prefix}/aws_cli exec {sys.executable} -m awscli "$@"
"""


def shell_environment(cloud: Cloud, folder: Path) -> dict[str, str]:
    """Return the environment of a shell that has the command `aws`. All its arguments are noted in `aws.log`."""
    (command := folder / "aws").write_text(AWS)
    command.chmod(0o755)
    return cloud.program_environment() | {"PATH": f"{folder}:{os.environ['PATH']}"}


def assumed(role: str, *allowed: str) -> dict[str, str]:
    """Create a role with the inline policy "first", which allows this, and return its credentials, as variables."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
    arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps({"Statement": [trust]}))["Role"]["Arn"]
    if allowed:
        allow = {"Effect": "Allow", "Action": allowed, "Resource": "*"}
        iam.put_role_policy(RoleName=role, PolicyName="first", PolicyDocument=json.dumps({"Statement": [allow]}))
    key = boto3.client("sts").assume_role(RoleArn=arn, RoleSessionName="session")["Credentials"]
    names = {"ACCESS_KEY_ID": "AccessKeyId", "SECRET_ACCESS_KEY": "SecretAccessKey", "SESSION_TOKEN": "SessionToken"}
    return {f"AWS_{name}": key[field] for name, field in names.items()}
