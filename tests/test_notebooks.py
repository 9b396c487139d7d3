"""How every notebook is made, and that its exercise tells right from wrong. That they run is nbval's part."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from nbclient import NotebookClient

from helpers.progress import EXERCISES

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
TOKEN = re.compile(
    r"(?<![\w/+=-])(?:eyJ[\w-]{20,}(?:\.[\w-]+)*|[A-Za-z0-9+/]{80,}={0,2})(?![\w/+=-])"
)
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)\)")


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request) -> Path:
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def texts(notebook) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def code(notebook) -> list:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(outputs) -> str:
    parts = [output.get("text", "") + str(output.get("traceback", "")) for output in outputs]
    parts += [
        text
        for output in outputs
        for kind, text in output.get("data", {}).items()
        if kind.startswith("text/")
    ]
    return "\n".join(parts)


def test_it_is_stored_as_one_clean_run(notebook):
    nbformat.validate(notebook)
    assert [cell.execution_count for cell in code(notebook)] == list(
        range(1, len(code(notebook)) + 1)
    )
    assert notebook.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert {key for cell in notebook.cells for key in cell.metadata} <= {"tags"}


def test_no_output_holds_an_error_or_anything_shaped_like_a_token(notebook):
    for cell in code(notebook):
        assert not [output for output in cell.outputs if output.output_type == "error"]
        assert not [output for output in cell.outputs if output.get("name") == "stderr"]
        assert not TOKEN.search(shown(cell.outputs)), cell.source


def test_it_opens_and_closes_as_ours_do(notebook):
    first, last = notebook.cells[0].source, texts(notebook)
    assert first.startswith("# ") and all(
        f"**{part}**" in first for part in ("You will", "You will know", "You need", "Time:")
    )
    assert "## Summary" in last


def test_headings_step_down_by_one(notebook):
    prose = re.sub(r"```.*?```", "", texts(notebook), flags=re.DOTALL)
    levels = [len(mark) for mark in re.findall(r"^(#+) ", prose, flags=re.MULTILINE)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_no_dollar_sign_starts_a_formula(notebook):
    prose = re.sub(r"```.*?```|`[^`]*`", "", texts(notebook), flags=re.DOTALL)
    assert not re.search(r"(?<!\\)\$", prose)


def test_links_and_pictures_resolve_and_pictures_have_a_text(notebook):
    for picture, text, target in LINK.findall(texts(notebook)):
        assert text.strip(), target
        if picture:
            assert len(text) > 30, f"{target} needs a text that can stand for it"
        if not target.startswith(("http://", "https://", "#")):
            assert (FOLDER / unquote(target).split("#")[0]).exists(), target


def test_figures_have_a_text(notebook):
    html = "".join(
        output.get("data", {}).get("text/html", "")
        for cell in code(notebook)
        for output in cell.outputs
    )
    assert html.count("<img") == len(re.findall(r'<img [^>]*alt="[^"]{20,}"', html))


def test_cells_are_small(notebook):
    sizes = sorted(len(cell.source.strip().splitlines()) for cell in code(notebook))
    assert sizes[-1] <= 20
    assert sizes[int(len(sizes) * 0.9)] <= 14


# For each exercise: wrong answers, in the notebook's own words, and the hint that each must get.
RESET = "client.delete_secret(SecretId=EXERCISE_SECRET, ForceDeleteWithoutRecovery=True)\n"
STORE = "client.create_secret(Name=EXERCISE_SECRET, {})"
HANDLE = "def handle(user):\n    {}"
SERVICE = """def make_service():
    {}
    def serve(user):
        {}
    return serve
first_client = make_cache_client(current_token())
"""
MENDED = """class Service:
    def __init__(self, ttl=300):
        source = TokenSource(boto3.client("secretsmanager"{}), SECRET_NAME, ttl=ttl, max_age=3600)
        self.clients = SharedClient(source, make_cache_client)
        self.client = make_cache_client(source.get()) if {} else None
    def serve(self, user):
        count = lambda client: client.increment(CACHE_NAME, user)
        return count(self.client) if self.client else self.clients.call(count)
from helpers.token_source import TokenSource
from helpers.shared_client import SharedClient
"""
TAG_KEY = 'Filters=[{"Key": "tag-key", "Values": ["created-by"]}]'
FIND = "def find_ours():\n    return {}"
WRONG = {
    "00": [
        ("my_answer = None", "There is no answer yet"),
        ("my_answer = 'GetSecretValue'", "was the second"),
        ("my_answer = 'describe_secret'", "how Python spells it"),
        ("my_answer = 'ListSecrets'", "isn't on the page"),
    ],
    "09": [
        (FIND.format("None"), "returns nothing"),
        (FIND.format("1 / 0"), "raised ZeroDivisionError"),
        (FIND.format("sm.list_secrets()['SecretList']"), 'Take the "Name"'),
        (
            FIND.format(
                "[s['Name'] for s in sm.list_secrets(Filters=[{'Key': 'name', 'Values': ['tutorial/go']}])['SecretList']]"
            ),
            "Don't go by the name",
        ),
        (
            FIND.format(
                "[s['Name'] for page in sm.get_paginator('list_secrets').paginate("
                + TAG_KEY
                + ") for s in page['SecretList']]"
            ),
            "Compare the value too",
        ),
        (
            FIND.format(
                "[s['Name'] for s in sm.list_secrets("
                + TAG_KEY
                + ")['SecretList'] if s['Tags'][0]['Value'].startswith('momento')]"
            ),
            "AWS answers in pages",
        ),
    ],
    "10": [
        ("Service = 3", "There is no Service yet"),
        ("Service = HastyService", "Log that it was read, never what."),
        ("Service = lambda ttl: 1 / 0", "it raised ZeroDivisionError. Run Service(ttl=300)"),
        (MENDED.format("", "False"), "give the client a Config"),
        (MENDED.format("", "True"), "somebody has to make a new one"),
    ],
    "01": [
        (STORE.format("SecretString=received"), "a line break at its end"),
        (RESET + STORE.format("SecretString=received.strip()"), "quotation marks"),
        (RESET + STORE.format("SecretString=json.dumps({'key': key})"), "is JSON"),
        (RESET + STORE.format("SecretBinary=received.encode()"), "SecretBinary"),
        (RESET + STORE.format("SecretString=received.strip()[1:60]"), "only a part of one"),
        (
            "from helpers.sandbox.keys import new_api_key\n"
            + RESET
            + STORE.format("SecretString=new_api_key()"),
            "Momento answers AUTHENTICATION_ERROR",
        ),
        (RESET + STORE.format("SecretString=received.strip().strip('\"')"), "no tag"),
        ("client.delete_secret(SecretId=EXERCISE_SECRET)", "waits for its deletion"),
        ("client.restore_secret(SecretId=EXERCISE_SECRET)\n" + RESET, "There is no secret"),
    ],
    "02": [
        ("my_policy = json.loads(BROKEN)", "is a dict"),
        ("my_policy = BROKEN[:-1]", "valid JSON still"),
        ("my_policy = BROKEN.replace('api_key-??????', 'api-key')", "character by character"),
        (
            "my_policy = document(statement(secret_arn, 'secretsmanager:GetSecretValue'))",
            "DescribeSecret was denied",
        ),
        ("my_policy = document(statement('*', *read_one_secret('')['Action']))", "of another name"),
        (
            "my_policy = BROKEN.replace('api_key-??????', 'api-key-*')",
            "write six question marks",
        ),
        (
            "my_policy = document(statement(secret_arn, 'secretsmanager:*'))",
            "a change of the secret",
        ),
    ],
    "04": [
        ("make_reader = None", "make_reader raised TypeError"),
        ("make_reader = lambda: None", "gives no function"),
        ("make_reader = lambda: lambda: 'a token'", "not every thread got the token"),
        ("make_reader = lambda: lambda: token_of_nobody", "32 of 32 threads met NameError"),
        ("make_reader = lambda: fetch", "Nothing is kept"),
        ("make_reader = lambda: cached(TTLCache(1, 3600))(lambda: fetch())", "see `condition=`"),
        (
            "shared = cached(TTLCache(1, 3600), condition=Condition())(lambda: fetch())\nmake_reader = lambda: shared",
            "share a cache",
        ),
    ],
    "05": [
        (HANDLE.format("return 1"), "three Momento calls"),
        (HANDLE.format("raise KeyError(user)"), "raised KeyError"),
        (
            HANDLE.format(
                "client = new_client(); client.set(CACHE_NAME, f'{user}/seen', '1'); "
                "client.increment(CACHE_NAME, f'{user}/visits'); "
                "return int(client.get(CACHE_NAME, f'{user}/visits').value_string)"
            ),
            "A client for each request",
        ),
        (
            "one = new_client()\n"
            + HANDLE.format(
                "read(sm); one.set(CACHE_NAME, f'{user}/seen', '1'); one.increment(CACHE_NAME, f'{user}/visits'); "
                "return int(one.get(CACHE_NAME, f'{user}/visits').value_string)"
            ),
            "the token is still read for each request",
        ),
        (
            HANDLE.format(
                "one.set(CACHE_NAME, user, '7'); one.increment(CACHE_NAME, user); "
                "return int(one.get(CACHE_NAME, user).value_string)"
            ),
            "answers differ",
        ),
    ],
    "06": [
        ("my_ttl = 'an hour'", "ttl is 'an hour'"),
        ("my_ttl = -1", "ttl is -1"),
        ("my_ttl = 0", "no cache"),
        ("my_ttl = 60", "over the budget"),
        ("my_ttl = 3600", "900 s is the limit"),
    ],
    "07": [
        ("make_service = lambda: None", "raised TypeError"),
        ("make_service = lambda: lambda user: None", "returns nothing"),
        (
            "make_service = lambda: lambda user: "
            "make_cache_client(current_token()).increment(CACHE_NAME, user)",
            "reads the secret for each request",
        ),
        (
            SERVICE.format(
                "source, client = TokenSource(sm, SECRET_NAME, ttl=0.001), None",
                "global used; used = source.get(); return first_client.increment(CACHE_NAME, user)",
            ),
            "read, and not used",
        ),
        (
            SERVICE.format(
                "source, clients = TokenSource(sm, SECRET_NAME), {}",
                "held = source.held(); "
                "client = clients.setdefault(held.number, make_cache_client(held.token)); "
                "answer = client.increment(CACHE_NAME, user); "
                "is_refused(answer) and source.renew(held); return answer",
            ),
            "should be done again",
        ),
        (
            SERVICE.format(
                "source = TokenSource(sm, SECRET_NAME)",
                "return SharedClient(source, make_cache_client).call("
                "lambda client: client.increment(CACHE_NAME, user))",
            ),
            "makes a client for each request",
        ),
    ],
    "08": [
        ("my_config = 3", "no Config of botocore"),
        ("my_config = Config(read_timeout=1, connect_timeout=1)", "The deadline is 3 s"),
        ("my_config = PATIENT.merge(ONCE)", "allow a second attempt"),
        (
            "my_config = Config(read_timeout=0.1, connect_timeout=0.1, retries={'total_max_attempts': 2})",
            "wait longer for it",
        ),
        (
            "my_config = Config(read_timeout=0.5, connect_timeout=0.5, retries={'total_max_attempts': 3})",
            "then up to 2 s",
        ),
    ],
    "03": [
        ("handle = handle_naively", "still one read for each Momento call"),
        (HANDLE.format("return 1"), "three Momento calls"),
        (HANDLE.format("raise KeyError(user)"), "raised KeyError"),
        (
            HANDLE.format(
                "cache_client.set(CACHE_NAME, user, '1'); cache_client.get(CACHE_NAME, user); "
                "return int(cache_client.get(CACHE_NAME, user).value_string)"
            ),
            "has to come from Secrets Manager",
        ),
        (
            HANDLE.format(
                "get_token(SECRET_NAME); cache_client.set(CACHE_NAME, user, '7'); cache_client.get(CACHE_NAME, user); "
                "return int(cache_client.get(CACHE_NAME, user).value_string)"
            ),
            "answers differ",
        ),
    ],
    "01b": [
        ("read_token = lambda name: None", "It returns nothing"),
        ("read_token = retrieve", "White space is never part of a key"),
        (
            "def read_token(name):\n    check(retrieve(name))\n    return retrieve(name)",
            "take the white space off before",
        ),
        ("read_token = lambda name: retrieve(name).strip()", "check() says what is wrong"),
        (
            "def read_token(name):\n    text = retrieve(name).strip()\n"
            "    return json.loads(text)['apiKey'] if text[0] == '{' else text",
            "KeyError, which names no cause",
        ),
    ],
    "02b": [
        ("is_just_right = lambda identity: attempt(identity, SECRET_NAME)", "True or False"),
        ("is_just_right = lambda identity: 1 / 0", "raised ZeroDivisionError"),
        ("is_just_right = lambda identity: True", "without a request"),
        (
            "is_just_right = lambda identity: attempt(identity, SECRET_NAME) == 'allowed'",
            "One that must not",
        ),
        (
            "is_just_right = lambda identity: attempt(identity, OTHER_NAME) != 'allowed'",
            "The request that must pass",
        ),
    ],
    "04b": [
        ("my_choice = None", "There is no answer yet"),
        ("my_choice = 'redis'", "is no row of the table"),
        ("my_choice = 'powertools'", "the column of the cold threads"),
        ("my_choice = 'functools'", "the column of the cold threads"),
        ("my_choice = 'dogpile'", "the column Revocation"),
    ],
    "05b": [
        ("my_topics = configuration", "my_topics is a"),
        ("my_topics = TopicConfigurations.Default.v1()", "silent after 5 s"),
        ("my_topics = listening", "silent after 3600 s"),
        (
            "my_topics = listening.with_client_timeout(timedelta(hours=8))",
            "took 100 of 150 subscriptions",
        ),
    ],
    "07b": [
        ("roll_back = lambda: None", "still on the token that Momento refuses"),
        (
            "roll_back = lambda: sm.update_secret_version_stage(SecretId=SECRET_NAME, VersionStage='AWSCURRENT')",
            "from which it goes",
        ),
        (
            "roll_back = lambda: sm.put_secret_value(SecretId=SECRET_NAME, SecretString=cloud.issue_api_key())",
            "neither of the two",
        ),
        (
            "roll_back = lambda: sm.put_secret_value(SecretId=SECRET_NAME, SecretString="
            "sm.get_secret_value(SecretId=SECRET_NAME, VersionStage='AWSPREVIOUS')['SecretString'])",
            "Store nothing",
        ),
    ],
    "08b": [
        ("may_serve_old_copy = lambda error: None", "Let it return True or False"),
        ("may_serve_old_copy = lambda error: False", "A timeout says nothing about the token"),
        ("may_serve_old_copy = lambda error: True", "Somebody has taken the permission away"),
        (
            "may_serve_old_copy = lambda error: error.response['Error']['Code'][0] in 'TI'",
            "a timeout has no response",
        ),
        (
            "may_serve_old_copy = lambda error: 'An error occurred' not in str(error)",
            "Too many ask; the token is good",
        ),
    ],
}


# After a second's rest the kernel's own processor time has hardly moved: no loop was left spinning.
AT_REST = "import time; before = time.process_time(); time.sleep(1); print(time.process_time() - before < 0.3)"


def test_each_exercise_has_wrong_answers_of_three_kinds():
    assert set(WRONG) == set(EXERCISES)
    assert {number[:2] for number in EXERCISES} == {path.stem[:2] for path in NOTEBOOKS}
    assert all(len({hint for _, hint in answers}) >= 3 for answers in WRONG.values())


@pytest.mark.timeout(300)
def test_its_exercises_tell_right_from_wrong(path, notebook):
    places = [
        index
        for index, cell in enumerate(notebook.cells)
        if "exercise" in cell.metadata.get("tags", [])
    ]
    solutions = re.findall(
        r"<summary>Solution</summary>\n\n```python\n(.*?)```", texts(notebook), flags=re.DOTALL
    )
    numbers = [number for number in EXERCISES if number[:2] == path.stem[:2]]
    last = len(notebook.cells)
    client = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(FOLDER)}})

    def answer_to_code(source: str) -> str:
        notebook.cells.append(nbformat.v4.new_code_cell(source))
        client.execute_cell(notebook.cells[-1], len(notebook.cells) - 1)
        return shown(notebook.cells[-1].outputs)

    with client.setup_kernel():
        done = 0
        for number, place, solution in zip(numbers, places, solutions, strict=True):
            for index in range(done, place):
                client.execute_cell(notebook.cells[index], index)
            checking = notebook.cells[place + 1].source
            for wrong, hint in [(notebook.cells[place].source, ""), *WRONG[number]]:
                answer_to_code(wrong)
                said = answer_to_code(checking)
                assert "Not yet." in said and hint in said, said
            answer_to_code(solution)
            assert "Solved." in answer_to_code(checking)
            done = place + 2
        for index in range(done, last):
            client.execute_cell(notebook.cells[index], index)
        assert "True" in answer_to_code(AT_REST), "something goes on spinning"
