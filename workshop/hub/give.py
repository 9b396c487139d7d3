"""Give a learner of a hub the notebooks: `python give.py HOME [NOTEBOOK]`. It runs as the learner.

Beside their working copy, which is that of `make lab`, stand links to what the notebooks link to. What is theirs stays.
"""

import os
import resource
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LINKED = ("README.md", "deploy", "docs", "drills", "exercises", "helpers", "momento_token", "notebooks", "sandbox")
sys.path.insert(0, str(ROOT / "tools"))

import lab  # noqa: E402
import working_copy  # noqa: E402

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))  # bytes: a learner may have made a file of any size
    home, *which = (part for part in sys.argv[1:] if part)
    for name in LINKED:
        if not os.path.lexists(Path(home, name)):
            Path(home, name).symlink_to(ROOT / name)
    lab.arrange(Path(home, ".jupyter", "lab", "workspaces"))
    work = Path(home, "work")
    if which:
        working_copy.fresh(*which, work=work)
    elif brought := working_copy.update(work):
        print("brought", ", ".join(brought) if len(brought) < 5 else f"{len(brought)} files")
