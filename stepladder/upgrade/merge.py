"""Merge one file of three: as the template had it (base), as it has it now (theirs), as the project has it (ours)."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stepladder.core import process
from stepladder.upgrade.entry import WORDS, PathEntry

Action = Literal["add", "conflict", "delete", "kept", "merge", "rename", "replace"]
ABSENT = PathEntry("absent")
_DEADLINE = 30.0
_MOST_CONFLICTS = 127
_LABELS = ("this project", "the template before", "the template now")
MARKS = tuple(f"{sign * 7} {label}".encode() for sign, label in zip("<|>", _LABELS, strict=True))
"""How the lines begin that `merge_lines` puts around each side of a conflict."""


@dataclass(frozen=True)
class FileChange:
    """What happens to one path.

    `before` is what the project has; `after` is its content then, None where it is deleted or stays. `kept` says why a
    file stays as it is without a conflict. A conflict has `why`, what the template changed (`base`, `theirs`), and
    `proposed`: the file with marks where both sides changed the same lines.
    """

    path: str
    action: Action
    before: PathEntry = ABSENT
    after: bytes | None = None
    mode: int = 0o644
    old_path: str = ""
    why: str = ""
    base: PathEntry = ABSENT
    theirs: PathEntry = ABSENT
    proposed: bytes | None = None


def merge(path: str, base: PathEntry, theirs: PathEntry, ours: PathEntry) -> FileChange | None:
    """Decide about one path; None when nothing happens. Nothing of the project's is ever overwritten by a conflict."""
    if theirs.unix == base.unix and theirs.state == base.state:
        return None
    if ours.state not in {"absent", "file"}:
        return _conflict(path, base, theirs, ours, f"it is {WORDS[ours.state]} here")
    if theirs.state == "absent":
        return _removed(path, base, theirs, ours)
    if ours.state == "absent":
        is_new = base.state == "absent"
        added = FileChange(path, "add", ours, theirs.content, theirs.mode)
        return added if is_new else FileChange(path, "kept", why="it was deleted in this project, and stays so")
    return None if ours.unix == theirs.unix else _merged(path, base, theirs, ours)


def _merged(path: str, base: PathEntry, theirs: PathEntry, ours: PathEntry) -> FileChange | None:
    """Merge a file that differs on all three sides, or that one side alone changed."""
    if base.state == "absent":
        return _conflict(path, base, theirs, ours, "this project has a file of that name, and the template a new one")
    if ours.unix == base.unix:
        return FileChange(path, "replace", ours, ours.as_lines_of(theirs.content), ours.mode)
    if not (ours.is_text and base.is_text and theirs.is_text):
        return _conflict(path, base, theirs, ours, "it is binary, and both sides changed it")
    merged, conflicts = merge_lines(base.unix, theirs.unix, ours.unix)
    if conflicts:
        return _conflict(path, base, theirs, ours, f"both sides changed the same lines, in {conflicts}", merged)
    same = merged == ours.unix
    return None if same else FileChange(path, "merge", ours, ours.as_lines_of(merged), ours.mode)


def _removed(path: str, base: PathEntry, theirs: PathEntry, ours: PathEntry) -> FileChange | None:
    if ours.state == "absent":
        return None
    if ours.unix == base.unix:
        return FileChange(path, "delete", ours, mode=ours.mode)
    return _conflict(path, base, theirs, ours, "the template has it no longer, and this project changed it")


def _conflict(
    path: str, base: PathEntry, theirs: PathEntry, ours: PathEntry, why: str, proposed: bytes | None = None
) -> FileChange:
    if proposed is None and theirs.state == "file":
        proposed = theirs.content
    return FileChange(path, "conflict", ours, why=why, base=base, theirs=theirs, proposed=proposed)


def merge_lines(base: bytes, theirs: bytes, ours: bytes) -> tuple[bytes, str]:
    """Merge lines by `git merge-file`; return the result and, when it has conflicts, how many places have one.

    https://git-scm.com/docs/git-merge-file: the exit code is the number of conflicts, at most 127.
    """
    with tempfile.TemporaryDirectory(prefix="stepladder-merge-") as name:
        folder = Path(name)
        files = [folder / each for each in ("ours", "base", "theirs")]
        for file, content in zip(files, (ours, base, theirs), strict=True):
            file.write_bytes(content)
        named = [argument for label in _LABELS for argument in ("-L", label)]
        argv = ["git", "merge-file", "--quiet", "--diff3", *named, *map(str, files)]
        done = process.run(argv, cwd=folder, timeout=_DEADLINE)
        if done.code > _MOST_CONFLICTS:
            return theirs, "unknown places"
        conflicts = f"{done.code} place{'s' if done.code > 1 else ''}"
        return files[0].read_bytes(), conflicts if done.code else ""
