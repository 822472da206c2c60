"""Compare what `requirements.in` asks for with what `requirements.txt` locks; offline.

Packaging's own code for versions and markers is imported only when one of the two has changed since they last agreed.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stepladder import files
from stepladder.errors import BadInputError
from stepladder.settings import Settings

if TYPE_CHECKING:
    from stepladder.images.requirements import Requirement, Requirements

BY_US = "inv lock"
"""What the first lines of a lock say that we wrote: such a one keeps the extras, so that they can be compared."""

_VERSION = 1  # raise it when more is compared
_MACHINE = {"arm64": "aarch64", "x86_64": "x86_64"}


def check(settings: Settings) -> None:
    """Raise `BadInputError` when the lock lacks something that is asked for. Without a `requirements.in`, never."""
    folder = settings.root / settings.image.context
    asked_for, locked = folder / "requirements.in", folder / "requirements.txt"
    if not asked_for.is_file():
        return
    stamp = settings.build_dir / "lock.json"
    if _agreed(settings, files.read_json(stamp)):
        return
    from stepladder.images import requirements

    where = settings.image.context
    asked = requirements.read(asked_for, f"{where}/requirements.in")
    empty = requirements.Requirements()
    lock = requirements.read(locked, f"{where}/requirements.txt") if locked.is_file() else empty
    keeps_extras = any(BY_US in content[:200] for content in lock.files.values())
    if problems := _unmet(asked, lock, settings, keeps_extras=keeps_extras):
        raise BadInputError(
            f"{where}/requirements.txt doesn't lock what {where}/requirements.in asks for",
            hint="`inv lock` locks it",
            problems=tuple(problems),
        )
    read = {os.path.relpath(path, settings.root): _hash(path) for path in (*asked.files, *lock.files)}
    with contextlib.suppress(OSError):  # a note that saves the next run some milliseconds
        files.write_json(stamp, {"files": read, "for": _for(settings)})


def _agreed(settings: Settings, note: Mapping[str, Any]) -> bool:
    """Say whether every file that was read when the two agreed is as it was."""
    read = note.get("files")
    if note.get("for") != _for(settings) or not isinstance(read, dict):
        return False
    lock = f"{settings.image.context}/requirements.txt"
    there = lock in read or not (settings.root / lock).exists()
    return there and all(_hash(settings.root / path) == known for path, known in read.items())


def _for(settings: Settings) -> list[str]:
    return [str(_VERSION), settings.python, settings.architecture, settings.image.context]


def _hash(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def validate(asked: Requirements) -> None:
    """Raise `BadInputError` for the first line whose versions or marker can't be read."""
    for requirement in (*asked.requirements, *asked.constraints):
        _applies(requirement, {})
        fits(requirement, requirement)


def _unmet(asked: Requirements, lock: Requirements, settings: Settings, *, keeps_extras: bool) -> list[str]:
    environment = _environment(settings)
    ordered = sorted(lock.requirements, key=lambda entry: _applies(entry, environment))
    locked = {_name(entry): entry for entry in ordered}  # of several, one that applies comes last, and stays
    problems = []
    for requirement in asked.requirements:
        if _applies(requirement, environment):
            entry = locked.get(_name(requirement))
            there = entry if entry and _applies(entry, environment) else None
            why = _difference(requirement, there, keeps_extras=keeps_extras)
            problems += [f"{requirement.where}: {requirement.text}: {why}"] if why else []
    for limit in asked.constraints:
        entry = locked.get(_name(limit))
        if entry and _applies(limit, environment) and not fits(limit, entry):
            problems.append(f"{limit.where}: {limit.text}: locked is {entry.version}")
    return problems


def _difference(asked: Requirement, entry: Requirement | None, *, keeps_extras: bool) -> str:
    """Say what a lock's entry lacks; an empty string when it is what is asked for."""
    if entry is None:
        return "not locked"
    if asked.url and _file(asked.url) != _file(entry.url):
        return f"locked is {entry.text}"
    if not fits(asked, entry):
        return f"locked is {entry.version}"
    missing = asked.extras - entry.extras if entry.extras or keeps_extras else ()
    return f"locked without {', '.join(sorted(missing))}" if missing else ""


def _applies(requirement: Requirement, environment: Mapping[str, str]) -> bool:
    from packaging.markers import InvalidMarker, Marker

    try:
        return not requirement.marker or Marker(requirement.marker).evaluate(dict(environment) or None)
    except InvalidMarker:
        raise _invalid(requirement) from None


def fits(requirement: Requirement, entry: Requirement) -> bool:
    """Say whether a locked entry's version is one that a requirement allows."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet
    from packaging.version import InvalidVersion

    try:
        specifier = SpecifierSet(requirement.specifier)
        return not entry.version or specifier.contains(entry.version, prereleases=True)
    except InvalidSpecifier:
        raise _invalid(requirement) from None
    except InvalidVersion:  # `===` takes any text
        return requirement.version == entry.version


def _invalid(requirement: Requirement) -> BadInputError:
    return BadInputError(f"{requirement.where}: {requirement.text} is no requirement", hint=f"fix {requirement.where}")


def _name(requirement: Requirement) -> str:
    return requirement.key or _file(requirement.url)


def _file(url: str) -> str:
    return Path(url.partition("#")[0]).name


def _environment(settings: Settings) -> dict[str, str]:
    """Return what markers see in Lambda: https://packaging.python.org/en/latest/specifications/dependency-specifiers/."""
    version = f"{settings.python}.0"
    return {
        "implementation_name": "cpython",
        "implementation_version": version,
        "os_name": "posix",
        "platform_machine": _MACHINE[settings.architecture],
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": version,
        "python_version": settings.python,
        "sys_platform": "linux",
    }
