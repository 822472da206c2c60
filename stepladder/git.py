"""What git says of a project: its commit and whether the folder differs from it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from stepladder import process

_DEADLINE = 20.0


@dataclass(frozen=True)
class Commit:
    """A commit's full id, empty without a repository or a first commit; `dirty` when the folder differs from it."""

    sha: str
    dirty: bool


def commit(root: Path) -> Commit:
    """Ask git once about the project in `root`; changes elsewhere in the repository don't count.

    Untracked files count, ignored ones don't. Without git, or outside a repository, everything is unrecorded: dirty.
    """
    argv = ["git", "status", "--porcelain=v2", "--branch", "--untracked-files=normal", "--", "."]
    try:
        # without optional locks a parallel `git commit` never meets our refresh of the index
        done = process.run(argv, cwd=root, env={"GIT_OPTIONAL_LOCKS": "0"}, timeout=_DEADLINE)
    except OSError:
        return Commit("", dirty=True)
    if done.code:
        return Commit("", dirty=True)
    lines = done.out.splitlines()
    sha = next((line.split()[-1] for line in lines if line.startswith("# branch.oid ")), "")
    return Commit("" if sha == "(initial)" else sha, dirty=any(not line.startswith("#") for line in lines))
