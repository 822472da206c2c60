"""What a person, or a program, reads of an upgrade."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher, unified_diff
from pathlib import Path
from typing import Any, TypedDict

from stepladder.core.console import Console
from stepladder.core.tables import Cell
from stepladder.core.text import without_credentials
from stepladder.upgrade.fetch import VersionFiles
from stepladder.upgrade.merge import Action, FileChange
from stepladder.upgrade.notes import PARTS, VersionNotes
from stepladder.upgrade.prepare import PreparedUpgrade

ACTIONS = {
    "add": "new",
    "conflict": "conflict",
    "delete": "deleted",
    "kept": "stays deleted",
    "merge": "merged",
    "rename": "renamed",
    "replace": "replaced",
}
_COLOURS = {"conflict": "red", "kept": "dim", "merge": "cyan"}
_LONGEST = 80  # lines of a diff


def versions(prepared: PreparedUpgrade) -> str:
    """Say from which version to which."""
    return f"{_named(prepared.before)} -> {_named(prepared.now)}"


def show(prepared: PreparedUpgrade, console: Console, *, proposed: Path) -> None:
    """Print each file, the conflicts with what the template changed, and the notes of the versions."""
    if prepared.is_empty:
        console.line("nothing to change: the project is as this version makes it")
        return
    if prepared.plan.changes:
        console.table(["file", "what", "lines"], [_row(change) for change in prepared.plan.changes])
    if not prepared.pinned:
        console.warn(
            f"pyproject.toml is left to you: it should depend on `{without_credentials(prepared.requirement)}`"
        )
    for key, value in prepared.added_answers.items():
        console.line(f"new answer: {key} is {value!r}, the default; `.cruft.json` records it")
    for key in prepared.dropped_answers:
        console.line(f"this version has no use for the answer {key}")
    for change in prepared.plan.conflicts:
        _show_conflict(change, console, proposed)
    for version in prepared.notes:
        _show_notes(version, console)


def _show_notes(version: VersionNotes, console: Console) -> None:
    for key, name in PARTS.items():
        lines = getattr(version, key)
        if lines:
            console.heading(f"{version.version}: {name}")
        for line in lines:
            console.line(f"  {line}")


def _row(change: FileChange) -> list[Any]:
    path = f"{change.old_path} -> {change.path}" if change.old_path and change.action == "rename" else change.path
    added, removed = _counts(change)
    lines = f"+{added} -{removed}" if change.action not in {"conflict", "kept"} else ""
    return [path, Cell(ACTIONS[change.action], _COLOURS.get(change.action, "")), lines]


def _counts(change: FileChange) -> tuple[int, int]:
    """Count lines as `git diff --stat` does."""
    old, new = change.before.unix.splitlines(), (change.after or b"").replace(b"\r\n", b"\n").splitlines()
    codes = SequenceMatcher(None, old, new, autojunk=False).get_opcodes()
    changed = [code for code in codes if code[0] != "equal"]
    return sum(code[4] - code[3] for code in changed), sum(code[2] - code[1] for code in changed)


def _show_conflict(change: FileChange, console: Console, proposed: Path) -> None:
    console.heading(f"conflict: {change.path}")
    console.line(f"{change.why}; it stays as it is")
    diff = list(_diff(change))
    for line in diff[:_LONGEST]:
        console.line(f"  {line}")
    if len(diff) > _LONGEST:
        console.line(f"  ... {len(diff) - _LONGEST} more lines")
    if change.proposed is not None:
        console.line(f"a proposal is in {(proposed / change.path).as_posix()}")


def _diff(change: FileChange) -> Iterator[str]:
    """Yield what the template changed in a file."""
    old, new = (each.unix.decode(errors="replace").splitlines() for each in (change.base, change.theirs))
    if change.base.is_text and change.theirs.is_text:
        yield from unified_diff(old, new, "the template before", "the template now", lineterm="")


class VersionRecord(TypedDict):
    """A version of stepladder; its commit where git has it."""

    version: str
    commit: str | None


class ChangeRecord(TypedDict):
    """What happens to one file; `proposed` is where a proposal lies."""

    path: str
    action: Action
    old_path: str | None
    added: int
    removed: int
    why: str | None
    proposed: str | None


class NotesRecord(TypedDict):
    """What a version changes, what Terraform will do, and what a person has to do."""

    version: str
    changes: list[str]
    terraform: list[str]
    by_hand: list[str]


UpgradeRecord = TypedDict(
    "UpgradeRecord",
    {
        "from": VersionRecord,
        "to": VersionRecord,
        "applied": bool,
        "requirement": str,
        "changes": list[ChangeRecord],
        "conflicts": list[str],
        "notes": list[NotesRecord],
        "next": list[str],
    },
)
"""What `inv project.upgrade --json` prints; `applied` is false after a dry run and when nothing was left to do."""


def record(prepared: PreparedUpgrade, project: Path, *, applied: bool, proposed: Path) -> UpgradeRecord:
    """Return what `--json` prints."""
    return {
        "from": _version(prepared.before),
        "to": _version(prepared.now),
        "applied": applied,
        "requirement": without_credentials(prepared.requirement),
        "changes": [_change(change, proposed) for change in prepared.plan.changes],
        "conflicts": [change.path for change in prepared.plan.conflicts],
        "notes": [_notes(each) for each in prepared.notes],
        "next": next_commands(project) if applied else [],
    }


def _notes(notes: VersionNotes) -> NotesRecord:
    return {
        "version": notes.version,
        "changes": list(notes.changes),
        "terraform": list(notes.terraform),
        "by_hand": list(notes.by_hand),
    }


def _change(change: FileChange, proposed: Path) -> ChangeRecord:
    added, removed = _counts(change) if change.action not in {"conflict", "kept"} else (0, 0)
    return {
        "path": change.path,
        "action": change.action,
        "old_path": change.old_path or None,
        "added": added,
        "removed": removed,
        "why": change.why or None,
        "proposed": (proposed / change.path).as_posix() if change.proposed is not None else None,
    }


def next_commands(project: Path) -> list[str]:
    """Return the commands that come after an upgrade."""
    return ["uv sync --upgrade-package stepladder", f"inv deploy --env {lowest(project)} --dry-run"]


def hint_next(project: Path, console: Console) -> None:
    """Say what comes next: nothing was committed, installed or deployed."""
    install, deploy = next_commands(project)
    console.hint(f"read `git diff`, then `{install}`; `{deploy}` shows what Terraform would do")


def lowest(project: Path) -> str:
    """Return the lowest rung of a project whose settings this version may not be able to read."""
    import yaml

    try:
        rungs = yaml.safe_load((project / "invoke.yaml").read_text("utf-8"))["stepladder"]["rungs"]
    except (KeyError, OSError, TypeError, ValueError, yaml.YAMLError):
        rungs = []
    first = rungs[0] if isinstance(rungs, list) and rungs else "staging"
    first = next(iter(first), "staging") if isinstance(first, list) else first
    return str(first)


def _version(files: VersionFiles) -> VersionRecord:
    return {"version": files.version, "commit": files.commit}


def _named(files: VersionFiles) -> str:
    return f"{files.version} ({files.commit[:12]})" if files.commit else files.version
