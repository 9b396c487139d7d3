"""What docs/ says and does: the ten minutes' lines run, and the cost panel's script is held equal to pricing.py."""

from __future__ import annotations

import json
import math
import random
import re
import shlex
import shutil
import subprocess
import textwrap
from pathlib import Path

import boto3
import nbformat
import pytest
from botocore import xform_name
from make_book import prices
from momento import CredentialProvider
from momento.responses import CacheGet
from names import SECRET_NAME
from sdk_example import example_API_retrieveAuthTokenFromSecretsManager

from helpers.cloud import at_address
from helpers.pricing import AWS_LIBRARY, MONTH, WAYS, Fleet, break_even, throttled_from

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/ten_minutes.md").read_text(encoding="utf-8")
EXAMPLE = (ROOT / "docs/sdk_example.py").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture
def in_the_sandbox(cloud, monkeypatch):
    """The one line that differs: a credential provider leads to this machine."""
    original = CredentialProvider.from_api_key_v2
    monkeypatch.setattr(
        CredentialProvider,
        "from_api_key_v2",
        staticmethod(
            lambda key, endpoint: at_address(original(key, endpoint), cloud.momento_address)
        ),
    )
    return cloud


@pytest.fixture
def names(in_the_sandbox, capsys):
    """What the page's Python lines define, when they have run."""
    (code,) = blocks("python")
    names: dict = {}
    exec(code, names)
    assert "CacheSet.Success" in capsys.readouterr().out
    yield names
    with names["cache_client"]():
        pass  # closes it


def test_the_page_is_short_and_has_the_lines_of_the_example():
    (code,) = blocks("python")
    imports, body = EXAMPLE.split("def example_API_retrieveAuthTokenFromSecretsManager():\n")
    body = textwrap.dedent(body.split("# end example")[0])
    assert lines_of(code) == lines_of(imports + body)  # ruff sets blank lines by the depth
    assert len(lines_of("".join([*blocks("sh"), code]))) <= 25


def lines_of(code: str) -> list[str]:
    return [line for line in code.splitlines() if line]


def test_the_example_has_the_form_of_the_sdks_file():
    assert EXAMPLE.rstrip().endswith("\n\n\n# end example")
    assert len(re.findall(r"^def example_API_\w+\(\):$", EXAMPLE, re.M)) == 1
    assert max(map(len, EXAMPLE.splitlines())) <= 120  # the length of lines in the SDK's repository


@pytest.mark.slow
def test_the_example_runs(in_the_sandbox, capsys):
    with in_the_sandbox.ledger.page("the example") as page:
        example_API_retrieveAuthTokenFromSecretsManager()
    assert "CacheSet.Success" in capsys.readouterr().out
    assert (page.count("DescribeSecret"), page.count("GetSecretValue")) == (1, 1)


@pytest.mark.slow
def test_a_hundred_calls_read_the_secret_once_and_share_a_client(names, in_the_sandbox):
    with in_the_sandbox.ledger.page("a hundred calls") as page:
        clients = {names["cache_client"]() for _ in range(100)}
        answers = [client.get("tutorial", "test-key") for client in clients]
    assert len(clients) == 1 and page.count(service="Secrets Manager") == 0
    assert [answer.value_string for answer in answers] == ["test-value"]


@pytest.mark.slow
def test_after_a_rotation_the_next_read_builds_one_new_client(names, in_the_sandbox):
    old, sm = names["cache_client"](), boto3.client("secretsmanager")
    before = sm.get_secret_value(SecretId=SECRET_NAME)["SecretString"]
    sm.put_secret_value(SecretId=SECRET_NAME, SecretString=in_the_sandbox.issue_api_key())
    assert names["cache_client"]() is old  # until the copy is an hour old
    names["secrets"].refresh_secret_now(SECRET_NAME)
    in_the_sandbox.revoke_api_key(before)
    new = {names["cache_client"]() for _ in range(10)}
    assert len(new) == 1 and old not in new
    assert isinstance(new.pop().get("tutorial", "test-key"), CacheGet.Hit)
    assert isinstance(old.get("tutorial", "test-key"), CacheGet.Error)
    with old:
        pass  # closes it


@pytest.mark.slow
def test_the_command_that_stores_the_secret_stores_what_is_piped_into_it(in_the_sandbox):
    """The CLI takes its commands from the models that botocore has; so does this."""
    store, _ = blocks("sh")
    _, line = store.strip().splitlines()
    given, command = line.split(" | ")
    assert shlex.split(given) == ["printf", "%s", "$MOMENTO_API_KEY"]
    client, operation, arguments = of_the_cli(command)
    assert arguments.pop("SecretString") == "file:///dev/stdin"
    client.delete_secret(SecretId=arguments["Name"], ForceDeleteWithoutRecovery=True)
    getattr(client, operation)(SecretString=in_the_sandbox.api_key, **arguments)
    stored = client.get_secret_value(SecretId=SECRET_NAME, VersionStage="AWSCURRENT")
    assert stored["SecretString"] == in_the_sandbox.api_key


@pytest.mark.slow
def test_the_policy_is_the_one_that_notebook_06_proves(in_the_sandbox):
    _, attach = blocks("sh")
    (policy,) = blocks("json")
    _, operation, arguments = of_the_cli(attach)
    assert operation == "put_role_policy" and arguments["PolicyDocument"] == "file://policy.json"
    notebook = nbformat.read(ROOT / "notebooks/06_lock_it_down.ipynb", as_version=4)
    printed = [
        output.text
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.get("name") == "stdout"
    ]
    assert policy in printed


def of_the_cli(line: str):
    """The client, its method and the arguments of a line for AWS's CLI; fails if the model knows no such command."""
    program, service, command, *options = shlex.split(line)
    assert program == "aws"
    client = boto3.client(service)
    method = command.replace("-", "_")
    shape = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    known = {f"--{xform_name(name, '-')}": name for name in shape.input_shape.members}
    pairs = zip(options[::2], options[1::2], strict=True)
    return client, method, {known[option]: value for option, value in pairs}


NODE = shutil.which("node")


def random_fleets(number: int) -> list[Fleet]:
    drawn = random.Random(20)

    def one() -> Fleet:
        return Fleet(
            requests_per_second=drawn.choice([0, 1, 100, 10 ** drawn.uniform(-3, 6)]),
            processes=drawn.choice([1, 10, drawn.randint(1, 1_000_000)]),
            lifetime=drawn.choice([1, 60, MONTH, drawn.uniform(1, MONTH)]),
            ttl=drawn.choice([0, 1, 3600, drawn.uniform(0, MONTH)]),
            way=drawn.choice(WAYS),
            secrets=drawn.choice([1, drawn.randint(1, 500_000)]),
            replicas=drawn.randint(0, 50),
            customer_key=drawn.random() < 0.5,
        )

    return [one() for _ in range(number)]


@pytest.mark.slow
@pytest.mark.skipif(NODE is None, reason="there is no Node.js to run the panel's script")
def test_the_panels_script_computes_what_pricing_py_computes():
    fleets = random_fleets(10_000)
    given = [
        {
            "requestsPerSecond": fleet.requests_per_second,
            "processes": fleet.processes,
            "lifetime": fleet.lifetime,
            "ttl": fleet.ttl,
            "way": WAYS.index(fleet.way),
            "secrets": fleet.secrets,
            "replicas": fleet.replicas,
            "customerKey": fleet.customer_key,
        }
        for fleet in fleets
    ]
    program = """
        const { cost, breakEven, throttledFrom } = require(process.argv[1]);
        const { fleets, prices } = JSON.parse(require("fs").readFileSync(0));
        console.log(JSON.stringify(fleets.map((fleet) => [
            ...Object.values(cost(fleet, prices)), breakEven(fleet, prices), throttledFrom(fleet, prices)])));
    """
    done = subprocess.run(
        [NODE, "-e", program, ROOT / "docs/_static/pricing.js"],
        input=json.dumps({"fleets": given, "prices": prices()}),
        capture_output=True,
        text=True,
        check=True,
    )
    for fleet, got in zip(fleets, json.loads(done.stdout), strict=True):
        pairs = zip(got, expected(fleet), strict=True)
        assert all(math.isclose(one, other, rel_tol=1e-12) for one, other in pairs), fleet
    assert {fleet.way for fleet in fleets if fleet.fetches_per_life > 1} == set(WAYS)
    assert any(fleet.share_of_quota > 1 for fleet in fleets if fleet.way != AWS_LIBRARY)


def expected(fleet: Fleet) -> list[float]:
    bill = fleet.bill()
    return [
        fleet.calls_per_month,
        bill["API calls"],
        bill["keeping the secrets"],
        bill.get("customer managed key", 0.0),
        fleet.dollars_per_month,
        fleet.share_of_quota,
        break_even(fleet),
        throttled_from(fleet),
    ]
