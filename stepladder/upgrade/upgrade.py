"""`inv project.upgrade`: plan, refuse what would lose somebody's work, write, read again, and say what comes next."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import git, project_origin
from stepladder.core.console import Console
from stepladder.core.errors import BadInputError, NotReadyError, RefusedError, StepladderError
from stepladder.upgrade import apply, entry, origin, report
from stepladder.upgrade.apply import FOLDER
from stepladder.upgrade.entry import PathEntry
from stepladder.upgrade.merge import MARKS
from stepladder.upgrade.prepare import PreparedUpgrade, prepare

PROPOSED = FOLDER / "proposed"
_SHOWN = 5


@dataclass(frozen=True)
class UpgradeOptions:
    """What a person may say: the version wanted and the one before, and what is decided about conflicts."""

    to: str = ""
    base: str = ""
    dry_run: bool = False
    allow_dirty: bool = False
    resolved: tuple[str, ...] = ()


def upgrade(project: Path, options: UpgradeOptions, console: Console) -> None:
    """Upgrade a project in place; commit nothing.

    Raises `RefusedError` when changes aren't committed, and `StepladderError` when files are in conflict: all else is
    upgraded then, and these files are as they were.
    """
    if not shutil.which("git"):
        hint = "install git (https://git-scm.com), then check it: `git --version`"
        raise NotReadyError("there is no git on PATH", kind="no-git", hint=hint)
    made = origin.read(project)
    if options.resolved:
        _check_alone(options, console)
        _resolve(project, made, options.resolved, console)
        return
    with apply.locked(project):
        if project_origin.is_half_upgraded(project):
            made = _resumed(project, options, console)
        with console.step("compare") as step:
            prepared = prepare(project, made, to=options.to, given_base=options.base)
            step.done(report.versions(prepared))
        applied = bool(prepared.writes) and not options.dry_run
        refusal = None if options.allow_dirty or prepared.is_empty else _dirty(project, made)
        if not console.as_json:
            report.show(prepared, console, proposed=PROPOSED)
        if refusal:
            refusal.record = {**report.record(prepared, project, applied=False, proposed=PROPOSED)}
            raise refusal
        if not options.dry_run:
            _write(project, prepared)
    record = report.record(prepared, project, applied=applied, proposed=PROPOSED)
    if prepared.plan.conflicts:
        raise _in_conflict(prepared, record, dry_run=options.dry_run)
    if console.as_json:
        console.json(record)
    elif applied:
        report.hint_next(project, console)


def _write(project: Path, prepared: PreparedUpgrade) -> None:
    if prepared.writes:
        apply.apply(project, prepared.writes)
        _verify(project, prepared)
    _propose(project, prepared)


def _check_alone(options: UpgradeOptions, console: Console) -> None:
    if options.to or options.base or options.dry_run or console.as_json:
        raise BadInputError(
            "--resolved goes with no other flag: it records a decision and changes no file",
            kind="bad-arguments",
            hint="`inv project.upgrade` shows what is left, with `--json` too",
        )


def _resumed(project: Path, options: UpgradeOptions, console: Console) -> origin.ProjectOrigin:
    if options.dry_run:
        raise RefusedError(
            "an upgrade of this project was cut off between two files",
            kind="upgrade-cut-off",
            hint="`inv project.upgrade` finishes it",
        )
    done, changed = apply.resume(project)
    console.line(f"finished the upgrade that was cut off: {len(done)} files")
    for path in changed:
        console.warn(f"{path} was changed since, and stays as it is; compare it: `git diff -- {path}`")
    return origin.read(project)


def _resolve(project: Path, made: origin.ProjectOrigin, resolved: Sequence[str], console: Console) -> None:
    """Take files out of the conflicts: they are as they are to be."""
    paths = [str(path) for path in made.unresolved.get("paths", ())]
    unknown = [path for path in resolved if path not in paths]
    if unknown:
        raise BadInputError(
            f"{', '.join(unknown)} is not in conflict; in conflict: {', '.join(paths) or 'nothing'}",
            kind="bad-arguments",
            hint="`inv project.upgrade` shows the conflicts",
        )
    marked = [path for path in resolved if _is_marked(entry.read(project, path).unix)]
    if marked:
        raise RefusedError(
            f"{git.named(marked)} still has the marks of a conflict, `<<<<<<<` and `>>>>>>>`",
            kind="upgrade-conflicts",
            hint=f"find them: `git grep --untracked -nE '^[<|>]{{7}} ' -- {' '.join(marked)}`",
        )
    left = [path for path in paths if path not in resolved]
    record = {key: value for key, value in made.record.items() if key != "unresolved"}
    if left:
        record["unresolved"] = {**made.unresolved, "paths": left}
    path = project / project_origin.FILE
    before = entry.read(project, project_origin.FILE)
    content = (json.dumps(record, indent=2, ensure_ascii=False) + "\n").encode()
    with apply.locked(project):
        apply.apply(project, [apply.FileWrite(project_origin.FILE, before, content, before.mode)], keep=True)
    for name in resolved:
        (project / PROPOSED / name).unlink(missing_ok=True)
    console.line(f"resolved: {', '.join(resolved)}")
    if left:
        console.hint(f"still in conflict: {', '.join(left)}; `inv project.upgrade` shows them")
    elif path.exists():
        report.hint_next(project, console)


def _is_marked(content: bytes) -> bool:
    return any(line.startswith(MARKS) for line in content.splitlines())


def _dirty(project: Path, made: origin.ProjectOrigin) -> StepladderError | None:
    """Return why this project may not be changed: what git doesn't have can't be brought back."""
    tree = git.tree(project, ["."])
    if tree is None:
        return RefusedError(
            "this project is in no git repository with a commit, so nothing could bring its files back",
            kind="uncommitted-changes",
            hint="`git init && git add -A && git commit -m 'Begin'`, or `inv project.upgrade --allow-dirty`",
        )
    in_conflict = made.unresolved.get("paths", ())
    changed = [
        each.path
        for each in tree.differences
        if not each.ignored
        and not (each.submodule and each.absent)  # holds nothing that could be lost
        and not each.path.startswith(f"{FOLDER.parts[0]}/")
        and each.path not in in_conflict
        and not _is_ours(project, each.path)
    ]
    if not changed:
        return None
    return RefusedError(
        f"these changes aren't committed: {git.named(changed)}",
        kind="uncommitted-changes",
        hint="commit them or `git stash` them; `inv project.upgrade --allow-dirty` merges into them",
    )


def _is_ours(project: Path, path: str) -> bool:
    """Say whether a change is what the last upgrade left; git names a folder that is new as a whole."""
    at = project / path
    names = [file.relative_to(project).as_posix() for file in at.rglob("*")] if path.endswith("/") else [path]
    return all(apply.is_written(project, name) for name in names if (project / name).is_file() or name == path)


def _verify(project: Path, prepared: PreparedUpgrade) -> None:
    wrong = [
        write.path
        for write in prepared.writes
        if entry.read(project, write.path).content != (write.after or b"")
        or (entry.read(project, write.path) == PathEntry("absent")) != (write.after is None)
    ]
    if wrong:
        raise StepladderError(
            f"these files aren't as they were written: {git.named(wrong)}", hint="run `inv project.upgrade` again"
        )


def _propose(project: Path, prepared: PreparedUpgrade) -> None:
    """Write what a file in conflict could become beside the project's own files, where git ignores it."""
    shutil.rmtree(project / PROPOSED, ignore_errors=True)
    for change in prepared.plan.conflicts:
        if change.proposed is not None:
            path = project / PROPOSED / change.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.proposed)


def _in_conflict(prepared: PreparedUpgrade, record: report.UpgradeRecord, *, dry_run: bool) -> StepladderError:
    paths = [change.path for change in prepared.plan.conflicts]
    files = f"{len(paths)} file{'s' if len(paths) > 1 else ''} {'would be ' if dry_run else ''}in conflict"
    flags = " ".join(f"--resolved {path}" for path in paths)
    error = StepladderError(
        f"{files}: {git.named(paths)}; nothing of yours {'would be' if dry_run else 'was'} overwritten",
        kind="upgrade-conflicts",
        hint="`inv project.upgrade` upgrades the others"
        if dry_run
        else f"edit them, then `inv project.upgrade {flags}`",
    )
    error.record = {**record}
    return error
