"""The files that a Dockerfile's stage adds to its base, as the engine would place them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from stepladder.images.base.files import BaseEntry, BaseFiles
from stepladder.images.context.files import Entry
from stepladder.images.parsers.run_command import NeedsEngineError
from stepladder.images.requirements.pip_file import Locked

_LINKS = 40


@dataclass(frozen=True)
class Placed:
    """One file, link or folder of the image; `turn` counts what was placed, `number` is the Dockerfile's line."""

    entry: Entry
    number: int
    turn: int

    @property
    def kind(self) -> str:
        """What it is, in the words of `BaseEntry`."""
        return "folder" if self.entry.folder else "link" if self.entry.link else "file"


@dataclass(frozen=True)
class Install:
    """Packages that pip puts below `prefix`, a path without a leading slash."""

    prefix: str
    requirements: tuple[Entry, ...]
    locked: Locked
    wheels: tuple[Entry, ...]
    no_deps: bool
    number: int
    turn: int
    site: bool = False
    direct: bool = True
    """False when a later stage copied them."""
    before: tuple[tuple[str, int], ...] = ()
    """What pip found in its folder, by the name right there, and the line that put it there."""


@dataclass
class ImageTree:
    """What a stage has placed above its base. Paths have no leading slash."""

    base: BaseFiles
    placed: dict[str, Placed] = field(default_factory=dict)
    installs: list[Install] = field(default_factory=list)
    turn: int = 0

    def copy(self) -> ImageTree:
        """Return a tree to go on from: a stage that stands on this one."""
        return ImageTree(self.base, dict(self.placed), list(self.installs), self.turn)

    def lstat(self, path: str, *, sure: bool = False) -> BaseEntry | None:
        """Return what lies at a path, links not followed; `sure` as for `BaseFiles.look`."""
        own = self.placed.get(path)
        if own:
            mode = own.entry.mode if own.entry.mode is not None else 0o755
            return BaseEntry(own.kind, mode, own.entry.owner, own.entry.link)
        if any(i.prefix == path or i.prefix.startswith(f"{path}/") for i in self.installs):
            return BaseEntry("folder")
        return self.base.lstat(path, sure=sure)

    def resolve(self, path: str) -> str:
        """Return a path with its links followed, inside the image. Raises `NeedsEngineError` for a circle."""
        done: list[str] = []
        parts = [part for part in path.split("/") if part]
        for _ in range(_LINKS * 10):
            if not parts:
                return "/".join(done)
            part = parts.pop(0)
            if part in (".", ".."):
                done = done[:-1] if part == ".." else done
                continue
            entry = self.lstat("/".join([*done, part]))
            if entry and entry.kind == "link":
                done = [] if entry.link.startswith("/") else done
                parts = [piece for piece in entry.link.split("/") if piece] + parts
            else:
                done.append(part)
        raise NeedsEngineError(f"/{path} leads in a circle")

    def is_folder(self, path: str) -> bool:
        """Say whether a folder lies at a resolved path, also in the base."""
        entry = self.lstat(path, sure=True)
        return entry is not None and entry.kind == "folder"

    def make_folder(self, path: str, number: int, owner: tuple[int, int] = (0, 0), mode: int = 0o755) -> None:
        """Make a folder and those above it that are missing."""
        parts = path.split("/") if path else []
        for end in range(1, len(parts) + 1):
            step = "/".join(parts[:end])
            entry = self.lstat(step)
            if entry is None:
                self.put(Entry(step, Path(), folder=True, mode=mode, owner=owner), number)
            elif entry.kind != "folder":
                raise NeedsEngineError(f"/{step} is no folder")

    def put(self, entry: Entry, number: int) -> None:
        """Put a file or link at its path, whose folder exists."""
        existing = self.lstat(entry.path)
        if existing and (existing.kind == "folder") != entry.folder:
            raise NeedsEngineError(f"/{entry.path} is a {existing.kind} already")
        self.turn += 1
        self.placed[entry.path] = Placed(entry, number, self.turn)

    def add_install(self, install: Install) -> None:
        """Add what pip installs, and remember its turn and what it found."""
        self.turn += 1
        if install.direct:
            existing = {rest.partition("/")[0]: placed.number for rest, placed in self.below(install.prefix)}
            install = replace(install, before=tuple(sorted(existing.items())))
        self.installs.append(replace(install, turn=self.turn))

    def below(self, path: str) -> Iterator[tuple[str, Placed]]:
        """Return what was placed below a folder, with the path from there, folders before what is in them."""
        start = f"{path}/" if path else ""
        for name in sorted(self.placed):
            if name.startswith(start):
                yield name[len(start) :], self.placed[name]

    def remove(self, path: str) -> None:
        """Remove a file or folder that this build placed. Raises `NeedsEngineError` for anything else."""
        if self.base.lstat(path) or any(
            f"{i.prefix}/".startswith(f"{path}/") or (path.startswith(f"{i.prefix}/") and path not in self.placed)
            for i in self.installs
        ):
            raise NeedsEngineError(f"/{path} may hold what the base or pip put there")
        for name in [path, *(f"{path}/{rest}" for rest, _ in self.below(path))]:
            self.placed.pop(name, None)


def absolute(workdir: str, path: str) -> str:
    """Return a path of the image without a leading slash, dots and double slashes taken out; links are not."""
    return posixpath.normpath(posixpath.join("/", workdir, path)).lstrip("/")
