"""What git says of a project: its commit, and which of the files that matter differ from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stepladder import process

_DEADLINE = 20.0
_SHOWN = 5


@dataclass(frozen=True)
class Commit:
    """A commit's full id, empty without a repository or a first commit; `changed` names files that differ from it."""

    sha: str
    changed: str

    @property
    def dirty(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed)


def commit(root: Path, paths: Sequence[str]) -> Commit:
    """Ask git once about the project in `root`; only changes under `paths` count.

    Untracked files count, ignored ones don't. Without git, or outside a repository, nothing is recorded anywhere.
    """
    argv = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=all", "--", *paths]
    try:
        # without optional locks a parallel `git commit` never meets our refresh of the index
        done = process.run(argv, cwd=root, env={"GIT_OPTIONAL_LOCKS": "0"}, timeout=_DEADLINE)
    except FileNotFoundError:
        return Commit("", "everything, since git isn't installed")
    if done.code:
        return Commit("", "everything, since this is no git repository")
    lines = done.out.splitlines()
    sha = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    changed = [line.split(" ")[-1] for line in lines if line and not line.startswith("#")]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return Commit("" if sha == "(initial)" else sha, ", ".join(changed[:_SHOWN]) + more)
