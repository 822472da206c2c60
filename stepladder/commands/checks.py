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

from stepladder.commands import job_page, located
from stepladder.core.ci import in_ci
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, ExitCode, NotReadyError, StepladderError
from stepladder.core.process import run
from stepladder.core.step import Step
from stepladder.forge.interface import Annotation
from stepladder.terraform.distributions import OPENTOFU, TERRAFORM

_DEADLINE = 300.0


@dataclass(frozen=True)
class ProjectCheck:
    """One program that must exit 0, or one function that raises `StepladderError`.

    `needs` names a tool without which the check is skipped, loudly. In CI (CI is set) a skipped check is a failed one.
    `success` is what a program's success means, in a few words.
    """

    name: str
    argv: tuple[str, ...] = ()
    needs: str = ""
    cwd: str = "."
    act: Callable[[Step], None] | None = None
    success: str = ""


@dataclass(frozen=True)
class CheckFailure:
    """A check that failed; `error` is None for a program, whose output is printed. `messages` are at its lines."""

    name: str
    error: StepladderError | None = None
    messages: tuple[Annotation, ...] = ()


class ChecksFailedError(BadInputError):
    """Some checks failed. The exit code is theirs when they agree on one."""

    kind = "checks-failed"

    def __init__(self, failures: Sequence[CheckFailure], count: int) -> None:
        errors = [failure.error for failure in failures if failure.error]
        message = f"{len(failures)} of {count} checks failed: {', '.join(failure.name for failure in failures)}"
        single = errors[0] if len(failures) == len(errors) == 1 else None
        if single:
            super().__init__(f"{message}: {single.message}", hint=single.hint, problems=_problems(single))
        else:
            lines = [f"{f.name}: {line}" for f in failures if f.error for line in _lines(f.error)]
            super().__init__(message, problems=tuple(lines))
        codes = {error.exit_code for error in errors}
        self.exit_code = codes.pop() if len(errors) == len(failures) and len(codes) == 1 else ExitCode.FAILED


def tool(name: str, root: Path | None = None) -> str:
    """Return the path of a tool installed beside this Python, else the name as PATH knows it.

    Terraform is the one that every other task would use in the project at `root`.
    """
    distribution = {each.executable: each for each in (TERRAFORM, OPENTOFU)}.get(name)
    if distribution:
        from stepladder.terraform import cli

        try:
            return str(cli.find(root or Path.cwd(), distribution).path)
        except NotReadyError:
            return name
    for folder in (Path(sys.executable).parent, Path(sysconfig.get_path("scripts"))):
        if os.access(folder / name, os.X_OK):
            return str(folder / name)
    return name


def run_all(checks: Sequence[ProjectCheck], root: Path, console: Console) -> None:
    """Run every check, as many at once as there are processors, and raise `ChecksFailedError` if any failed.

    The output of a failed program is printed whole; that of a passed one is thrown away. The last line is the total.
    """
    skipped = [check for check in checks if check.needs and not shutil.which(tool(check.needs, root))]
    for check in skipped:
        console.warn(f"{check.name} is skipped: there is no {check.needs} that will do")
    todo = [check for check in checks if check not in skipped]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures = [failure for failure in pool.map(lambda check: _run(check, root, console), todo) if failure]
    job_page.annotate(console, [each for failure in failures for each in failure.messages])
    if failures:
        raise ChecksFailedError(failures, len(todo))
    if skipped and in_ci():
        raise StepladderError(
            f"checks were skipped, and a CI job must run them: {', '.join(check.name for check in skipped)}",
            kind="checks-failed",
            hint=f"install what they need, then `inv check`: {', '.join(sorted({check.needs for check in skipped}))}",
        )
    console.line(f"{len(todo)} checks passed, {len(skipped)} skipped")


def _run(check: ProjectCheck, root: Path, console: Console) -> CheckFailure | None:
    with console.step(check.name) as step:
        if check.act:
            try:
                check.act(step)
            except StepladderError as error:
                step.mark = "fail"
                step.done(error.message)
                return CheckFailure(check.name, error, tuple(located.of_error(error, root)))
            return None
        done = run((tool(check.argv[0], root), *check.argv[1:]), cwd=root / check.cwd, timeout=_DEADLINE)
        if done.code:
            step.mark = "fail"
            step.done(f"exit {done.code}\n{done.out}{done.err}".rstrip())
            messages = located.of_output(f"{done.out}{done.err}", root, root / check.cwd)
            return CheckFailure(check.name, messages=tuple(messages))
        step.done(check.success)
    return None


def _problems(error: StepladderError) -> tuple[str, ...]:
    return tuple(getattr(error, "problems", ()))


def _lines(error: StepladderError) -> list[str]:
    hint = f" ({error.hint})" if error.hint else ""
    return [f"{error.message}{hint}", *_problems(error)]


def must(argv: Sequence[str], root: Path, *, timeout: float, failed: str) -> None:
    """Run a program on this very terminal; a `StepladderError` that says `failed` when it doesn't exit 0."""
    if run((tool(argv[0]), *argv[1:]), cwd=root, timeout=timeout, attached=True).code:
        raise StepladderError(failed, kind="checks-failed")
