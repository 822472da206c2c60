"""What a base image holds, as far as it decides where files go: folders, links, modes, packages.

AWS's bases are a contract: `/var/task`, `/opt` and `/tmp` are empty folders, Python lives below `/var/lang`. No base
has folders in its root that no Linux has. The rest is read from the base's own layers, once for each base; also
whether another base has a folder where a file shall go, or packages where pip shall put some. That a base of one's own
has a link or a file where a folder shall be made in `/var/task` isn't read: its layers mostly needn't be fetched.
"""

from __future__ import annotations

import hashlib
import io
import lzma
import posixpath
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from stepladder.core import files
from stepladder.core.errors import BadInputError
from stepladder.core.image_facts import HOST_BASE
from stepladder.images.base.registry import Base
from stepladder.images.key import PUBLIC_BASE
from stepladder.images.parsers.run_command import NeedsEngineError

_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_EMPTY = ("var/task", "opt", "tmp")
_SYSTEM = {"bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root", "run", "sbin"}
_SYSTEM |= {"srv", "sys", "tmp", "usr", "var"}
_OF_PIP = ("pip", "setuptools", "wheel", "pkg_resources", "_distutils_hack")


@dataclass(frozen=True)
class BaseEntry:
    """What lies at a path: `folder`, `file` or `link`, with mode, owner and where the link leads."""

    kind: str
    mode: int = 0o755
    owner: tuple[int, int] = (0, 0)
    link: str = ""


class BaseFiles:
    """The files of one base; paths have no leading slash, the root is an empty path."""

    def __init__(
        self,
        known: Mapping[str, BaseEntry],
        load: Callable[[], Mapping[str, BaseEntry]],
        site: str = "",
        *,
        sure: bool = True,
    ) -> None:
        self._known, self._load, self._site, self._sure = known, load, site, sure
        self._read: Mapping[str, BaseEntry] | None = None

    def lstat(self, path: str, *, sure: bool = False) -> BaseEntry | None:
        """Return what lies at a path, links not followed; with `sure` from its layers, where no contract holds."""
        if path in self._known:
            return self._known[path]
        if self._known and path.partition("/")[0] not in _SYSTEM:
            return None
        if self._known and (self._sure or not sure) and any(path.startswith(f"{empty}/") for empty in _EMPTY):
            return None
        return self._all().get(path)

    def below(self, path: str) -> bool:
        """Say whether the base has anything in a folder."""
        if self._sure and self._known and path in _EMPTY:
            return False
        entry = self.lstat(path, sure=True)
        if entry is None:
            return False
        start = f"{path}/" if path else ""
        everything = {**self._known, **self._all()}
        return entry.kind != "folder" or any(name.startswith(start) and name != path for name in everything)

    def site_packages(self, python: str) -> str:
        """Return where the base's pip installs to, empty when that can't be known."""
        if self._site:
            return self._site
        end = f"/lib/python{python}/site-packages/pip"
        folders = [path for path in self._all() if path.endswith(end)]
        return posixpath.dirname(folders[0]) if len(folders) == 1 else ""

    def _all(self) -> Mapping[str, BaseEntry]:
        if self._read is None:
            self._read = self._load()
        return self._read


def nothing() -> BaseFiles:
    """Return the files of `scratch`."""
    return BaseFiles({"": BaseEntry("folder")}, dict)


def unknown(image: str) -> BaseFiles:
    """Return the files of an image that isn't the project's base: each question about them needs an engine."""

    def load() -> Mapping[str, BaseEntry]:
        raise NeedsEngineError(f"what {image} holds is not known")

    return BaseFiles({}, load)


def of(base: Base, cache: Path) -> BaseFiles:
    """Return the files of a base; `cache` keeps what was read from its layers."""
    if base.label.startswith(HOST_BASE):
        return BaseFiles(_contract(base.target.python), dict, _site(base.target.python))
    if base.label.startswith(f"{PUBLIC_BASE}:"):
        return BaseFiles(_contract(base.target.python), lambda: _listing(base, cache), _site(base.target.python))
    folders = ["", "var", "var/task", "opt"]
    known = {**dict.fromkeys(folders, BaseEntry("folder")), "tmp": BaseEntry("folder", 0o1777)}
    return BaseFiles(known, lambda: _listing(base, cache), sure=False)


def _site(python: str) -> str:
    return f"var/lang/lib/python{python}/site-packages"


def _contract(python: str) -> dict[str, BaseEntry]:
    site = _site(python)
    parts = site.split("/")
    folders = ["", "etc", "opt", "usr", "usr/bin", "usr/lib", "usr/local", "usr/sbin", "var/runtime", "var/task"]
    folders += ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
    folders += [f"{site}/{name}" for name in _OF_PIP]
    links = {name: BaseEntry("link", 0o777, link=f"usr/{name}") for name in ("bin", "lib", "lib64", "sbin")}
    return {**dict.fromkeys(folders, BaseEntry("folder")), **links, "tmp": BaseEntry("folder", 0o1777)}


def _listing(base: Base, cache: Path) -> Mapping[str, BaseEntry]:
    key = hashlib.sha256(" ".join(blob.digest for blob in base.layers).encode()).hexdigest()[:32]
    note = cache / "bases" / f"files-{key}.json"
    known = files.read_json(note)
    if not known:
        known = {"files": {path: [f.kind, f.mode, *f.owner, f.link] for path, f in _read(base).items()}}
        files.write_json(note, known)
    return {
        path: BaseEntry(kind, mode, (uid, gid), link) for path, (kind, mode, uid, gid, link) in known["files"].items()
    }


def _read(base: Base) -> dict[str, BaseEntry]:
    entries = {"": BaseEntry("folder")}
    for blob in base.layers:
        data = blob.local()
        try:
            with io.BytesIO(data) if isinstance(data, bytes) else data.open("rb") as file:
                for path, member in _members(file):
                    _apply(entries, path, member)
        except (tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, ValueError) as error:
            raise BadInputError(
                f"a layer of the base image {base.label.split('@')[0]} can't be read: {error or type(error).__name__}",
                kind="no-base-image",
                hint="check the image that `stepladder.image.base` names",
            ) from None
    return entries


def _members(file: IO[bytes]) -> Iterator[tuple[str, tarfile.TarInfo]]:
    with tarfile.open(fileobj=file, mode="r|*") as tar:
        for member in tar:
            path = posixpath.normpath(f"/{member.name}").lstrip("/")
            yield path, member


def _apply(entries: dict[str, BaseEntry], path: str, member: tarfile.TarInfo) -> None:
    folder, _, name = path.rpartition("/")
    if name.startswith(_WHITEOUT):
        gone = folder if name == _OPAQUE else f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/")
        for known in [known for known in entries if known.startswith(f"{gone}/")]:
            del entries[known]
        if name != _OPAQUE:
            entries.pop(gone, None)
        return
    kind = "folder" if member.isdir() else "link" if member.issym() else "file"
    if kind != "folder" and entries.get(path, BaseEntry("file")).kind == "folder":
        for known in [known for known in entries if known.startswith(f"{path}/")]:
            del entries[known]
    link = member.linkname if kind == "link" else ""
    entries[path] = BaseEntry(kind, member.mode & 0o7777, (member.uid, member.gid), link)
