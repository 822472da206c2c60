"""Where a template came from, and so which stepladder a new project depends on.

| the template is | the project depends on |
|---|---|
| a git URL or an abbreviation | `git+<url>@<commit>` |
| a zip | that zip, by URL or `file://` |
| a folder on this machine | `file://<folder>` |
| the data of an installed package | what the package was installed from: a commit, a file, or a version of an index |
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

PACKAGE = "stepladder[local]"
SCP = re.compile(r"(?P<user>[\w.-]+)@(?P<host>[\w.-]+):(?P<path>[^/].*)")
DEADLINE = 30  # seconds for a git command that reads
OTHERS = frozenset(
    (
        *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_COMMON_DIR", "GIT_DIR", "GIT_GRAFT_FILE", "GIT_IMPLICIT_WORK_TREE"),
        *("GIT_INDEX_FILE", "GIT_NAMESPACE", "GIT_OBJECT_DIRECTORY", "GIT_PREFIX", "GIT_SHALLOW_FILE", "GIT_WORK_TREE"),
    )
)
"""Variables that name a repository other than that of the folder in which git runs: a hook of git sets them."""


class UnknownSourceError(Exception):
    """Nothing tells which stepladder the project should depend on."""

    hint = "generate from a git URL, a zip, a folder, or an installed stepladder"


@dataclass(frozen=True)
class Source:
    """What a project must remember of its template. `requirement` is a PEP 508 line."""

    requirement: str
    template: str
    commit: str | None
    checkout: str | None = None
    local: bool = False


def find(template_directory: str | Path, *, caller: str | Path, answers: Mapping[str, Any]) -> Source:
    """Tell the source from cookiecutter's own record (`_template`, `_checkout`) and from where the files are.

    `caller` is the directory that a relative `_template` starts from.
    """
    directory = Path(template_directory).resolve()
    root = directory.parent
    if root.name == "_data":
        return _installed()
    template = without_credentials(str(answers.get("_template") or root))
    checkout = answers.get("_checkout") or None
    if template.lower().endswith(".zip"):
        url = template if "://" in template else (Path(caller) / template).resolve().as_uri()
        return Source(f"{PACKAGE} @ {url}", url, archived_commit(root), checkout, local=url.startswith("file:"))
    commit = git(root, "rev-parse", "HEAD") if git(root, "rev-parse", "--show-toplevel") == str(root) else None
    # Cookiecutter uses a folder where it lies, and clones anything else: cruft clones folders too.
    if (Path(caller) / template).resolve() not in (root, directory):
        url = pip_url(without_credentials(git(root, "remote", "get-url", "origin") or ""))
        if not (url and commit):
            raise UnknownSourceError(f"{root} is no clone of a git repository, so the version of stepladder is unknown")
        return Source(f"{PACKAGE} @ {url}@{commit}", url.removeprefix("git+"), commit, checkout)
    return Source(f"{PACKAGE} @ {root.as_uri()}", str(root), commit, checkout, local=True)


def git(folder: Path, *arguments: str) -> str | None:
    """Return what a git command prints, or None when there is no git or no repository."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def environment() -> dict[str, str]:
    """Return the environment without what names another repository."""
    return {name: value for name, value in os.environ.items() if name not in OTHERS}


def without_credentials(url: str) -> str:
    """Drop user and password from a web address: they must not end up in a project's files."""
    parts = urlsplit(url)
    if parts.scheme.removeprefix("git+") not in ("http", "https"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def pip_url(url: str) -> str:
    """Turn a git remote into the form that pip and uv take: `git+https://`, `git+ssh://`, `git+file://`."""
    if match := SCP.fullmatch(url):
        return "git+ssh://{user}@{host}/{path}".format(**match.groupdict())
    if url.startswith("/"):
        return f"git+{Path(url).as_uri()}"
    return url if url.startswith("git+") or not url else f"git+{url}"


def archived_commit(root: Path) -> str | None:
    """Return the commit that `git archive` (and so a forge's zip) writes into `.git_archival.txt`."""
    path = root / ".git_archival.txt"
    match = re.search(r"^node: ([0-9a-f]{40,64})$", path.read_text("utf-8"), re.MULTILINE) if path.is_file() else None
    return match[1] if match else None


def _installed() -> Source:
    try:
        package = metadata.distribution("stepladder")
    except metadata.PackageNotFoundError:
        raise UnknownSourceError("the template is package data, but stepladder isn't installed here") from None
    origin = json.loads(package.read_text("direct_url.json") or "{}")
    url = without_credentials(origin.get("url", ""))
    if vcs := origin.get("vcs_info"):
        commit = vcs["commit_id"]
        return Source(f"{PACKAGE} @ {vcs['vcs']}+{url}@{commit}", url, commit, vcs.get("requested_revision"))
    if url:
        return Source(f"{PACKAGE} @ {url}", url, None, local=url.startswith("file:"))
    return Source(f"{PACKAGE}=={package.version}", f"stepladder=={package.version}", None)
