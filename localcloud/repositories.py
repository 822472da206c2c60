"""Git repositories on this machine, which stand for those of a forge behind a connection.

Branches are read from git's own files, since a pipeline polls them; all else is git's command.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_OBJECT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SECONDS = 300
_FIELDS = ("%H", "%an", "%ae", "%aI", "%B")


class RepositoryError(Exception):
    """Git refused, or there is no such repository, branch or commit. The message says which."""


@dataclass(frozen=True)
class SourceCommit:
    """A commit, as a source action shows it. `date` is ISO 8601."""

    id: str
    author: str
    email: str
    date: str
    message: str


class GitRepositories:
    """The folders of repositories, each by the ARN of its connection and its id at the forge (`acme/orders`).

    `begun` has the commits of their branches at the time from which they are reached.
    """

    def __init__(self) -> None:
        self.folders: dict[tuple[str, str], str] = {}
        self.begun: dict[tuple[str, str], dict[str, str]] = {}

    def connect(self, connection: str, repository: str, folder: str) -> None:
        """Let a connection reach a repository. ValueError when the folder is none, or its path isn't whole."""
        path = Path(folder)
        if not path.is_absolute():
            raise ValueError(f"{folder} is no absolute path")
        try:
            common = _git(path, "rev-parse", "--path-format=absolute", "--git-common-dir").decode().strip()
        except RepositoryError as error:
            raise ValueError(f"{folder} is no git repository: {error}") from None
        if not (path / ".git").is_dir():  # bare, a worktree, or a folder inside: branches are files of this one
            path = Path(common)
        if self.folders.get((connection, repository)) != str(path):
            self.begun[connection, repository] = _branches(path)
            self.folders[connection, repository] = str(path)

    def disconnect(self, connection: str) -> None:
        """Forget what a connection reaches."""
        for key in [key for key in self.folders if key[0] == connection]:
            del self.folders[key], self.begun[key]

    def reached(self, connection: str) -> dict[str, str]:
        """Return the folders that a connection reaches, by their ids at the forge."""
        return {repository: folder for (each, repository), folder in list(self.folders.items()) if each == connection}

    def folder(self, connection: str, repository: str) -> Path:
        """Return a repository's folder. Raises `RepositoryError`."""
        folder = self.folders.get((connection, repository))
        if folder is None:
            raise RepositoryError(f"the connection reaches no repository {repository}")
        return Path(folder)


def head(folder: Path, branch: str) -> str:
    """Return the commit at the end of a branch, or an empty text when there is no such branch."""
    inside = folder / ".git" if (folder / ".git").is_dir() else folder
    if not branch or ".." in branch or branch.startswith("/"):
        return ""
    with contextlib.suppress(OSError):
        text = (inside / "refs" / "heads" / branch).read_text().strip()
        if _OBJECT.fullmatch(text):
            return text
    with contextlib.suppress(OSError):
        for line in (inside / "packed-refs").read_text().splitlines():
            commit, _, name = line.partition(" ")
            if name == f"refs/heads/{branch}" and _OBJECT.fullmatch(commit):
                return commit
    return ""


def _branches(folder: Path) -> dict[str, str]:
    """Return the commit of each branch."""
    lines = _git(folder, "for-each-ref", "--format=%(objectname) %(refname:strip=2)", "refs/heads").decode()
    return {name: commit for commit, _, name in (line.partition(" ") for line in lines.splitlines())}


def commit_of(folder: Path, revision: str) -> SourceCommit:
    """Return a commit. Raises `RepositoryError`."""
    text = _git(folder, "show", "--no-patch", "--format=" + "%x00".join(_FIELDS), f"{revision}^{{commit}}", "--")
    commit, author, email, date, message = text.decode("utf-8", "replace").split("\0", 4)
    return SourceCommit(commit, author, email, date, message.strip())


def changed_paths(folder: Path, old: str, new: str) -> list[str]:
    """Return the paths that differ between two commits. Raises `RepositoryError`."""
    names = _git(folder, "diff", "--name-only", "-z", "--no-renames", old, new, "--")
    return [name for name in names.decode("utf-8", "replace").split("\0") if name]


def archive(folder: Path, commit: str) -> bytes:
    """Return a zip of a commit's files. Raises `RepositoryError`."""
    return _git(folder, "archive", "--format=zip", commit)


def clone(folder: Path, commit: str, to: Path, url: str) -> None:
    """Clone all of a repository and check a commit out. The clone shows `url`, and fetches from the folder.

    Raises `RepositoryError`.
    """
    _git(to.parent, "clone", "--quiet", "--no-checkout", "--no-hardlinks", str(folder), str(to))
    _git(to, "remote", "set-url", "origin", url)
    _git(to, "config", f"url.{folder}.insteadOf", url)
    _git(to, "-c", "advice.detachedHead=false", "checkout", "--quiet", commit)


def _git(folder: Path, *arguments: str) -> bytes:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
            timeout=_SECONDS,
            env={**environment, "GIT_TERMINAL_PROMPT": "0"},
        )
    except subprocess.CalledProcessError as error:
        lines = error.stderr.decode("utf-8", "replace").strip().splitlines() or [f"git ended with {error.returncode}"]
        raise RepositoryError(lines[-1]) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise RepositoryError(f"git did not answer: {error}") from None
    return done.stdout
