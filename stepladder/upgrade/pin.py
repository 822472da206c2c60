"""Which stepladder a project depends on, as its pyproject.toml says it, and how the same is said of another version."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from stepladder.core.text import without_credentials

Kind = Literal["archive", "folder", "git", "index"]
ARCHIVES = (".zip", ".whl", ".tar.gz", ".tgz")
_REQUIREMENT = r"(?s)stepladder(?P<extras>\s*\[[^\]]*\])?\s*(?P<rest>(?:@|[=<>!~]|$).*?)(?P<marker>\s*;.*)?"
_SCP = r"[\w.-]+@[\w.-]+:[^/].*"


@dataclass(frozen=True)
class VersionSource:
    """Where one version of stepladder is read from.

    `address` is a git URL, a folder, an archive's URL, or empty for the package index. `ref` is a commit or another
    name of git's, or the version that an index has.
    """

    kind: Kind
    address: str = ""
    ref: str = ""

    @property
    def shown(self) -> str:
        """The address without a user and a password."""
        return without_credentials(self.address)

    def __str__(self) -> str:
        name = self.shown or "stepladder"
        return f"{name}{'==' if self.kind == 'index' else '@'}{self.ref}" if self.ref else name


@dataclass(frozen=True)
class LibraryPin:
    """A requirement as the project's pyproject.toml has it.

    `by_hand`: what it leads to stands in `tool.uv.sources`, which a person wrote and changes.
    """

    text: str
    source: VersionSource
    extras: str = "[local]"
    marker: str = ""
    by_hand: bool = False

    def of(self, source: VersionSource) -> str:
        """Return the requirement that names another source. One that allows its version already is kept."""
        if source.kind == "index":
            kept = self.source.kind == "index" and not self.source.ref and _allows(self.text, source.ref)
            return self.text if kept else f"stepladder{self.extras}=={source.ref}{self.marker}"
        url = Path(source.address).as_uri() if source.kind == "folder" else source.address
        if source.kind == "git":
            url = f"git+{url}@{source.ref}"
        return f"stepladder{self.extras} @ {url}{self.marker}"


def read(project: Path) -> LibraryPin | None:
    """Return the project's requirement of stepladder. None when its pyproject.toml has none, or can't be read."""
    try:
        declared = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    pin = next((pin for pin in map(parse, _requirements(declared)) if pin), None)
    source = _of_uv(declared, project)
    return replace(pin, source=source, by_hand=True) if pin and source else pin


def _of_uv(declared: Mapping[str, Any], project: Path) -> VersionSource | None:
    """Return the source that `tool.uv.sources` names (https://docs.astral.sh/uv/concepts/projects/dependencies/)."""
    table: Any = declared
    for key in ("tool", "uv", "sources", "stepladder"):
        table = table.get(key) if isinstance(table, Mapping) else None
    if not isinstance(table, Mapping):
        return None
    if "git" in table:
        ref = next((str(table[key]) for key in ("rev", "tag", "branch") if key in table), "")
        return VersionSource("git", str(table["git"]).removeprefix("git+"), ref)
    if "path" in table:
        return source_of(str((project / str(table["path"])).resolve()))
    return VersionSource("archive", str(table["url"])) if "url" in table else None


def parse(text: str) -> LibraryPin | None:
    """Read a requirement of stepladder; None when it is one of something else."""
    match = re.fullmatch(_REQUIREMENT, text.strip())
    if not match:
        return None
    rest = match["rest"].strip()
    if rest.startswith("@"):
        source = source_of(rest[1:].strip())
    else:
        exact = re.fullmatch(r"===?\s*([\w.!+]+)", rest)
        source = VersionSource("index", ref=exact[1] if exact else "")
    return LibraryPin(text, source, (match["extras"] or "").strip(), match["marker"] or "")


def source_of(address: str) -> VersionSource:
    """Return the source that an address names: `git+<url>@<ref>`, an archive, or a folder, as URL or path."""
    if address.startswith("git+") or re.fullmatch(_SCP, address):
        parts = urlsplit(address.removeprefix("git+"))
        path, at, ref = parts.path.rpartition("@") if parts.scheme else (address, "", "")
        bare = path if at else parts.path
        url = urlunsplit(parts._replace(path=bare, query="", fragment="")) if parts.scheme else address
        return VersionSource("git", url, ref if at else "")
    if "://" in address:
        parts = urlsplit(address)
        local = parts.scheme == "file" and not parts.path.lower().endswith(ARCHIVES)
        return VersionSource("folder", unquote(parts.path)) if local else VersionSource("archive", address)
    resolved = Path(address).expanduser().resolve()
    is_archive = address.lower().endswith(ARCHIVES)
    return VersionSource("archive", resolved.as_uri()) if is_archive else VersionSource("folder", str(resolved))


def _requirements(declared: Mapping[str, Any]) -> Iterator[str]:
    project, groups = declared.get("project", {}), declared.get("dependency-groups", {})
    lists = list(groups.values()) if isinstance(groups, dict) else []
    if isinstance(project, dict):
        optional = project.get("optional-dependencies", {})
        lists += [project.get("dependencies"), *(optional.values() if isinstance(optional, dict) else ())]
    for entries in lists:
        yield from (entry for entry in entries or () if isinstance(entry, str))


def _allows(text: str, version: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text).specifier.contains(version)
    except InvalidRequirement:
        return False
