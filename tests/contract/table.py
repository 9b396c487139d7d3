"""`python tests/contract/table.py`: try every fact on every stand-in, and write what was found into docs/stand-ins.md."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

sys.path.insert(0, str(Path(__file__).parent))

from facts import FACTS, REFUSED, REPLICA, Aws, Fact

from sandbox.processes import new_sandbox

ENGINES = {"moto": "moto, in the sandbox", "ministack": "MiniStack"}
PAGE = Path(__file__).resolve().parents[2] / "docs" / "stand-ins.md"
BEGIN, END = "<!-- made by tests/contract/table.py -->", "<!-- until here -->"
SAME = "✓"
LAG = 330  # seconds: "ListSecrets might not reflect changes from the last five minutes"


def found(engine: str) -> dict[str, str]:
    """Return by its title what each fact finds with this stand-in, or with "live" on AWS."""
    with running(engine) as aws:
        said = {fact.title: found_by(fact, aws) for fact in FACTS if fact.live or aws.url}
        for region in (None, REPLICA) if aws.url else ():
            left = aws.client(region_name=region).list_secrets(IncludePlannedDeletion=True)["SecretList"]
            assert not left, "what is left here would be left in an account"
    return said


@contextmanager
def running(engine: str) -> Iterator[Aws]:
    if engine == "live":
        yield Aws(boto3.Session(), None)
        return
    sandbox = new_sandbox(engine).wait_until_ready()
    key = sandbox.aws_access_key
    yield Aws(boto3.Session(key, key, region_name="us-west-2"), sandbox.aws, sandbox, engine == "ministack")
    sandbox.close()


def found_by(fact: Fact, aws: Aws) -> str:
    end = time.monotonic() + (0 if aws.url else LAG)
    said = result = outcome(lambda: fact.find_out(aws))
    while callable(result) and (said := outcome(result)) != fact.wanted and time.monotonic() < end:
        time.sleep(2)
    aws.clean_up()
    return REFUSED if fact.wanted == REFUSED and re.fullmatch(r"[A-Z]\w+", said) else said


def outcome(find_out: Callable[[], str | Callable[[], str]]) -> str | Callable[[], str]:
    """Return what is found out: an error, and a response that boto3 can't read, are findings too."""
    try:
        return find_out()
    except Exception as error:
        code = (getattr(error, "response", None) or {}).get("Error", {}).get("Code")
        return code or str(error) or type(error).__name__


def page(found: dict[str, dict[str, str]]) -> str:
    """Return the page with these findings, by engine and title, in its tables, one for each part."""
    lines = [BEGIN]
    for part in dict.fromkeys(fact.part for fact in FACTS):
        lines += ["", f"### {part}", ""]
        lines += ["| tried | AWS, as documented | " + " | ".join(ENGINES.values()) + " |"]
        lines += ["|---" * (2 + len(ENGINES)) + "|"]
        for fact in (one for one in FACTS if one.part == part):
            cells = [SAME if it == fact.wanted else it for it in (found[engine][fact.title] for engine in ENGINES)]
            lines.append(f"| {fact.title} | [{fact.wanted}]({fact.source}) | {' | '.join(cells)} |")
    table = "\n".join([*lines, "", END])
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: table, PAGE.read_text("utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page({engine: found(engine) for engine in ENGINES}), encoding="utf-8")
