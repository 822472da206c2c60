"""What each version changes in a project: the notes that stand beside its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import project_origin

FILE = "upgrade.yaml"
NEXT = "unreleased"
PARTS = {"changes": "changes", "terraform": "Terraform", "by_hand": "by hand"}
"""Keys of a version's notes, and how each is headed."""


@dataclass(frozen=True)
class VersionNotes:
    """What a version changes, what Terraform will do, and what a person has to do."""

    version: str
    changes: tuple[str, ...] = ()
    terraform: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()


def read(template: Path) -> tuple[VersionNotes, ...]:
    """Read the notes of a template, the oldest version first; none when it has none."""
    import yaml

    path = template / FILE
    try:
        declared = yaml.safe_load(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, yaml.YAMLError):
        return ()
    return tuple(sorted(map(_notes, (declared or {}).items()), key=lambda each: _order(each.version)))


def between(notes: tuple[VersionNotes, ...], before: str, now: str, *, same: bool) -> tuple[VersionNotes, ...]:
    """Return the notes of the versions after one, up to another; what isn't released belongs to a commit after it.

    `same`: both are the same commit.
    """
    lower, upper = project_origin.order(before), project_origin.order(now)
    released = [each for each in notes if each.version != NEXT and lower < project_origin.order(each.version) <= upper]
    known = {each.version for each in notes} - {NEXT}
    unreleased = [each for each in notes if each.version == NEXT and not same and now not in known]
    return (*released, *unreleased)


def _order(version: str) -> tuple[Any, ...]:
    return (1,) if version == NEXT else (0, project_origin.order(version))


def _notes(item: tuple[Any, Any]) -> VersionNotes:
    version, parts = item
    given = parts if isinstance(parts, Mapping) else {}
    return VersionNotes(str(version), **{key: tuple(map(str, given.get(key) or ())) for key in PARTS})
