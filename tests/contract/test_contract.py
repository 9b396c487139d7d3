"""The contract: on each stand-in what docs/stand-ins.md says of it, and on AWS, if asked, what AWS documents.

`TUTORIAL_CONTRACT=live` tries it on your own account too, with boto3's normal credentials: some fifty secrets named
`tutorial/contract/…`, deleted after each fact, for some cents and half an hour, as AWS may list five minutes late.
"""

from __future__ import annotations

import os

import pytest
from facts import FACTS
from table import ENGINES, PAGE, found, page


def test_the_stand_ins_do_what_the_page_says():
    """If not: look at each change, judge it, then run `python tests/contract/table.py`."""
    said, written = page({engine: found(engine) for engine in ENGINES}), PAGE.read_text("utf-8")
    if "TUTORIAL_SANDBOX" in os.environ:  # in a browser tab no process rotates
        said, written = (text.partition("### Rotation")[0] for text in (said, written))
    assert said.splitlines() == written.splitlines()


@pytest.mark.timeout(7200)
@pytest.mark.skipif(os.environ.get("TUTORIAL_CONTRACT") != "live", reason="not asked for: set TUTORIAL_CONTRACT=live")
def test_aws_does_what_it_documents():
    assert found("live") == {fact.title: fact.wanted for fact in FACTS if fact.live}
