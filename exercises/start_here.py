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
    said = _name(answer)
    yield not said, "There is no name yet.", "Put the name of a call between the quotation marks, and run that cell."
    hint = "The table is sorted by name; `[call.operation for call in cached.calls]` has the order of the calls."
    yield _alike(said, SECOND), f"{said} was the second.", hint
    hint = "Copy one name from the column Call of the ledger's last table, spelled as it is there."
    yield not _alike(said, FIRST), f"{said} isn't on the page.", hint
    return f"The ledger recorded {FIRST}, then {SECOND}: the library asks which version is current, then fetches it."


def _name(answer: object) -> str:
    """Return the name in an answer, which may also be a call of the ledger's."""
    if isinstance(answer, list | tuple) and not hasattr(answer, "operation") and len(answer) == 1:
        (answer,) = answer
    operation = getattr(answer, "operation", answer)
    return operation.strip(" \n\t\"'`()") if isinstance(operation, str) else ""


def _alike(said: str, operation: str) -> bool:
    """Tell whether a name is that of the operation, also in boto3's spelling."""
    return said.replace("_", "").lower() == operation.lower()
