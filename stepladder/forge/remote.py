"""Which forge a project's git remote is on, and what the repository is called there.

Git's forms of an address: https://git-scm.com/docs/git-clone#_git_urls. What stands before the host, a user or a token,
is never returned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from stepladder.core import git

GITHUB, GITLAB = "github", "gitlab"
_SCP = r"(?:[^@/\s]+@)?(?P<host>[A-Za-z0-9.-]+):(?P<path>(?!//)\S+)"
_SSH_HOSTS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
"""Hosts that take SSH on port 443 for the forge."""
_SCHEMES = frozenset({"git", "git+ssh", "http", "https", "ssh"})


@dataclass(frozen=True)
class Remote:
    """A repository on a forge: `github` or `gitlab`, empty for a host whose name says neither."""

    forge: str
    host: str
    path: str

    @property
    def address(self) -> str:
        """Its page."""
        return f"https://{self.host}/{self.path}"


def of_project(root: Path) -> Remote | None:
    """Return the repository that `origin` names, or else the first remote on a forge that is known."""
    return next(every(root), None)


def every(root: Path) -> Iterator[Remote]:
    """Yield the repositories on forges that are known which the remotes name, that of `origin` first."""
    names = (git.ask(root, "remote") or "").split()
    for name in sorted(names, key=lambda each: each != "origin"):
        remote = parse(git.ask(root, "remote", "get-url", name) or "")
        if remote and remote.forge:
            yield remote


def parse(url: str) -> Remote | None:
    """Return what a remote's address names; None for a folder, a file, or nothing at all."""
    text = url.strip()
    if "://" in text:
        try:
            parts = urlsplit(text)
            host, path = parts.hostname or "", parts.path
        except ValueError:
            return None
        if parts.scheme not in _SCHEMES:
            return None
    else:
        match = re.fullmatch(_SCP, text)
        if not match:
            return None
        host, path = match["host"].lower(), match["path"]
    host = _SSH_HOSTS.get(host, host)
    path = unquote(path).strip("/").removesuffix(".git").strip("/")
    if not host or "/" not in path:
        return None
    return Remote(_forge(host), host, path)


def _forge(host: str) -> str:
    labels = host.split(".")
    return next((forge for forge in (GITHUB, GITLAB) if forge in labels), "")
