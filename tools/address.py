"""Write the repository's address wherever it stands: `make address REPOSITORY=owner/name`; again after a move, or in a fork."""

from __future__ import annotations

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HUB = "https://github.com/"
TAB = "https://{owner}.github.io/{name}/try/lab/index.html?path=00_start_here.ipynb"
# In each file: what stands there, with an address or without one yet, and what takes its place.
PLACES = (
    ("pyproject.toml", HUB + r"[\w.-]+/[\w.-]+", HUB + "{owner}/{name}"),
    ("momento_token/README.md", HUB + r"[\w.-]+/[\w.-]+(?=#)", HUB + "{owner}/{name}"),
    ("workshop/email.md", r"LINK-TO-THE-TAB|https://\S+\?path=00_start_here.ipynb", TAB),
    ("workshop/email.md", r"git clone \S+\ncd \S+", "git clone " + HUB + "{owner}/{name}\ncd {name}"),
    ("README.md", r"(?<=git clone )<?(?:address of this repository|https://\S+?)>?(?= )", HUB + "{owner}/{name}"),
    (
        "README.md",
        "(?<=<!-- book -->).*?(?=<!-- -->)",
        "[the book](https://{owner}.github.io/{name}/), the notebooks as they last ran",
    ),
    ("rules/mistakes/*.yml", r"(?<=^url: )(https://\S+/HEAD/)?(?=notebooks/)", HUB + "{owner}/{name}/blob/HEAD/"),
    ("README.md", "(?<=<!-- tab -->).*?(?=<!-- -->)", f"[run the first notebook]({TAB})"),
    (
        "README.md",
        "(?<=<!-- binder -->).*?(?=<!-- -->)",
        "[on Binder](https://mybinder.org/v2/gh/{owner}/{name}/HEAD?urlpath=lab/tree/work/00_start_here.ipynb)",
    ),
)


def write(repository: str, root: Path = ROOT) -> None:
    """Put `repository`, as owner/name, in all PLACES. Raises LookupError if one of them has lost its text."""
    owner, name = repository.split("/")
    for file, there, new in PLACES:
        for path in list(root.glob(file)) or [root / file]:  # a file that is gone is an error
            text, found = re.subn(
                there, new.format(owner=owner, name=name), path.read_text(encoding="utf-8"), flags=re.M
            )
            if not found:
                raise LookupError(f"{path.relative_to(root)} has no place for the address: {there}")
            path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    if not re.fullmatch(r"[\w-]+/[\w.-]+", sys.argv[1] if sys.argv[1:] else ""):
        sys.exit("Say which repository: make address REPOSITORY=owner/name")
    write(sys.argv[1])
    print("The address is set: look at `git diff`, and commit it.")
