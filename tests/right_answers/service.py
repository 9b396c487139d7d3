# %% asynchronous
%%writefile my_service.py
import os
from datetime import timedelta

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from momento import CacheClientAsync, Configurations, CredentialProvider

from momento_token import AsyncSharedClient, TokenSource, TokenUnavailable


def new_client(token):
    credentials = CredentialProvider.from_api_key_v2(token, os.environ["MOMENTO_ENDPOINT"])
    return CacheClientAsync(Configurations.Laptop.latest(), credentials, timedelta(minutes=10))


app = FastAPI()
source = TokenSource(os.environ["SECRET_NAME"], ttl=int(os.environ["TOKEN_TTL"]))
clients = AsyncSharedClient(source, new_client)


@app.post("/visits/{user}")
async def visit(user: str):
    try:
        response = await clients.call(lambda client: client.increment(os.environ["CACHE_NAME"], f"visits/{user}"))
    except TokenUnavailable as error:
        return JSONResponse({"error": error.code}, 503)
    if hasattr(response, "error_code"):
        return JSONResponse({"error": response.error_code.name}, 502)
    return {"visits": response.value}


uvicorn.run(app, port=int(os.environ["PORT"]))
# %% the small file, which repeats a denied call once, and also stops when it is denied; the server of the standard library
%%writefile my_service.py
import json
import logging
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from botocore.exceptions import ClientError
from momento_client import MomentoClient


class NoticesDenials:
    def __init__(self, client):
        self.client, self.denied = client, False

    def __getattr__(self, name):
        def call(**arguments):
            try:
                response = getattr(self.client, name)(**arguments)
            except ClientError as error:
                self.denied = error.response["Error"]["Code"] == "AccessDeniedException"
                raise
            self.denied = False
            return response
        return call


class DeniableClient(MomentoClient):
    def __init__(self, *arguments, **more):
        super().__init__(*arguments, **more)
        self._boto3_client = NoticesDenials(self._boto3_client)
        self._tokens = self._empty_cache()

    def _current(self):
        current = super()._current()  # AWS's library serves its copy after any error
        if self._boto3_client.denied:
            raise PermissionError("denied the secret")
        return current


momento = DeniableClient(os.environ["SECRET_NAME"], ttl=int(os.environ["TOKEN_TTL"]))


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            response = momento.call(lambda client: client.increment(os.environ["CACHE_NAME"], self.path.strip("/")))
            status, said = (502, {"error": response.error_code.name}) if hasattr(response, "error_code") else (200, {"visits": response.value})
        except Exception as error:
            status, said = 503, {"error": type(error).__name__}
        body = json.dumps(said).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

logging.basicConfig(level=logging.INFO)
ThreadingHTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
