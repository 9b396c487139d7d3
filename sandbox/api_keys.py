"""API keys in Momento's own formats, for the sandbox to issue and to accept."""

from __future__ import annotations

import base64
import json
import secrets

import jwt

ENDPOINT = "sandbox.localhost"  # *.localhost never leaves the machine (RFC 6761), even if a client bypasses the seam


def new_api_key(kind: str = "v2") -> str:
    """A fresh API key in Momento's own format: "v2" is a JWT, "v1" is base64 of JSON with the endpoint inside."""
    key = jwt.encode({"t": "g", "jti": secrets.token_hex(16), "iss": "sandbox"}, secrets.token_bytes(32), "HS256")
    if kind == "v2":
        return key
    if kind == "v1":
        return base64.b64encode(json.dumps({"endpoint": ENDPOINT, "api_key": key}).encode()).decode()
    raise ValueError(f"There is no kind {kind!r} of API key: choose 'v2' or 'v1'.")


def header_value(api_key: str) -> str:
    """What the SDK sends for this key: of a v1 key only the inner part, every other key as it is."""
    try:
        return json.loads(base64.b64decode(api_key))["api_key"]
    except (ValueError, TypeError, KeyError):
        return api_key
