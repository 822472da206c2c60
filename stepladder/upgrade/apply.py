"""Carry a plan out so that a kill leaves all of it or none: staged first, then a journal, then one rename a file.

`.stepladder/upgrade/` holds the staged files. Until the journal is there nothing of the project has changed. From then
on the next run finishes what this one began. A failure that is no kill is undone at once.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import files, project_origin
from stepladder.core.errors import LockedError, RefusedError, StepladderError
from stepladder.upgrade import entry
from stepladder.upgrade.entry import PathEntry

FOLDER = project_origin.UPGRADE
WRITTEN = "written.json"
"""What the last upgrade left in each file: these are no changes of a person's."""
_ABSENT = ""


@dataclass(frozen=True)
class FileWrite:
    """One path, what it has before and what it is to have; None deletes it."""

    path: str
    before: PathEntry
    after: bytes | None
    mode: int = 0o644


@contextlib.contextmanager
def locked(project: Path) -> Iterator[None]:
    """Let one upgrade at a time work on a project. Raises `LockedError` when another one does."""
    folder = project / FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            hint = "wait for it to end; nothing else removes this lock"
            raise LockedError("another upgrade of this project is running", hint=hint) from None
        yield


def apply(project: Path, writes: Sequence[FileWrite], *, keep: bool = False) -> None:
    """Write, move and delete all, or nothing. `keep`: what the upgrade before wrote counts as its own still.

    Raises `RefusedError` when a folder can't be written to, and `StepladderError` when a file changed meanwhile or
    can't be written; the project is as it was then.
    """
    folder = project / FOLDER
    for write in writes:
        _check(project, write)
    _clear(folder)
    try:
        rows = [_staged(folder, number, write) for number, write in enumerate(writes)]
        files.write_json(folder / project_origin.JOURNAL, {"files": rows})
    except OSError as error:
        _clear(folder)
        raise _failed(error, "nothing was changed") from error
    try:
        _carry_out(project, rows)
    except OSError as error:
        with contextlib.suppress(OSError):
            _undo(project, rows)
            _clear(folder)
        left = "some files are changed, and the next run finishes it"
        raise _failed(error, left if project_origin.is_half_upgraded(project) else "every file is as it was") from error
    _finish(project, rows, files.read_json(folder / WRITTEN) if keep else {})


def resume(project: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Finish an upgrade that was cut off.

    Return the paths that it changes, and those that somebody changed since: these stay as they are.
    """
    rows = _rows(project)
    changed = [row for row in rows if _hash(entry.read(project, row["path"])) not in (row["before"], row["after"])]
    done = [row for row in rows if row not in changed]
    _carry_out(project, done)
    _finish(project, done, {})
    return tuple(row["path"] for row in done), tuple(row["path"] for row in changed)


def is_written(project: Path, path: str) -> bool:
    """Say whether a path is as the last upgrade left it."""
    left = files.read_json(project / FOLDER / WRITTEN)
    return path in left and left[path] == _hash(entry.read(project, path))


def _rows(project: Path) -> list[dict[str, Any]]:
    rows = files.read_json(project / FOLDER / project_origin.JOURNAL).get("files")
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _check(project: Path, write: FileWrite) -> None:
    if entry.read(project, write.path) != write.before:
        raise StepladderError(
            f"{write.path} changed while the upgrade was planned", kind="failed", hint="run `inv project.upgrade` again"
        )
    at = (project / write.path).parent
    while not at.exists():
        at = at.parent
    if not os.access(at, os.W_OK | os.X_OK):
        raise RefusedError(
            f"{write.path} can't be written: {at} is read-only for this user; nothing was changed",
            hint=f"allow it: `chmod u+w {at}`",
        )


def _staged(folder: Path, number: int, write: FileWrite) -> dict[str, Any]:
    """Keep a file's old content, and its new one ready to be renamed; return its line of the journal."""
    if write.before.state == "file":
        _write(folder / "before" / str(number), write.before.content, write.before.mode)
    if write.after is not None:
        _write(folder / "after" / str(number), write.after, write.mode)
    return {
        "path": write.path,
        "number": number,
        "before": _hash(write.before),
        "after": _ABSENT if write.after is None else _digest(write.after),
    }


def _write(path: Path, content: bytes, mode: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(mode)


def _carry_out(project: Path, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        target = project / row["path"]
        if _hash(entry.read(project, row["path"])) == row["after"]:
            continue
        if row["after"] == _ABSENT:
            target.unlink(missing_ok=True)
            _remove_empty(target.parent, project)
        else:
            _replace(project / FOLDER / "after" / str(row["number"]), target)


def _undo(project: Path, rows: Sequence[dict[str, Any]]) -> None:
    for row in rows:
        target = project / row["path"]
        if _hash(entry.read(project, row["path"])) == row["before"]:
            continue
        if row["before"] == _ABSENT:
            target.unlink(missing_ok=True)
            _remove_empty(target.parent, project)
        else:
            _replace(project / FOLDER / "before" / str(row["number"]), target)


def _replace(source: Path, target: Path) -> None:
    """Rename a copy of a file over another: the staged one stays, so that this can be done again."""
    target.parent.mkdir(parents=True, exist_ok=True)
    next_to = target.with_name(f".{target.name}.upgrade")
    try:
        os.link(source, next_to)
    except OSError:  # another file system, or one without hard links
        shutil.copy2(source, next_to)
    try:
        next_to.replace(target)
    except BaseException:
        next_to.unlink(missing_ok=True)
        raise
    next_to.unlink(missing_ok=True)  # rename(2) does nothing when both are links to one file


def _remove_empty(folder: Path, project: Path) -> None:
    while folder != project and not any(folder.iterdir()):
        folder.rmdir()
        folder = folder.parent


def _finish(project: Path, rows: Sequence[dict[str, Any]], written: dict[str, Any]) -> None:
    folder = project / FOLDER
    files.write_json(folder / WRITTEN, written | {row["path"]: row["after"] for row in rows})
    _clear(folder)


def _clear(folder: Path) -> None:
    (folder / project_origin.JOURNAL).unlink(missing_ok=True)
    for name in ("before", "after"):
        shutil.rmtree(folder / name, ignore_errors=True)


def _hash(at_path: PathEntry) -> str:
    if at_path.state == "absent":
        return _ABSENT
    return _digest(at_path.content) if at_path.state == "file" else at_path.state


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _failed(error: OSError, state: str) -> StepladderError:
    return StepladderError(
        f"the upgrade can't be written ({error.strerror or error}); {state}",
        hint="make room on the disk, then run `inv project.upgrade` again",
    )
