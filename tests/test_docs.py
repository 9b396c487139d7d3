"""What docs/ says runs: the ten minutes' lines."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import boto3
import nbformat
import pytest
from botocore import xform_name
from momento import CredentialProvider
from names import SECRET_NAME
from sdk_example import example

from sandbox.plain_file import at_address

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/ten_minutes.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.M | re.S)


@pytest.fixture
def in_the_sandbox(cloud, monkeypatch):
    """The one line that differs: a credential provider leads to this machine."""
    original = CredentialProvider.from_api_key_v2
    monkeypatch.setattr(
        CredentialProvider,
        "from_api_key_v2",
        staticmethod(lambda key, endpoint: at_address(original(key, endpoint), cloud.momento_address)),
    )
    return cloud


def test_the_page_includes_the_file_and_names_its_lines():
    (path,) = re.findall(r"^```\{literalinclude\} (.*)$", PAGE, re.M)
    code = (ROOT / "docs" / path).read_text(encoding="utf-8")
    for line in re.findall(r"^\| `(.*?)(?:\(…\))?` \|", PAGE, re.M):
        assert line in code, line


def test_the_example_has_the_form_of_the_sdks_file():
    assert example().endswith("\n\n# end example\n")
    assert len(re.findall(r"^def example_API_\w+\(\):$", example(), re.M)) == 1
    # 120 is the length of lines in the SDK's repository.
    assert max(map(len, example().splitlines())) <= 120


@pytest.mark.slow
def test_the_example_runs(in_the_sandbox, capsys, monkeypatch):
    monkeypatch.setenv("MOMENTO_ENDPOINT", in_the_sandbox.momento_endpoint)
    names: dict = {}
    exec(example(), names)
    with in_the_sandbox.ledger.page("the example") as page:
        names["example_API_retrieveAuthTokenFromSecretsManager"]()
    assert "CacheSet.Success" in capsys.readouterr().out
    assert (page.count("DescribeSecret"), page.count("GetSecretValue")) == (1, 1)


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
