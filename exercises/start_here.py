"""Exercise of 00, start here: read the ledger."""

from __future__ import annotations

from helpers.ledger import Page

from .common import Check, exercise

FIRST, SECOND = "DescribeSecret", "GetSecretValue"  # the calls of AWS's library for a first read


@exercise("ledger")
def check_first_call(answer: object, page: object) -> Check:
    """Is this the name of the first call on a page of the ledger that came from AWS's library?"""
    calls = [call.operation for call in page.calls] if isinstance(page, Page) else []
    seen = f"The ledger's page holds {len(calls):,} calls, and not the two of a first read."
    hint = "Run the cell with `SecretCache` again: it makes a new cache, and a new page named `cached`."
    yield calls != [FIRST, SECOND], seen, hint
    said = answer.strip() if isinstance(answer, str) else ""
    yield not said, "There is no answer yet.", "Put the name of a call between the quotation marks."
    hint = "The rows are sorted by name; `[call.operation for call in cached.calls]` has the order of the calls."
    yield said == SECOND, f"{said} was the second.", hint
    hint = "Copy one name from the column Call of the ledger's last table, spelled as it is there."
    yield said != FIRST, f"{said} isn't on the page.", hint
    return f"The ledger recorded {FIRST}, then {SECOND}: the library asks which version is current, then fetches it."
