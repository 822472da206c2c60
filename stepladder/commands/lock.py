"""Write the lock: what `requirements.in` asks for, with hashes, for every platform, from the project's Python on."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from stepladder.commands import audit_report
from stepladder.commands.checks import tool
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError
from stepladder.images import builder
from stepladder.images.requirements import cooldown, dependencies, read, uv_errors
from stepladder.images.requirements import lock as locks
from stepladder.images.requirements.cooldown import Cooldown, Resolution
from stepladder.images.requirements.read import Requirements
from stepladder.settings import functions
from stepladder.settings.load import Settings

_DEADLINE = 300.0
_SHOWN = 8
_OPTIONS = (
    *("--universal", "--generate-hashes", "--no-strip-extras", "--no-emit-index-url", "--color", "never"),
    *("--emit-index-annotation", "--custom-compile-command", locks.BY_US),
)


def run(settings: Settings, console: Console, function: str = "", *, upgrade: bool, check: bool) -> None:
    """Write the locks, or with `check` only say what is wrong with them. A record is printed of a check."""
    if not check and console.as_json:
        raise BadInputError("--json is for the check of a lock", kind="bad-arguments", hint="`inv lock --check --json`")
    if check and upgrade:
        raise BadInputError(
            "--check changes nothing, and --upgrade does",
            kind="bad-arguments",
            hint="`inv lock --check`, or `inv lock --upgrade`",
        )
    if not check:
        write_all(settings, console, function, upgrade=upgrade)
        return
    record = audit_report.check(settings, console, function)
    if console.as_json:
        console.json(asdict(record))


def write_all(settings: Settings, console: Console, function: str = "", *, upgrade: bool) -> None:
    """Write the lock of each context, or of the function that `--function` says, and name known vulnerabilities.

    A function with an image of its own need not have packages: without a requirements.in it is passed over, unless it
    was named.
    """
    contexts = {view.image.context: view for view in functions.views(settings, function).values()}
    own = settings.whole.image.context
    for context, view in contexts.items():
        if function or context == own or (view.root / context / "requirements.in").is_file():
            write(view, console, upgrade=upgrade)
            audit_report.warn(view, console)


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
        before = _versions(lock)
        section = settings.supply_chain
        wait = Cooldown(section.cooldown_days, section.cooldown_exceptions)
        resolution = cooldown.resolve(argv, folder, made, wait, _DEADLINE)
        if resolution.too_young:
            raise cooldown.refusal(resolution.too_young, wait)
        if resolution.done.code:
            raise uv_errors.explained(resolution.done.err, wanted.requirements, target)
        origins = cooldown.take_origins(made)
        _check_wheels(settings, console, made, wanted, target)
        locks.check_hashes(wanted, read.read(made))
        made.replace(lock)
        step.done(f"{_count(lock)} packages in {settings.image.context}/requirements.txt")
    if wait.days:
        _show_cooldown(console, wait, resolution, origins, cooldown.went_back(before, _versions(lock)))


def _show_cooldown(
    console: Console, wait: Cooldown, resolution: Resolution, origins: dict[str, str], back: list[str]
) -> None:
    """Say for which packages the cooldown couldn't hold, and which it took back."""
    days = f"the cooldown of {wait.days} days"
    locked = [name for name in resolution.undated if name in origins]
    if locked:
        console.warn(f"{days} doesn't hold for {_named(locked)}: the index gives no times of upload")
    if inside := cooldown.from_folders(origins, resolution.undated):
        console.warn(f"{days} doesn't hold for {_named(inside)}, from a folder of packages")
    for line in back:
        console.warn(f"{line}: {days}, or what is asked for, allows no newer version")


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _versions(lock: Path) -> dict[str, str]:
    """Return the locked version of each package; nothing for a lock that isn't there or can't be read."""
    try:
        return {each.key: each.version for each in read.read(lock).requirements if each.version}
    except (OSError, BadInputError):
        return {}


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
