"""What an upgrade changes: every file of the template, before and now, beside the project's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from pathlib import Path, PurePosixPath

from stepladder.core import project_origin
from stepladder.upgrade import entry
from stepladder.upgrade.entry import PathEntry
from stepladder.upgrade.merge import ABSENT, FileChange, merge

OWN = ("function/app/**", "function/requirements.in", "function/requirements.txt", "tests/**")
"""What is the project's own from its first day: the template wrote an example there."""
NOT_OWN = ("tests/conftest.py",)
RECORDS = (project_origin.FILE, (project_origin.MODULES / project_origin.MODULES_FILE).as_posix())
"""Written, not merged."""
_ALIKE = 0.6
_MOST = 400_000  # bytes of a file that is compared for a rename


@dataclass(frozen=True)
class UpgradePlan:
    """What happens to each path, in the order of the paths."""

    changes: tuple[FileChange, ...]

    @property
    def conflicts(self) -> tuple[FileChange, ...]:
        """The files that stay as they are although the template changed them."""
        return tuple(change for change in self.changes if change.action == "conflict")

    @property
    def writes(self) -> tuple[FileChange, ...]:
        """The files that are written, moved or deleted."""
        return tuple(change for change in self.changes if change.action not in {"conflict", "kept"})


def is_own(path: str) -> bool:
    """Say whether a path holds the project's own code, which no template changes."""
    at = PurePosixPath(path)
    inside = any(at.is_relative_to(name.removesuffix("/**")) if "**" in name else path == name for name in OWN)
    return inside and path not in NOT_OWN


def make(
    base: Mapping[str, PathEntry], theirs: Mapping[str, PathEntry], project: Path, only: frozenset[str] | None
) -> UpgradePlan:
    """Compare two renderings with a project; `only` limits it to some paths. Nothing is changed."""
    left_out = {path for path in base.keys() | theirs.keys() if is_own(path) or path in RECORDS}
    names = sorted((base.keys() | theirs.keys()) - left_out)
    renamed = _renames(base, theirs, left_out)
    changes: list[FileChange] = []
    for path in names:
        if path in renamed.values():
            continue
        if path in renamed:
            changes += _followed(path, renamed[path], base, theirs, project)
            continue
        change = merge(path, base.get(path, ABSENT), theirs.get(path, ABSENT), entry.read(project, path))
        changes += [change] if change else []
    if only is not None:
        changes = [change for change in changes if only & {change.path, change.old_path}]
    return UpgradePlan(tuple(sorted(changes, key=lambda change: change.path)))


def _followed(
    old: str, new: str, base: Mapping[str, PathEntry], theirs: Mapping[str, PathEntry], project: Path
) -> Iterator[FileChange]:
    """Merge a file that the template renamed: the project's old file with the template's new one."""
    at_old, at_new = entry.read(project, old), entry.read(project, new)
    if at_old.state == at_new.state == "file" and (project / old).samefile(project / new):
        # names that differ in case alone are one file on macOS: it keeps the name that it has
        change = merge(old, base[old], theirs[new], at_old)
        yield from [change] if change else []
        return
    if at_old.state == "absent" and at_new.state == "absent":
        yield FileChange(new, "kept", old_path=old, why=f"it was {old}, which was deleted in this project")
    elif at_old.state == "absent":
        change = merge(new, base[old], theirs[new], at_new)
        if change:
            yield change
    elif at_new.state == "absent":
        change = merge(new, base[old], theirs[new], at_old)
        content = at_old.content if change is None else change.after
        if change and change.action == "conflict":
            yield replace(change, path=old, why=f"the template has it as {new} now; {change.why}")
        elif content is not None:
            yield FileChange(new, "rename", at_old, content, at_old.mode, old_path=old)
    else:
        own = merge(new, ABSENT, theirs[new], at_new)
        if own:
            yield replace(own, why=f"{own.why}; {old} became it and stays: delete it when both are merged")
        elif dropped := merge(old, base[old], ABSENT, at_old):
            yield dropped


def _renames(base: Mapping[str, PathEntry], theirs: Mapping[str, PathEntry], left_out: set[str]) -> dict[str, str]:
    """Pair what the template has no longer with what it has newly, by how much of their lines is the same."""
    gone = [path for path in base if path not in theirs and path not in left_out]
    new = [path for path in theirs if path not in base and path not in left_out]
    scored = sorted(
        ((_likeness(base[old], theirs[path]), old, path) for old in gone for path in new),
        key=lambda each: (-each[0], each[1:]),
    )
    pairs: dict[str, str] = {}
    for likeness, old, path in scored:
        if likeness >= _ALIKE and old not in pairs and path not in pairs.values():
            pairs[old] = path
    return pairs


def _likeness(one: PathEntry, other: PathEntry) -> float:
    if one.content == other.content:
        return 1.0 if one.content else 0.0
    if not (one.is_text and other.is_text) or max(len(one.content), len(other.content)) > _MOST:
        return 0.0
    lines = SequenceMatcher(None, one.unix.splitlines(), other.unix.splitlines(), autojunk=False)
    return lines.ratio() if lines.quick_ratio() >= _ALIKE else 0.0
