"""Write the lock: what `requirements.in` asks for, with hashes, for every platform, from the project's Python on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from stepladder.commands.checks import tool
from stepladder.core import process
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.images import builder
from stepladder.images.requirements import dependencies, read, uv_errors
from stepladder.images.requirements import lock as locks
from stepladder.images.requirements.read import Requirements
from stepladder.settings import functions
from stepladder.settings.load import Settings

_DEADLINE = 300.0
_OPTIONS = (
    *("--universal", "--generate-hashes", "--no-strip-extras", "--no-emit-index-url", "--quiet", "--color", "never"),
    *("--custom-compile-command", locks.BY_US),
)


def write_all(settings: Settings, console: Console, function: str = "", *, upgrade: bool) -> None:
    """Write the lock of each context, or of the function that `--function` says.

    A function with an image of its own need not have packages: without a requirements.in it is passed over, unless it
    was named.
    """
    contexts = {view.image.context: view for view in functions.views(settings, function).values()}
    own = settings.whole.image.context
    for context, view in contexts.items():
        if function or context == own or (view.root / context / "requirements.in").is_file():
            write(view, console, upgrade=upgrade)


def write(settings: Settings, console: Console, *, upgrade: bool) -> None:
    """Write requirements.txt from requirements.in, unless a builder couldn't take what would be in it.

    Raises `BadInputError` for what has no hash (an editable, a folder, a repository), what doesn't exist, and what has
    no wheel for the function; the lock stays as it was then. With the Docker builder a package without a wheel is the
    Dockerfile's to build, and only warned of.
    """
    folder = settings.root / settings.image.context
    wanted = _wanted(settings)
    for requirement in wanted.requirements:
        if requirement.url.startswith(("file:", "/")):
            console.warn(f"{requirement.where}: {requirement.text}: other machines haven't got this file")
    target, lock = (
        dependencies.WheelTarget.of_lambda(settings.python, settings.architecture),
        folder / "requirements.txt",
    )
    with console.step("lock") as step, _temporary(lock) as made:
        argv = [
            tool("uv"),
            "pip",
            "compile",
            *_OPTIONS,
            "--python-version",
            settings.python,
            "--python",
            sys.executable,
        ]
        argv += ["--output-file", str(made), *(("--upgrade",) if upgrade else ()), "requirements.in"]
        done = process.run(argv, cwd=folder, timeout=_DEADLINE)
        if done.code:
            raise uv_errors.explained(done.err, wanted.requirements, target)
        _check_wheels(settings, console, made, wanted, target)
        locks.check_hashes(wanted, read.read(made))
        made.replace(lock)
        step.done(f"{_count(lock)} packages in {settings.image.context}/requirements.txt")


@contextlib.contextmanager
def _temporary(lock: Path) -> Iterator[Path]:
    """Give a copy of the lock in its folder: paths in it are relative, and its versions are kept while they may be."""
    handle, name = tempfile.mkstemp(dir=lock.parent, prefix=".requirements.", suffix=".txt")
    os.close(handle)
    made = Path(name)
    try:
        if lock.is_file():
            shutil.copyfile(lock, made)
        made.chmod(0o644)
        yield made
    finally:
        made.unlink(missing_ok=True)


def _wanted(settings: Settings) -> Requirements:
    where = settings.image.context
    try:
        wanted = read.read(settings.root / where / "requirements.in", f"{where}/requirements.in")
    except FileNotFoundError:
        raise BadInputError(
            f"there is no {where}/requirements.in",
            kind="bad-requirements",
            hint=f"write `{where}/requirements.in`: what the function needs, a package a line",
        ) from None
    locks.validate(wanted)
    odd = [(requirement, dependencies.unlockable(requirement)) for requirement in wanted.requirements]
    problems = [*wanted.unknown, *(f"{one.where}: {one.text}: {why}" for one, why in odd if why)]
    if problems:
        raise BadInputError(
            f"{where}/requirements.in asks for what can't be locked",
            kind="bad-requirements",
            hint="name a released version, or a wheel by its URL or path; code of your own belongs into "
            f"{where}/, where the `Dockerfile` copies it from",
            problems=tuple(problems),
        )
    return wanted


def _check_wheels(
    settings: Settings, console: Console, made: Path, wanted: Requirements, target: dependencies.WheelTarget
) -> None:
    try:
        dependencies.check_wheels(made, target, wanted.requirements)
    except BadInputError as error:
        if not builder.builds_from_source(settings):
            raise
        console.warn(f"{error.message}; the Dockerfile has to build it")


def _count(lock: Path) -> int:
    return len(read.read(lock).requirements)
