"""`python tests/contract/table.py`: try every fact on every stand-in, and write what was found into docs/stand-ins.md."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from facts import FACTS
from stand_ins import ENGINES, found_by, running

PAGE = Path(__file__).resolve().parents[2] / "docs" / "stand-ins.md"
BEGIN, END = "<!-- made by tests/contract/table.py -->", "<!-- until here -->"
SAME = "✓"


def rows_of(found: dict[str, dict[str, str]]) -> str:
    """The tables, a part of the facts each; `found` by engine and title."""
    lines = []
    for part in dict.fromkeys(fact.part for fact in FACTS):
        lines += ["", f"### {part}", ""]
        lines += ["| tried | AWS, as documented | " + " | ".join(ENGINES.values()) + " |"]
        lines += ["|---" * (2 + len(ENGINES)) + "|"]
        for fact in (one for one in FACTS if one.part == part):
            cells = [cell(found[engine][fact.title], fact.wanted) for engine in ENGINES]
            lines.append(f"| {fact.title} | [{fact.wanted}]({fact.source}) | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def cell(found: str, wanted: str) -> str:
    return SAME if found == wanted else found.replace("|", "\\|")


def written(page: str, rows: str) -> str:
    return re.sub(f"(?s){BEGIN}.*{END}", lambda _: f"{BEGIN}\n{rows}\n{END}", page)


def expected() -> dict[tuple[str, str], str]:
    """What the page says of each engine and fact."""
    said = {}
    for line in PAGE.read_text("utf-8").splitlines():
        cells = [part.strip() for part in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 2 + len(ENGINES) and cells[1].startswith("["):
            wanted = re.match(r"\[(.*)\]\(http", cells[1])[1]
            for engine, text in zip(ENGINES, cells[2:], strict=True):
                said[engine, cells[0]] = wanted if text == SAME else text.replace("\\|", "|")
    return said


def main() -> None:
    found: dict[str, dict[str, str]] = {}
    for engine in ENGINES:
        with running(engine) as aws:
            found[engine] = {fact.title: found_by(fact, aws) for fact in FACTS}
    PAGE.write_text(written(PAGE.read_text("utf-8"), rows_of(found)), encoding="utf-8")


if __name__ == "__main__":
    main()
