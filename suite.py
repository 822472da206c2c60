"""How `inv test` runs the tests: which of them, on how many workers, and what it runs again."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from stepladder.commands.checks import tool
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.core.process import run

ONLY_TIMING = 8
"""Exit code of a run in which nothing failed but tests marked `timing` (tests/support/reruns.py)."""
QUICK = ("tests/unit", "tests/template/test_answers.py")
WHOLE = ("tests",)
_DEADLINE = 4000.0
_AGAIN = 1200.0


def run_tests(root: Path, *, only: str = "", quick: bool = False, long: bool = False) -> None:
    """Run the tests of the checkout at `root`; raise `StepladderError` unless they pass.

    `only` holds arguments for pytest. A failing test that is marked `timing` is run once more, alone; any other failure
    is final.
    """
    if bool(only) + quick + long > 1:
        raise BadInputError(
            "--only, --quick and --long don't go together", hint="`inv test --only '--long tests/docker'`"
        )
    chosen = shlex.split(only) or [*_workers(), *(("--long",) if long else ()), *(QUICK if quick else WHOLE)]
    code = _pytest(root, chosen, _DEADLINE)
    if code == ONLY_TIMING:
        alone = [argument for argument in chosen if argument not in _workers()]
        code = _pytest(root, ["-v", "--again", *alone], _AGAIN)
    if code:
        raise StepladderError("the tests failed")


def _workers() -> tuple[str, str]:
    """Two more than processors: many tests wait for a clock or for another process."""
    return "-n", str((os.cpu_count() or 1) + 2)


def _pytest(root: Path, arguments: list[str], timeout: float) -> int:
    return run([tool("pytest"), *arguments], cwd=root, timeout=timeout, attached=True).code
