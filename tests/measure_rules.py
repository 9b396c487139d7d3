"""Compare what the rules find with what people found who read the code: precision and recall.

    python tests/measure_rules.py                     the collection's own code, by rules/own_code.csv
    python tests/measure_rules.py FOLDER LABELS.csv   other code; the labels' columns are file, line, mistake

A label ending in `?` is doubtful, and counts for nothing. A finding is right if its mistake is labelled within two lines.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import nbformat
from answers import RIGHT_ANSWERS, SOLUTION, WRONG_ANSWERS

ROOT = Path(__file__).resolve().parent.parent
AST_GREP = Path(sys.prefix, "rules", "bin", "ast-grep")
MISTAKES = [path.stem for path in (ROOT / "rules" / "mistakes").glob("*.yml")]


class Place(NamedTuple):
    file: str
    line: int
    mistake: str
    end: int = 0  # of a finding: its last line


def findings(folder: Path) -> list[Place]:
    """Return what the rules find in this folder. A rule's name begins with its mistake, the name of its file."""
    command = [AST_GREP, "scan", "--config", ROOT / "rules" / "sgconfig.yml"]
    command += ["--no-ignore", "hidden", "--no-ignore", "vcs", "--json=compact", "."]
    found = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=folder).stdout
    return [
        Place(
            Path(one["file"]).as_posix().removeprefix("./"),
            one["range"]["start"]["line"] + 1,
            next(mistake for mistake in MISTAKES if one["ruleId"].startswith(mistake)),
            one["range"]["end"]["line"] + 1,
        )
        for one in json.loads(found)
    ]


def labels(file: Path) -> list[Place]:
    with file.open(encoding="utf-8", newline="") as opened:
        rows = [row for row in csv.DictReader(opened) if row["line"]]
    return [Place(row["file"], int(row["line"]), row["mistake"]) for row in rows]


class Figures(NamedTuple):
    found: list[Place]
    false_alarms: list[Place]
    missed: list[Place]

    @property
    def precision(self) -> float:
        return len(self.found) / (len(self.found) + len(self.false_alarms))

    @property
    def recall(self) -> float:
        return len(self.found) / (len(self.found) + len(self.missed))


def compare(found: list[Place], labelled: list[Place]) -> Figures:
    def same(one: Place, label: Place) -> bool:
        return (
            one.file == label.file
            and one.line - 2 <= label.line <= one.end + 2
            and one.mistake == label.mistake.rstrip("?")
        )

    firm = [label for label in labelled if not label.mistake.endswith("?")]
    return Figures(
        [label for label in firm if any(same(one, label) for one in found)],
        [one for one in found if not any(same(one, label) for label in labelled)],
        [label for label in firm if not any(same(one, label) for one in found)],
    )


def lay_out_own_code(folder: Path) -> None:
    """Write the collection's own code into a folder, each answer and each solution as a file, its lines where they were."""
    for answers in (RIGHT_ANSWERS, WRONG_ANSWERS):
        for path in answers.glob("*.py"):
            lines = path.read_text(encoding="utf-8").splitlines()
            heads = [at for at, line in enumerate(lines) if line.startswith("# %% ")]
            for start, end in zip(heads, [*heads[1:], len(lines)], strict=True):
                write(folder / answers.name / path.name / f"{start + 1}.py", "\n" * start + "\n".join(lines[start:end]))
    for path in sorted((ROOT / "notebooks").rglob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        solutions = [text for cell in cells for text in SOLUTION.findall(cell.source)]
        solutions += [cell.source for cell in cells if cell.source.startswith("%%writefile")]
        for number, text in enumerate(solutions, 1):
            write(folder / "notebooks" / path.name / f"{number}.py", re.sub(r"^%%.*", "#", text))
    plain = [
        *(ROOT / "notebooks").rglob("*.py"),
        *(ROOT / "momento_token").glob("*.py"),
        *(ROOT / "deploy").glob("*.*"),
    ]
    for path in [*plain, ROOT / "docs" / "sdk_example.py"]:
        if path.name not in ("hasty_service.py", "my_service.py"):  # cells of notebook 11, taken from there
            write(folder / path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    for page in [*(ROOT / "docs").glob("*.md"), ROOT / "deploy" / "README.md", ROOT / "momento_token" / "README.md"]:
        fences = re.findall(r"^```(\w+)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
        for number, (language, text) in enumerate(fences, 1):
            suffix = {"python": "py", "sh": "sh", "json": "json", "yaml": "yaml", "hcl": "tf"}.get(language, "txt")
            write(folder / "pages" / page.relative_to(ROOT) / f"{number}.{suffix}", text)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def own_code() -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        lay_out_own_code(Path(folder))
        found = findings(Path(folder))
    for number, one in enumerate(found):
        whole = Path(one.file).parent  # of what was cut into files, which have its lines
        if whole.suffix:
            found[number] = one._replace(file=whole.as_posix())
    return compare(found, labels(ROOT / "rules" / "own_code.csv"))


if __name__ == "__main__":
    result = compare(findings(Path(sys.argv[1])), labels(Path(sys.argv[2]))) if sys.argv[2:] else own_code()
    for what, places in (("false alarm", result.false_alarms), ("missed", result.missed)):
        for place in places:
            print(f"{what}: {place.file}:{place.line} {place.mistake}")
    print(f"found {len(result.found)}, precision {result.precision:.2f}, recall {result.recall:.2f}")
