"""An AWS endpoint of the learner's own (AWS Emulator, MiniStack, LocalStack), behind the sandbox's faults and counters."""

from __future__ import annotations

import urllib3

_NOT_PASSED_ON = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-encoding",
    "content-length",
}


class Forward:
    """A WSGI application that passes each request on to another server, unchanged.

    The Host header stays that of the sandbox, as the request's signature covers it.
    """

    def __init__(self, url: str, connections: int) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(maxsize=connections, retries=False)

    def __call__(self, environ, start_response):
        headers = {
            name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")
        }
        headers["Content-Type"] = environ.get("CONTENT_TYPE", "")
        query = f"?{environ['QUERY_STRING']}" if environ.get("QUERY_STRING") else ""
        try:
            answer = self._pool.request(
                environ["REQUEST_METHOD"],
                self._url + environ.get("PATH_INFO", "/") + query,
                body=environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)),
                headers=headers,
            )
        except urllib3.exceptions.HTTPError as error:
            body = f"{self._url} does not answer ({type(error).__name__})".encode()
            start_response("503 Service Unavailable", [("content-length", str(len(body)))])
            return [body]
        passed = [(name, value) for name, value in answer.headers.items() if name.lower() not in _NOT_PASSED_ON]
        passed.append(("content-length", str(len(answer.data))))
        start_response(f"{answer.status} {answer.reason or 'OK'}", passed)
        return [answer.data]
