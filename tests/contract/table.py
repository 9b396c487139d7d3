"""`python tests/contract/table.py`: try every fact on every stand-in, and write what was found into docs/stand-ins.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from facts import FACTS
from stand_ins import ENGINES, found

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stand-ins.md"
BEGIN, END = "<!-- made by tests/contract/table.py -->", "<!-- until here -->"
SAME = "✓"


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
