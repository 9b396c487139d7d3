"""Momento's HTTP API for API keys: generate, list, revoke. Played from Momento's page, which its site does not list:
public-dev-docs, docs/platform/authentication/api-keys-http-api.md, August 2026.
"""

from __future__ import annotations

import json
import time
from secrets import token_hex
from typing import Any
from urllib.parse import parse_qs

from .api_keys import new_api_key
from .momento import MomentoServer

PATH = "/api-keys"
ROLE = "tutorial-role"  # the one role of the sandbox's account
PAGE = 100


class ApiError(Exception):
    """The call is answered with this status, and a message."""


class KeysApi:
    """A WSGI application on `/api-keys`. Only keys that `issue_manager` gave may manage keys."""

    def __init__(self, momento: MomentoServer) -> None:
        self._momento = momento
        self._managers: set[str] = set()
        self._keys: dict[str, tuple[str, dict[str, Any]]] = {}  # by id: the key, and what is told of it

    def issue_manager(self) -> str:
        """A new key that may manage keys."""
        key = new_api_key()
        self._momento.accept(key)
        self._managers.add(key)
        return key

    def start_over(self) -> None:
        self._managers.clear()
        self._keys.clear()

    def answers(self, path: str) -> bool:
        return path == PATH or path.startswith(f"{PATH}/")

    def __call__(self, environ, start_response):
        try:
            self._authorize(environ.get("HTTP_AUTHORIZATION", ""))
            status, content = "200 OK", self._do(environ)
        except ApiError as error:
            status, message = error.args
            content = {"code": status.partition(" ")[2], "message": message}
        body = json.dumps(content).encode()
        headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
        start_response(status, headers)
        return [body]

    def _authorize(self, key: str) -> None:
        if key not in self._momento.accepted:
            raise ApiError("401 Unauthorized", "The API key is invalid or has expired.")
        if key not in self._managers:
            raise ApiError("403 Forbidden", "The API key does not grant the required access.")

    def _do(self, environ) -> dict[str, Any]:
        method, key_id = environ["REQUEST_METHOD"], environ["PATH_INFO"].removeprefix(PATH)[1:]
        if method == "DELETE" and key_id:
            return self._revoke(key_id)
        if method == "POST" and not key_id:
            return self._generate(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)))
        if method == "GET" and not key_id:
            return self._list(parse_qs(environ.get("QUERY_STRING", "")))
        raise ApiError("400 Bad Request", f"There is no {method} of this path.")

    def _generate(self, body: bytes) -> dict[str, Any]:
        try:
            wanted = json.loads(body)
            role, description, expiry = (wanted[it] for it in ("role_id", "description", "expiry"))
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError("400 Bad Request", f"The body is not valid: {error}") from None
        if expiry != "never" and not isinstance(expiry, int):
            raise ApiError("400 Bad Request", 'expiry is neither "never" nor epoch seconds.')
        if role != ROLE:
            raise ApiError("404 Not Found", "No role with this role_id exists on the account.")
        key, key_id = new_api_key(), token_hex(8)
        info = {
            "key_id": key_id,
            "account_id": "sandbox",
            "description": description,
            "role_id": role,
            "issued_at_epoch_seconds": int(time.time()),
            **({} if expiry == "never" else {"expires_at_epoch_seconds": expiry}),
        }
        self._momento.accept(key)
        self._keys[key_id] = key, info
        return {"api_key": key, "key_info": info}

    def _list(self, query: dict[str, list[str]]) -> dict[str, Any]:
        try:
            limit = int(query.get("limit", [PAGE])[0])
            start = int(query.get("next_token", [0])[0])
        except ValueError:
            raise ApiError("400 Bad Request", "limit or next_token is not valid.") from None
        if not 1 <= limit <= PAGE:
            raise ApiError("400 Bad Request", "limit must be between 1 and 100.")
        infos = [info for _, info in self._keys.values()]
        page = {"key_info": infos[start : start + limit]}
        return page if start + limit >= len(infos) else {**page, "next_token": str(start + limit)}

    def _revoke(self, key_id: str) -> dict[str, Any]:
        if key_id not in self._keys:
            raise ApiError("404 Not Found", "No key with this key_id exists on the account.")
        key, _ = self._keys.pop(key_id)
        self._momento.revoke(key)
        return {}
