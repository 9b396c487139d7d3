"""In a browser tab, which has no threads and no processes: a cell that starts some shows its stored result.

browser/build.py puts `%%needs_a_machine KEY` above such a cell, and packs the results. On a machine the cell simply runs.
"""

from __future__ import annotations

import json
from pathlib import Path

from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display

RESULTS = Path(__file__).with_suffix(".json")  # the outputs of each cell by its id, as a notebook stores them
SENTENCE = "This cell starts threads, which a browser tab doesn't have. Its stored result:"


def show(key: str, cell: str = "") -> None:
    """Say why the cell doesn't run, and show what it stored."""
    print(SENTENCE)
    for output in json.loads(RESULTS.read_text(encoding="utf-8"))[key.strip()]:
        if output["output_type"] == "stream":
            print("".join(output["text"]), end="")
        else:
            display({kind: "".join(text) for kind, text in output["data"].items()}, raw=True)


def register(shell: InteractiveShell) -> None:
    shell.magics_manager.register_function(show, "cell", "needs_a_machine")
    shell.Completer.use_jedi = False  # the tab lacks it; IPython completes from what the kernel holds


load_ipython_extension = register
