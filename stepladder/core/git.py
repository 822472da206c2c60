"""What git says of a project: its commit, and which of the files that matter differ from it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from stepladder.core import process
from stepladder.core.errors import NotReadyError

_DEADLINE = 30.0
_SHOWN = 5
_MOST = 200  # commits that are listed between two
_SHA = "[0-9a-f]{40}(?:[0-9a-f]{24})?"
_FATAL = 128
_SUBMODULE = "160000"
_WHOLE = ("-c", "core.sparseCheckout=false")
_STATUS = (
    *("status", "--porcelain=v2", "-z", "--no-renames", "--ignored=matching", "--untracked-files=all"),
    *("--ignore-submodules=none", "--"),
)
OTHERS: dict[str, str | None] = dict.fromkeys(
    (
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE"),
        *("GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
    )
)
"""Takes out of the environment what names a repository other than that of the folder in which git runs.

A hook and `git rebase --exec` set them for what they run (`git rev-parse --local-env-vars` lists them).
"""
_FIELDS = {"1": 8, "u": 10, "?": 1, "!": 1}  # how many fields stand before the path, by the record's kind


@dataclass(frozen=True)
class Commit:
    """A commit's full id, empty without a repository or a first commit; `changed` names files that differ from it."""

    sha: str
    changed: str

    @property
    def dirty(self) -> bool:
        """Whether anything differs."""
        return bool(self.changed)


@dataclass(frozen=True)
class Difference:
    """A file or folder, as a path from the project's root, that isn't as the commit has it.

    A folder ends with a slash: git names one that is new, or ignored, as a whole. `tracked`: the commit knows it.
    `absent`: the commit has it and the folder hasn't: it was deleted, or it is a submodule that isn't checked out.
    """

    path: str
    tracked: bool = True
    ignored: bool = False
    absent: bool = False
    submodule: bool = False


@dataclass(frozen=True)
class Tree:
    """The commit of a project, and what of it differs. Empty `sha`: no repository, or no commit yet."""

    sha: str
    differences: tuple[Difference, ...]


def ask(root: Path, *arguments: str, index: Path | None = None) -> str | None:
    """Return what git prints about the project in `root`; None when it says no, or there is no git or no repository.

    `index` is used in place of the repository's own.
    Raises `NotReadyError` when there is a repository that git refuses to read, because it is another user's: a CI
    job in a container sees the checkout of the machine around it.
    """
    try:
        # without optional locks a parallel `git commit` never meets our refresh of the index
        env = {**OTHERS, "GIT_OPTIONAL_LOCKS": "0", **({"GIT_INDEX_FILE": str(index)} if index else {})}
        done = process.run(["git", *arguments], cwd=root, env=env, timeout=_DEADLINE)
        if done.code == _FATAL:
            _check_owner(root)
    except FileNotFoundError:
        return None
    return done.out if done.code == 0 else None


def _check_owner(root: Path) -> None:
    """Recognise a refusal for its owner by what lifts it: git has one exit code for all that is fatal.

    See https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory.
    """
    top = ("rev-parse", "--show-toplevel")
    lifted = process.run(["git", "-c", "safe.directory=*", *top], cwd=root, env=OTHERS, timeout=_DEADLINE)
    if lifted.code:
        return  # there is no repository
    if process.run(["git", *top], cwd=root, env=OTHERS, timeout=_DEADLINE).code:
        raise NotReadyError(
            f"git refuses to read the repository of {root}, because it belongs to another user",
            kind="git-untrusted",
            hint=f"trust it: `git config --global --add safe.directory {lifted.out.strip()}`",
        )


def tree(root: Path, paths: Sequence[str]) -> Tree | None:
    """Ask git for the commit of the project in `root` and for all below `paths` that it does not hold.

    New and ignored files are among it, what a submodule holds, and files that `update-index` hides from git's own
    status. None without git, without a repository, and without a first commit.
    """
    answer = ask(root, "rev-parse", "--show-prefix", "HEAD")
    if answer is None:
        return None
    with ThreadPoolExecutor(2, thread_name_prefix="git") as pool:
        files = pool.submit(ask, root, "ls-files", "-v", "-s", "-z", "--", *paths)
        listed = pool.submit(ask, root, *_STATUS, *paths)
    below, sha = answer.splitlines()
    if below and ask(root, "check-ignore", "--quiet", ".") is not None:
        return None  # the project merely lies in a repository that ignores it
    entries = [entry for entry in (files.result() or "").split("\0") if entry]
    hidden = any(entry[0] == "S" or entry[0].islower() for entry in entries)
    modules = [entry.partition("\t")[2] for entry in entries if entry.split(" ", 2)[1] == _SUBMODULE]
    records = (_unhidden(root, paths) if hidden else listed.result()) or ""
    differences = [_difference(record, below) for record in records.split("\0") if record and record[0] in _FIELDS]
    for module in modules:
        differences = _into(module, root, differences)
    return Tree(sha, tuple(differences))


def _unhidden(root: Path, paths: Sequence[str]) -> str | None:
    """Ask for the status by an index of the commit's own, which knows nothing of skip-worktree and assume-unchanged."""
    with tempfile.TemporaryDirectory() as folder:
        index = Path(folder) / "index"
        ask(root, *_WHOLE, "read-tree", "HEAD", index=index)
        return ask(root, *_WHOLE, *_STATUS, *paths, index=index)


def _difference(record: str, below: str) -> Difference:
    fields = record.split(" ", _FIELDS[record[0]])
    tracked, ignored = record[0] not in "?!", record[0] == "!"
    path, absent = fields[-1].removeprefix(below), tracked and "D" in fields[1]
    return Difference(path, tracked, ignored, absent, submodule=tracked and fields[2].startswith("S"))


def _into(module: str, root: Path, differences: list[Difference]) -> list[Difference]:
    """Say of a submodule what is in it: its own changes by name, or that it isn't here."""
    others = [d for d in differences if d.path != module]
    if not (root / module / ".git").exists():
        return [*others, Difference(module, absent=True, submodule=True)]
    recorded = (ask(root, "ls-tree", "HEAD", "--", module) or "").split()[2:3]
    inner = tree(root / module, ["."])
    if inner is None or [inner.sha] != recorded:
        return [*others, Difference(module, submodule=True)]
    return [*others, *(replace(d, path=f"{module}/{d.path}") for d in inner.differences)]


def commit(root: Path, paths: Sequence[str]) -> Commit:
    """Ask git about the project in `root`; only changes under `paths` count.

    Untracked files count, ignored ones don't. Without git, or outside a repository, nothing is recorded anywhere.
    """
    state = tree(root, paths)
    if state is None:
        return Commit("", "everything, since there is no git or no repository")
    return Commit(state.sha, named([d.path for d in state.differences if not d.ignored]))


def named(paths: Sequence[str]) -> str:
    """Name some files, and say how many more there are."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more


def titles(root: Path, shas: Iterable[str]) -> dict[str, str]:
    """Return the first line of each commit's message, by its whole hash; those that git doesn't have are left out."""
    wanted = sorted({sha.removesuffix("-dirty") for sha in shas} - {""})
    wanted = [sha for sha in wanted if re.fullmatch(_SHA, sha)]
    if not wanted or not is_repository(root):
        return {}
    listed = _ask_or_nothing(root, "log", "--no-walk=unsorted", "--ignore-missing", "--format=%H %s", *wanted)
    return dict(line.split(" ", 1) for line in listed.splitlines() if " " in line)


def _ask_or_nothing(root: Path, *arguments: str) -> str:
    """Return what git prints; nothing where it says no, also because the repository is another user's."""
    try:
        return ask(root, *arguments) or ""
    except NotReadyError:
        return ""


def between(root: Path, before: str, after: str) -> list[tuple[str, str]]:
    """Return hash and title of the commits that `after` has and `before` has not, newest first; none where unknown."""
    ends = [each.removesuffix("-dirty") for each in (before, after)]
    if not all(re.fullmatch(_SHA, each) for each in ends) or not is_repository(root):
        return []
    listed = _ask_or_nothing(root, "log", f"--max-count={_MOST}", "--format=%H %s", f"{ends[0]}..{ends[1]}", "--")
    return [(sha, title) for sha, _, title in (line.partition(" ") for line in listed.splitlines())]


def head(root: Path) -> str:
    """Return the hash of the commit that is checked out; empty without one."""
    return _ask_or_nothing(root, "rev-parse", "HEAD").strip() if is_repository(root) else ""


def changed_files(root: Path, commit: str, folder: str) -> tuple[str, ...]:
    """Return the files of a folder that differ from a commit; none where git doesn't know it."""
    sha = commit.removesuffix("-dirty")
    if not re.fullmatch(_SHA, sha) or not is_repository(root):
        return ()
    return tuple(_ask_or_nothing(root, "diff", "--name-only", "--relative", sha, "--", folder).splitlines())


def is_repository(root: Path) -> bool:
    """Say whether a folder is in a git repository, by its files alone."""
    return any((folder / ".git").exists() for folder in (root, *root.parents))
