"""The contract: on each stand-in what docs/stand-ins.md says of it, and on AWS, if asked, what AWS documents.

`TUTORIAL_CONTRACT=live` tries it on your own account too, with boto3's normal credentials: some fifty secrets named
`tutorial/contract-…`, deleted after each fact, for some cents and half an hour, as AWS may list five minutes late.
"""

from __future__ import annotations

import re
from collections import Counter

import pytest
import table
from facts import FACTS, REPLICA, Aws
from stand_ins import ENGINES, asked_for_live, found_by, running

ids = [fact.title for fact in FACTS]
EXPECTED = table.expected()


@pytest.fixture(scope="module", params=list(ENGINES))
def stand_in(request):
    with running(request.param) as aws:
        yield request.param, aws


@pytest.mark.parametrize("fact", FACTS, ids=ids)
def test_a_stand_in_does_what_the_page_says(stand_in, fact):
    engine, aws = stand_in
    found = found_by(fact, aws)
    assert found == EXPECTED[engine, fact.title], (
        "this has changed: look at it, then run `python tests/contract/table.py`"
    )


@pytest.fixture(scope="module")
def account():
    if not asked_for_live():
        pytest.skip("not asked for: set TUTORIAL_CONTRACT=live")
    with running("live") as aws:
        yield aws


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("fact", [f for f in FACTS if f.needs != "sandbox"], ids=lambda f: f.title)
def test_aws_does_what_it_documents(account, fact):
    assert found_by(fact, account) == fact.wanted


def test_the_page_has_each_fact_once_and_nothing_else():
    assert {title for _, title in EXPECTED} == set(ids)
    assert not [title for title, count in Counter(ids).items() if count > 1]
    rows = re.findall(r"^\| (?!tried)(.*?) \| \[", table.PAGE.read_text("utf-8"), re.M)
    assert rows == ids


def test_the_page_is_what_the_script_would_write():
    found = {engine: {title: EXPECTED[engine, title] for title in ids} for engine in ENGINES}
    page = table.PAGE.read_text("utf-8")
    assert table.written(page, table.rows_of(found)) == page


@pytest.mark.slow
def test_a_change_of_a_stand_in_would_be_noticed():
    """Not one fact is true whatever the endpoint answers: here it refuses every call."""
    with running("moto") as aws:
        aws.sandbox.ask("add_fault", service="aws", error="InternalServiceError")
        blind = [fact.title for fact in FACTS if quiet(fact, aws) == fact.wanted]
        aws.sandbox.ask("clear_faults")
    assert blind == ["an access key that nobody has"]  # the sandbox's door answers this itself


def quiet(fact, aws: Aws) -> str:
    """As `found_by`, where not even the clean-up is answered."""
    try:
        return fact.find_out(aws)
    except Exception as error:
        return type(error).__name__
    finally:
        aws._created.clear()


@pytest.mark.slow
def test_nothing_of_a_run_is_left_in_the_account():
    with running("moto") as aws:
        for fact in FACTS:
            found_by(fact, aws)
        for region in ("us-west-2", REPLICA):
            left = aws.in_region(region).list_secrets(IncludePlannedDeletion=True)["SecretList"]
            assert left == []


def test_every_source_is_a_page_of_aws():
    assert all(re.fullmatch(r"https://docs\.aws\.amazon\.com/\S+\.html", f.source) for f in FACTS)
