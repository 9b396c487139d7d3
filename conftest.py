"""For tests and notebooks alike."""

import os
import signal
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest
from nbval import kernel

sys.path.insert(0, str(Path(__file__).parent / "tests"))
FOLDER = Path(tempfile.mkdtemp())
# A test's seconds, read by pytest-timeout: the environment of `make lab`, where notebooks can be compared too, lacks it.
os.environ.setdefault("PYTEST_TIMEOUT", "120")
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Begun in a shell's background, all that a test starts would inherit that an interrupt is ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
# What takes longest as one piece, which one process runs: begun first, it isn't what the others wait for in the end.
LONGEST = (
    "tests/test_exercises",
    "tests/test_browser",
    "tests/test_tab",
    "tests/test_hub.py",
    "notebooks/09",
    "tests/test_book",
    "notebooks/11",
    "tests/test_trials",
    "tests/test_go_live",
    "notebooks/deeper/contest",
)


def pytest_configure(config: pytest.Config) -> None:
    """Find the sanitizer from any folder."""
    config.option.nbval_sanitize_with = str(Path(__file__).parent / "tests" / "sanitize.cfg")
    kernel.start_new_kernel = _started


def _started(*arguments: Any, start: Callable[..., Any] = kernel.start_new_kernel, **options: Any) -> Any:
    """Start a kernel. Jupyter chooses free ports for it, and before it binds them, another test may have taken one."""
    try:
        return start(*arguments, **options)
    except RuntimeError:
        return start(*arguments, **options)


@pytest.hookimpl(tryfirst=True)  # before a notebook's kernel starts
def pytest_runtest_setup(item: pytest.Item) -> None:
    """What tests and notebooks solve isn't the progress of the person who runs them, nor of each other."""
    os.environ["TUTORIAL_PROGRESS"] = str(FOLDER / f"{item.path.stem}.jsonl")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Generator:
    """nbval collects the cells of a notebook; after them come the answers to its exercises."""
    from answers import Notebook
    from nbval.plugin import IPyNbFile

    collectors = yield
    return [Notebook.from_parent(parent, path=file_path) if isinstance(one, IPyNbFile) else one for one in collectors]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    from nbval.plugin import IPyNbCell

    for item in items:
        if isinstance(item, IPyNbCell):
            item.add_marker(pytest.mark.slow)
            if item.path.name.startswith("09_") and not hasattr(os, "fork"):
                item.add_marker(pytest.mark.skip(reason="gunicorn forks"))
    items.sort(key=_place)  # a stable order


def _place(item: pytest.Item) -> int:
    of_it = (place for place, name in enumerate(LONGEST) if item.nodeid.startswith(name))
    return next(of_it, len(LONGEST))
