"""Exercise of 00, start here: read the ledger."""

from __future__ import annotations

from helpers.ledger import Page

from .common import Check, exercise

FIRST, SECOND = "DescribeSecret", "GetSecretValue"  # what AWS's library calls for a first read


@exercise("ledger")
def check_first_call(answer: object, page: object) -> Check:
    """The name of the first call on a page of the ledger that came from AWS's library."""
    calls = [call.operation for call in page.calls] if isinstance(page, Page) else []
    yield (
        calls != [FIRST, SECOND],
        f"The ledger's page holds {len(calls):,} calls, and not the two of a first read.",
        "Run the cell with `SecretCache` again: it makes a new cache, and a new page named `cached`.",
    )
    said = answer.strip() if isinstance(answer, str) else ""
    yield (
        not said,
        "There is no answer yet.",
        "Put the name of a call between the quotation marks.",
    )
    said = str.__str__(said)
    yield (
        said == SECOND,
        f"{said} was the second.",
        "The rows are sorted by name. `[call.operation for call in cached.calls]` has them in the order in which they came.",
    )
    yield (
        said != FIRST and said.replace("_", "").lower() in (FIRST.lower(), SECOND.lower()),
        f"{said} is not how AWS spells it.",
        "Spell it exactly as the ledger does.",
    )
    yield (
        said != FIRST,
        f"{said} isn't on the page.",
        "Look at the column Call of the ledger's last table: one name, no more.",
    )
    return f"The ledger wrote down {FIRST}, then {SECOND}: the library asks what is current before it fetches it."
