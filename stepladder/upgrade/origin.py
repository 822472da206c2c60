"""From which version to which: what the project's record says it was made from, and what `--to` names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core import git, project_origin
from stepladder.core.errors import BadInputError
from stepladder.upgrade import fetch
from stepladder.upgrade.fetch import CommitStore
from stepladder.upgrade.pin import LibraryPin, VersionSource, parse, source_of

_RELEASE = r"refs/tags/v?(\d+\.\d+\.\d+)"
_RESTORE = "restore it: `git log --oneline -- .cruft.json`; or make a project beside this one with `inv new`"


@dataclass(frozen=True)
class ProjectOrigin:
    """What `.cruft.json` says: where the project came from and its answers; `unresolved` are files in conflict."""

    record: dict[str, Any]
    source: VersionSource | None
    answers: dict[str, Any]
    unresolved: dict[str, Any]

    @property
    def version(self) -> str:
        """The version that made the project, or that it was upgraded to."""
        return project_origin.version_of(self.record)


def read(project: Path) -> ProjectOrigin:
    """Read a project's record. Raises `BadInputError` when there is none that can be used."""
    path = project / project_origin.FILE
    record = project_origin.read(path)
    context = (record or {}).get("context")
    answers = context.get("cookiecutter") if isinstance(context, Mapping) else None
    if record is None or not isinstance(answers, Mapping) or not answers.get("project_slug"):
        state = "can't be read" if path.exists() else "is missing"
        raise BadInputError(
            f"{project_origin.FILE} {state}: it says which version of the template made this project, and its answers",
            kind="no-origin",
            hint=_RESTORE,
        )
    unresolved = record.get("unresolved")
    given = {str(key): value for key, value in answers.items() if not str(key).startswith("_")}
    return ProjectOrigin(record, recorded(record), given, dict(unresolved) if isinstance(unresolved, Mapping) else {})


def recorded(record: Mapping[str, Any]) -> VersionSource | None:
    """Return the source that a record names; None when it is a folder whose commit nobody knows."""
    template, commit = record.get("template"), record.get("commit")
    if isinstance(commit, str) and re.fullmatch(r"[0-9a-f]{40,64}", commit):
        return VersionSource("git", str(template or ""), commit)
    pin = parse(template) if isinstance(template, str) else None
    if pin and pin.source.kind == "index" and pin.source.ref:
        return pin.source
    source = source_of(template) if isinstance(template, str) and template else None
    return source if source and source.kind == "archive" else None


def repositories(cache: Path, *sources: VersionSource | None) -> list[CommitStore]:
    """Return the repositories in which a commit may be, each once."""
    running, _ = fetch.running()
    addresses = [
        source.address for source in (*sources, running) if source and source.address and source.kind != "archive"
    ]
    return [CommitStore(address, cache) for address in dict.fromkeys(addresses)]


def base(origin: ProjectOrigin, given: str, pin: LibraryPin | None, cache: Path) -> VersionSource:
    """Return the source of the version that made the project. Raises `BadInputError` when nobody knows it."""
    if given:
        return _named_base(given, origin, pin, cache)
    if origin.source is None:
        raise BadInputError(
            "the commit of stepladder that made this project is unknown",
            kind="no-origin",
            hint=f"name the version: `inv project.upgrade --from {origin.version}`",
        )
    return origin.source


def _named_base(given: str, origin: ProjectOrigin, pin: LibraryPin | None, cache: Path) -> VersionSource:
    """Return the source of the version that a person names: a folder has it as a commit, or else the index has it."""
    current = pin.source if pin else origin.source
    if _explicit(given) or not current or current.kind not in {"archive", "folder"}:
        return target(given, origin, pin, cache, Path())
    commit = CommitStore(current.address, cache).commit_of(given) if current.kind == "folder" else None
    return VersionSource("git", current.address, commit) if commit else VersionSource("index", ref=_version(given))


def target(wanted: str, origin: ProjectOrigin, pin: LibraryPin | None, cache: Path, project: Path) -> VersionSource:
    """Return the source of the version to upgrade to: what `wanted` names, else the newest that can be reached."""
    current = pin.source if pin else origin.source or VersionSource("index")
    if explicit := _explicit(wanted):
        return explicit if explicit.kind != "git" else _of_git(explicit, explicit.ref, cache, origin.version)
    if current.kind == "archive" and wanted:
        raise BadInputError(
            f"the project depends on {current}, which is one version only, and not {wanted}",
            kind="unknown-version",
            hint="name a git URL, an archive or a folder with `--to`, or a version that an index has: "
            "`inv project.upgrade --to stepladder==0.2.0`",
        )
    match current.kind:
        case "folder":
            return _of_folder(current, wanted)
        case "git":
            return _of_git(current, wanted, cache, origin.version)
        case "archive":
            return current
        case "index":
            return VersionSource("index", ref=_version(wanted) if wanted else fetch.newest_of_index(project))


def _explicit(wanted: str) -> VersionSource | None:
    pin = parse(wanted)
    if pin and (pin.source.address or pin.source.ref):
        return pin.source
    is_address = wanted.startswith(("git+", "/", "./", "../", "~")) or "://" in wanted
    return source_of(wanted) if is_address else None


def _version(wanted: str) -> str:
    version = wanted.removeprefix("v")
    if not re.fullmatch(r"\d+(\.\d+)*((a|b|rc|\.dev|\.post)\d+)?", version):
        raise BadInputError(
            f"{wanted} is no version, and this project takes stepladder from a package index",
            kind="unknown-version",
            hint="name a version, tag, commit, git URL, archive or folder with `--to`",
        )
    return version


def _of_folder(current: VersionSource, wanted: str) -> VersionSource:
    folder = Path(current.address)
    if not folder.is_dir():
        raise BadInputError(
            f"the project depends on the folder {folder}, which isn't there",
            kind="unknown-version",
            hint="name another source of stepladder in `pyproject.toml`",
        )
    head = (git.ask(folder, "rev-parse", "HEAD") or "").strip()
    repository = CommitStore(str(folder), Path())
    if wanted and (not head or repository.commit_of(wanted) != head):
        state = f"is at {head[:12]}" if head else "is no git repository"
        raise BadInputError(
            f"the project depends on the folder {folder}, which {state}, not at {wanted}",
            kind="unknown-version",
            hint=f"check it out there, `git -C {folder} checkout {wanted}`, or name a git URL with `--to`",
        )
    return VersionSource("folder", str(folder))


def _of_git(current: VersionSource, ref: str, cache: Path, version: str) -> VersionSource:
    """Return a commit of a repository: that which `ref` names, else the newest release after the project's version.

    Without a newer one it is what runs, if that is of the same repository, else what the project pins.
    """
    repository = CommitStore(current.address, cache)
    if ref:
        commit = repository.commit_of(ref)
        if not commit:
            raise BadInputError(
                f"{current.shown} has no version, tag, branch or commit {ref}",
                kind="unknown-version",
                hint=f"its tags: `git ls-remote --tags {current.shown}`",
            )
        return VersionSource("git", current.address, commit)
    refs = _tags(repository)
    newest = max(refs, key=project_origin.order, default=version)
    if project_origin.order(newest) > project_origin.order(version):
        return VersionSource("git", current.address, refs[newest])
    running, files = fetch.running()
    if running.kind == "git" and running.address == current.address and files.commit:
        return running
    return VersionSource("git", current.address, repository.commit_of(current.ref or "HEAD") or current.ref)


def _tags(repository: CommitStore) -> dict[str, str]:
    """Return the released versions of a repository, and their commits."""
    if repository.folder:
        listed = git.ask(
            repository.folder, "for-each-ref", "--format=%(refname) %(objectname) %(*objectname)", "refs/tags"
        )
        rows = [line.split() for line in (listed or "").splitlines()]
        refs = {row[0]: row[-1] for row in rows if len(row) > 1}
    else:
        refs = repository.refs()
    return {match[1]: commit for name, commit in refs.items() if (match := re.fullmatch(_RELEASE, name))}
