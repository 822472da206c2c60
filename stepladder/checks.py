"""Run a list of checks at once and report each in one line.

Used by `inv check` of this repository and of every generated project: the lists differ, the mechanism doesn't.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from stepladder.console import Console
from stepladder.errors import NotReadyError, StepladderError
from stepladder.process import run

_DEADLINE = 300.0


@dataclass(frozen=True)
class Check:
    """One program that must exit 0. `needs` names a tool without which the check is skipped, loudly.

    In CI (CI is set) a skipped check is a failed one, unless it is `optional`.
    """

    name: str
    argv: tuple[str, ...]
    needs: str = ""
    cwd: str = "."
    optional: bool = False


def tool(name: str, root: Path | None = None) -> str:
    """Return the path of a tool installed beside this Python, else the name as PATH knows it.

    Terraform is the one that every other task would use in the project at `root`.
    """
    if name == "terraform":
        from stepladder.terraform import cli

        try:
            return str(cli.find(root or Path.cwd()).path)
        except NotReadyError:
            return name
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    return name


def run_all(
    checks: Sequence[Check],
    root: Path,
    console: Console,
    *,
    before: Sequence[Callable[[], None]] = (),
    after: Sequence[Callable[[], None]] = (),
) -> None:
    """Run every check, as many at once as there are processors, and raise `StepladderError` if any failed.

    The output of a failed check is printed whole; that of a passed one is thrown away. Those in `before` and
    `after` run here, one after another; each prints its step and raises when it fails, which ends all.
    """
    for check_here in before:
        check_here()
    skipped = [check for check in checks if check.needs and not shutil.which(tool(check.needs, root))]
    for check in skipped:
        console.warn(f"{check.name} is skipped: there is no {check.needs} that will do")
    todo = [check for check in checks if check not in skipped]

    def one(check: Check) -> bool:
        with console.step(check.name) as step:
            done = run((tool(check.argv[0], root), *check.argv[1:]), cwd=root / check.cwd, timeout=_DEADLINE)
            if done.code:
                step.mark = "fail"
                step.done(f"exit {done.code}\n{done.out}{done.err}".rstrip())
        return done.code == 0

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = list(pool.map(one, todo))
    failed = [check.name for check, passed in zip(todo, results, strict=True) if not passed]
    if failed:
        raise StepladderError(f"{len(failed)} of {len(todo)} checks failed: {', '.join(failed)}")
    lacking = [check for check in skipped if not check.optional]
    if lacking and os.environ.get("CI"):
        raise StepladderError(
            f"checks were skipped, and a CI job must run them: {', '.join(check.name for check in lacking)}",
            hint=f"install what they need: {', '.join(sorted({check.needs for check in lacking}))}",
        )
    for check_here in after:
        check_here()
    console.line(f"{len(todo) + len(before) + len(after)} checks passed, {len(skipped)} skipped")


def must(argv: Sequence[str], root: Path, *, timeout: float, failed: str) -> None:
    """Run a program on this very terminal; a `StepladderError` that says `failed` when it doesn't exit 0."""
    if run((tool(argv[0]), *argv[1:]), cwd=root, timeout=timeout, attached=True).code:
        raise StepladderError(failed)
