"""What git says of a project: its commit, and which of the files that matter differ from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepladder import process
from stepladder.errors import NotReadyError

_DEADLINE = 30.0
_SHOWN = 5
_FATAL = 128
_FIELDS = {"1": 8, "u": 10, "?": 1}  # how many fields stand before the path, by the record's kind


@dataclass(frozen=True)
class Commit:
    """A commit's full id, empty without a repository or a first commit; `changed` names files that differ from it."""

    sha: str
    changed: str

    @property
    def dirty(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed)


def ask(root: Path, *arguments: str) -> str | None:
    """Return what git prints about the project in `root`; None when it says no, or there is no git or no repository.

    Raises `NotReadyError` when there is a repository that git refuses to read, because it is another user's: a CI
    job in a container sees the checkout of the machine around it.
    """
    try:
        # without optional locks a parallel `git commit` never meets our refresh of the index
        done = process.run(["git", *arguments], cwd=root, env={"GIT_OPTIONAL_LOCKS": "0"}, timeout=_DEADLINE)
        if done.code == _FATAL:
            _check_owner(root)
    except FileNotFoundError:
        return None
    return done.out if done.code == 0 else None


def _check_owner(root: Path) -> None:
    """Tell a refusal for its owner by what lifts it: git has one exit code for all that is fatal.

    See https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory.
    """
    plain, lifted = (
        process.run(["git", *option, "rev-parse", "--show-toplevel"], cwd=root, timeout=_DEADLINE)
        for option in ((), ("-c", "safe.directory=*"))
    )
    if plain.code and not lifted.code:
        raise NotReadyError(
            f"git refuses to read the repository of {root}, because it belongs to another user",
            hint=f"trust it: git config --global --add safe.directory {lifted.out.strip()}",
        )


def commit(root: Path, paths: Sequence[str]) -> Commit:
    """Ask git once about the project in `root`; only changes under `paths` count.

    Untracked files count, ignored ones don't. Without git, or outside a repository, nothing is recorded anywhere.
    """
    status = ("status", "--porcelain=v2", "--branch", "-z", "--no-renames", "--untracked-files=all")
    told = ask(root, *status, "--", *paths)
    if told is None:
        return Commit("", "everything, since there is no git or no repository")
    records = [record for record in told.split("\0") if record]
    sha = next((record.split()[-1] for record in records if record.startswith("# branch.oid ")), "")
    changed = [record.split(" ", _FIELDS[record[0]])[-1] for record in records if record[0] in _FIELDS]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return Commit("" if sha == "(initial)" else sha, ", ".join(changed[:_SHOWN]) + more)
