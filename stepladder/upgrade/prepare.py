"""Get both versions, render both, and compare them with the project. Nothing of the project is changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from stepladder.core import git, project_origin
from stepladder.core.errors import RefusedError
from stepladder.upgrade import entry, fetch, notes, origin, pin, plan
from stepladder.upgrade.apply import FOLDER, FileWrite
from stepladder.upgrade.fetch import VersionFiles
from stepladder.upgrade.merge import FileChange
from stepladder.upgrade.notes import VersionNotes
from stepladder.upgrade.origin import ProjectOrigin
from stepladder.upgrade.pin import LibraryPin, VersionSource
from stepladder.upgrade.plan import UpgradePlan
from stepladder.upgrade.render import Rendered, render

_T = TypeVar("_T")


@dataclass(frozen=True)
class PreparedUpgrade:
    """An upgrade as it would be: both versions, the plan, and all that is written, the records included."""

    before: VersionFiles
    now: VersionFiles
    plan: UpgradePlan
    writes: tuple[FileWrite, ...]
    requirement: str
    pinned: bool
    notes: tuple[VersionNotes, ...]
    added_answers: dict[str, Any]
    dropped_answers: tuple[str, ...]

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to do."""
        return not self.writes and not self.plan.conflicts


def prepare(project: Path, made: ProjectOrigin, *, to: str, given_base: str) -> PreparedUpgrade:
    """Compare the project with the version that made it and with the one that `to` names.

    Raises `BadInputError` for a version that isn't there, `NotReadyError` when one can't be reached, and `RefusedError`
    for one that is older than the project.
    """
    work, cache = project / FOLDER / "work", project / FOLDER / "git"
    shutil.rmtree(work, ignore_errors=True)
    try:
        pinned = pin.read(project)
        now_source = origin.target(to, made, pinned, cache, project)
        made = _at_conflicts(made, now_source)
        base_source = origin.base(made, given_base, pinned, cache)
        repositories = origin.repositories(
            cache, base_source, now_source, pinned.source if pinned else None, made.source
        )
        before, now = _both(
            lambda: _fetched(base_source, work / "before", repositories),
            lambda: _fetched(now_source, work / "now", repositories),
        )
        _refuse_older(before, now, [repository.folder for repository in repositories] + [cache])
        requirement = (pinned or LibraryPin("", now_source)).of(now_source)
        old = _rendered(before, base_source, made, work / "base", pinned.text if pinned else requirement)
        written = pinned.text if pinned and pinned.by_hand else requirement
        new = _rendered(now, now_source, made, work / "theirs", written)
        base, theirs = _both(old, new)
        return _compared(project, made, (before, now), (base, theirs), requirement, pinned)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _fetched(source: VersionSource, into: Path, repositories: list[fetch.CommitStore]) -> VersionFiles:
    running, files = fetch.running()
    if source.kind == "index" and source == running:
        return files  # needs no index
    return fetch.fetch(source, into, repositories)


def _rendered(
    files: VersionFiles, source: VersionSource, made: ProjectOrigin, into: Path, requirement: str
) -> Callable[[], Rendered]:
    checkout = made.record.get("checkout")
    return lambda: render(files, made.answers, into, source=source, requirement=requirement, checkout=checkout)


def _both(one: Callable[[], _T], other: Callable[[], _T]) -> tuple[_T, _T]:
    with ThreadPoolExecutor(2, thread_name_prefix="upgrade") as pool:
        first, second = pool.submit(one), pool.submit(other)
        return first.result(), second.result()


def _at_conflicts(made: ProjectOrigin, now: VersionSource) -> ProjectOrigin:
    """Go back to the version before for the files that are still in conflict. Raises `RefusedError` for a third one."""
    if not made.unresolved:
        return made
    folder_head = git.ask(Path(now.address), "rev-parse", "HEAD") if now.kind == "folder" else None
    same = now.ref if now.kind != "folder" else (folder_head or "").strip()
    recorded = made.source.ref if made.source else ""
    if same != recorded:
        names = " ".join(f"--resolved {path}" for path in _paths(made))
        raise RefusedError(
            f"files are still in conflict with the upgrade to {made.version}: {', '.join(_paths(made))}",
            kind="upgrade-conflicts",
            hint=f"edit them, then `inv project.upgrade {names}`",
        )
    before = {**made.record, **made.unresolved.get("from", {})}
    return ProjectOrigin(made.record, origin.recorded(before), made.answers, made.unresolved)


def _paths(made: ProjectOrigin) -> tuple[str, ...]:
    paths = made.unresolved.get("paths", ())
    return tuple(map(str, paths)) if isinstance(paths, list) else ()


def _refuse_older(before: VersionFiles, now: VersionFiles, folders: list[Path | None]) -> None:
    older = project_origin.order(now.version) < project_origin.order(before.version)
    if not older and now.version == before.version and now.commit and before.commit and now.commit != before.commit:
        ancestor = ("merge-base", "--is-ancestor", now.commit, before.commit)
        older = any(folder and folder.is_dir() and git.ask(folder, *ancestor) is not None for folder in folders)
    if older:
        raise RefusedError(
            f"{_named(now)} is older than {_named(before)}, which made this project",
            kind="older-version",
            hint="to go back, revert the commit of the upgrade: `git log --oneline -- .cruft.json`",
        )


def _named(files: VersionFiles) -> str:
    return f"stepladder {files.version}{f' ({files.commit[:12]})' if files.commit else ''}"


def _compared(
    project: Path,
    made: ProjectOrigin,
    versions: tuple[VersionFiles, VersionFiles],
    rendered: tuple[Rendered, Rendered],
    requirement: str,
    pinned: LibraryPin | None,
) -> PreparedUpgrade:
    before, now = versions
    base, theirs = (entry.tree(each.project) for each in rendered)
    only = frozenset(_paths(made)) if made.unresolved else None
    planned = plan.make(base, theirs, project, only)
    writes = [_write(change) for change in planned.writes]
    writes += [
        FileWrite(change.old_path, change.before, None)
        for change in planned.writes
        if change.old_path != change.path and change.old_path
    ]
    writes += _records(project, made, rendered[1], now, planned)
    same = bool(before.commit and before.commit == now.commit)
    version_notes = notes.between(notes.read(now.template), before.version, now.version, same=same)
    new = rendered[1]
    written = pinned is not None and not pinned.by_hand
    return PreparedUpgrade(
        before, now, planned, tuple(writes), requirement, written, version_notes, new.added, new.dropped
    )


def _write(change: FileChange) -> FileWrite:
    before = entry.PathEntry("absent") if change.action == "rename" else change.before
    return FileWrite(change.path, before, None if change.action == "delete" else change.after, change.mode)


def _records(
    project: Path, made: ProjectOrigin, new: Rendered, now: VersionFiles, planned: UpgradePlan
) -> list[FileWrite]:
    """Return what the project remembers of its version: the modules' hashes, and last `.cruft.json`."""
    modules_record, own_record = plan.RECORDS[1], plan.RECORDS[0]
    writes = []
    theirs = entry.read(new.project, modules_record)
    at = entry.read(project, modules_record)
    if at.state == "file" and theirs.state == "file" and at.unix != theirs.unix:
        writes.append(FileWrite(modules_record, at, theirs.content, at.mode))
    record = dict(project_origin.read(new.project / own_record) or {})
    extra = {key: value for key, value in made.record.items() if key not in record and key != "unresolved"}
    answers = record["context"]["cookiecutter"]
    answers["git_init"] = made.answers.get("git_init", answers.get("git_init", False))
    record = {**record, "version": now.version, **extra}
    conflicts = [change.path for change in planned.conflicts]
    if conflicts:
        came_from = made.unresolved.get("from") or {key: made.record.get(key) for key in ("template", "commit")}
        record["unresolved"] = {"from": came_from, "paths": conflicts}
    content = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
    at = entry.read(project, own_record)
    return [*writes, *([] if at.unix == content else [FileWrite(own_record, at, content, at.mode)])]
