# %% it ended; it printed last: ModuleNotFoundError: No module named 'momento_tokens'
%%writefile my_service.py
from momento_tokens import SharedClient, TokenSource
# %% it doesn't listen at PORT
%%writefile my_service.py
import waitress

waitress.serve(lambda environ, start_response: [], host="127.0.0.1", port=0)
# %% 32 of 32 requests failed: 500 with neither a number of visits nor an error code (32); it printed last: NameError: name 'clients' is not defined
%%writefile my_service.py
import os

import waitress


def application(environ, start_response):
    return clients.call(lambda client: client.increment("tutorial", environ["PATH_INFO"]))


waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=32)
# %% the sandbox counted no read
%%writefile my_service.py
import os

import waitress


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b'{"visits": 1}']


waitress.serve(application, host="127.0.0.1", port=int(os.environ["PORT"]), threads=32)
