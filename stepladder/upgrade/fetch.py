"""Get the files of one version of stepladder: out of git by their commit, or as the package that an index has."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from stepladder import __version__
from stepladder.core import git, process, resources
from stepladder.core.errors import BadInputError, NotReadyError
from stepladder.core.text import without_credentials
from stepladder.upgrade.pin import VersionSource

_DEADLINE = 120.0
_COMMIT = r"[0-9a-f]{40}"
_SHORT = r"[0-9a-f]{7,40}"
_ENVIRONMENT = {**git.OTHERS, "GIT_TERMINAL_PROMPT": "0"}
_AS_COMMITTED = ("-c", "core.autocrlf=false", "-c", "core.eol=lf")


@dataclass(frozen=True)
class VersionFiles:
    """The files of a version: its template, beside which its Terraform modules lie, its number and its commit."""

    template: Path
    version: str
    commit: str | None


@dataclass(frozen=True)
class CommitStore:
    """A git repository: a folder of this machine, or a URL whose commits are fetched into a folder."""

    address: str
    cache: Path

    @property
    def folder(self) -> Path | None:
        """The repository, when it is on this machine."""
        path = Path(self.address.removeprefix("file://"))
        return path if path.is_absolute() and path.is_dir() else None

    def commit_of(self, ref: str) -> str | None:
        """Return the commit of a branch, a tag (with or without its `v`), a commit or the beginning of one."""
        if self.folder:
            names = (f"refs/tags/v{ref}", f"refs/tags/{ref}", ref)
            return next((at_path for name in names if (at_path := _rev_parse(self.folder, name))), None)
        if re.fullmatch(_COMMIT, ref):
            return ref
        refs = self.refs()
        full = (f"refs/tags/v{ref}", f"refs/tags/{ref}", f"refs/heads/{ref}", ref)
        named = next((refs[name] for name in full if name in refs), None)
        if named is None and re.fullmatch(_SHORT, ref):
            return _rev_parse(self._fetched("+refs/*:refs/*"), ref)
        return named

    def refs(self) -> dict[str, str]:
        """Return the names that the repository has and their commits; a tag's is that which it marks."""
        answer = _git(None, "ls-remote", "--quiet", "--", self.address)
        pairs = [line.split("\t", 1) for line in answer.splitlines() if "\t" in line]
        plain = {name: commit for commit, name in pairs if not name.endswith("^{}")}
        return plain | {name.removesuffix("^{}"): commit for commit, name in pairs if name.endswith("^{}")}

    def holding(self, commit: str) -> Path | None:
        """Return a repository on this machine that has the commit; it is fetched when this is a URL."""
        if self.folder:
            return self.folder if _rev_parse(self.folder, commit) else None
        if self.cache.is_dir() and _rev_parse(self.cache, commit):
            return self.cache
        try:
            return self._fetched(commit)
        except NotReadyError:  # a server that gives no commit by its id gives it with a branch
            folder = self._fetched("+refs/*:refs/*")
            return folder if _rev_parse(folder, commit) else None

    def _fetched(self, wanted: str) -> Path:
        if not (self.cache / "HEAD").is_file():
            _git(None, "init", "--quiet", "--bare", str(self.cache))
        depth = ("--depth", "1") if re.fullmatch(_COMMIT, wanted) else ()
        _git(self.cache, "fetch", "--quiet", "--no-tags", *depth, "--", self.address, wanted)
        return self.cache


def fetch(source: VersionSource, into: Path, repositories: Sequence[CommitStore]) -> VersionFiles:
    """Write the files of a version below `into`, and say what they are.

    A commit may be in any of the repositories. Raises `NotReadyError` when it can't be reached.
    """
    into.mkdir(parents=True)
    match source.kind:
        case "folder":
            return described(Path(source.address), git.ask(Path(source.address), "rev-parse", "HEAD"))
        case "git":
            return described(_exported(source, into, repositories), source.ref)
        case "archive" | "index":
            return described(_installed(source, into))


def described(folder: Path, commit: str | None = None) -> VersionFiles:
    """Read what the files in a folder are: those of a checkout, or of an installed package."""
    package = folder / "stepladder"
    template = next((at for at in (folder / "template", package / "_data" / "template") if at.is_dir()), None)
    text = (package / "__init__.py").read_text("utf-8") if (package / "__init__.py").is_file() else ""
    version = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if not (template and version):
        raise BadInputError(
            f"{folder} holds no stepladder with a template",
            kind="unknown-version",
            hint="name a version, tag, commit, git URL, archive or folder with `--to`",
        )
    return VersionFiles(template, version[1], (commit or "").strip() or None)


def running() -> tuple[VersionSource, VersionFiles]:
    """Return where the stepladder that runs came from, and its files."""
    template = resources.folder("template")
    root = template.parent.parent.parent if template.parent.name == "_data" else template.parent
    if template.parent.name != "_data":
        return VersionSource("folder", str(root)), described(root, git.ask(root, "rev-parse", "HEAD"))
    try:
        installed = metadata.distribution("stepladder")
        origin = json.loads(installed.read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return VersionSource("folder", str(root)), described(root)
    url, vcs = str(origin.get("url", "")), origin.get("vcs_info") or {}
    if vcs:
        return VersionSource("git", url, str(vcs.get("commit_id", ""))), described(root, vcs.get("commit_id"))
    if url.startswith("file://") and "dir_info" in origin:
        folder = Path(url.removeprefix("file://"))
        return VersionSource("folder", str(folder)), described(root, git.ask(folder, "rev-parse", "HEAD"))
    return VersionSource("archive", url) if url else VersionSource("index", ref=installed.version), described(root)


def _exported(source: VersionSource, into: Path, repositories: Sequence[CommitStore]) -> Path:
    reasons = []
    for repository in repositories:
        try:
            folder = repository.holding(source.ref)
        except NotReadyError as error:
            reasons.append(f"{without_credentials(repository.address)}: {error.message}")
            continue
        if folder is None:
            reasons.append(f"{without_credentials(repository.address)} lacks it")
            continue
        packed = into / "files.tar"
        _git(folder, *_AS_COMMITTED, "archive", "--format=tar", "-o", str(packed), source.ref)
        with tarfile.open(packed) as archive:
            archive.extractall(into / "files", filter="data")
        packed.unlink()
        return into / "files"
    raise NotReadyError(
        f"the commit {source.ref[:12]} of stepladder can't be reached",
        kind="version-out-of-reach",
        hint="fetch the whole history of a shallow clone: `git fetch --unshallow`; or name the version with `--from`",
        problems=tuple(reasons),
    )


def _installed(source: VersionSource, into: Path) -> Path:
    """Install the package alone, without what it depends on: a wheel carries the template and the modules."""
    wanted = f"stepladder @ {source.address}" if source.kind == "archive" else f"stepladder=={source.ref}"
    shown = without_credentials(wanted)
    target = into / "files"
    answer = ""
    argv = ["pip", "install", "--quiet", "--no-deps", "--python", sys.executable, "--target", str(target)]
    # A wheel is only unpacked; a source archive is built, by code of its own.
    argv += ["--no-build"] if source.kind == "index" else []
    for offline in ((), ("--offline",)):
        answer = _uv(*argv, *offline, wanted)
        if not answer:
            return target
        shutil.rmtree(target, ignore_errors=True)
    raise NotReadyError(
        f"{shown} can't be installed",
        kind="version-out-of-reach",
        hint=f"try it: `uv pip install --no-deps --target /tmp/stepladder '{shown}'`",
        problems=tuple(without_credentials(answer).strip().splitlines()[-3:]),
    )


def newest_of_index(project: Path) -> str:
    """Return the newest version that the project's index has. Raises `NotReadyError` when it doesn't answer."""
    from uv import find_uv_bin

    listing = project / ".stepladder" / "upgrade" / "newest.in"
    listing.parent.mkdir(parents=True, exist_ok=True)
    listing.write_text("stepladder\n", "utf-8")
    argv = ["pip", "compile", "--quiet", "--no-deps", "--no-header", "--no-annotate", "--upgrade", str(listing)]
    done = process.run([find_uv_bin(), *argv], cwd=project, timeout=_DEADLINE)
    version = re.search(r"^stepladder==(\S+)", done.out, re.MULTILINE)
    if done.code or not version:
        raise NotReadyError(
            "the package index doesn't say which versions of stepladder it has",
            kind="version-out-of-reach",
            hint=f"the installed one needs no index: `inv project.upgrade --to {__version__}`",
            problems=tuple(done.err.strip().splitlines()[-3:]),
        )
    return version[1]


def _uv(*arguments: str) -> str:
    """Run uv; return what it says when it fails."""
    from uv import find_uv_bin

    done = process.run([find_uv_bin(), *arguments], timeout=_DEADLINE)
    return (done.err or "uv failed") if done.code else ""


def _rev_parse(folder: Path, name: str) -> str | None:
    done = process.run(
        ["git", "-C", str(folder), "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"],
        env=_ENVIRONMENT,
        timeout=_DEADLINE,
    )
    return done.out.strip() if done.code == 0 else None


def _git(folder: Path | None, *arguments: str) -> str:
    done = process.run(["git", *arguments], cwd=folder, env=_ENVIRONMENT, timeout=_DEADLINE)
    if done.code:
        reason = (done.err.strip().splitlines() or ["no reason given"])[-1]
        command = next(each for each in arguments if each.isalpha() or each == "ls-remote")
        raise NotReadyError(
            f"git {command} failed: {without_credentials(reason)}",
            kind="version-out-of-reach",
            hint="check the network, and your login for the repository that `pyproject.toml` names",
        )
    return done.out
