"""What the sources of a `COPY` name: files and folders of the build context, or of an earlier stage."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass

from stepladder.images.context import go_match
from stepladder.images.context.files import Entry
from stepladder.images.parsers.run_command import NeedsEngineError


class MissingError(Exception):
    """The context has nothing at a source; `path` is the source."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(frozen=True)
class CopySource:
    """One thing to copy: a file under its name, or the content of a folder."""

    name: str
    folder: bool
    entries: tuple[Entry, ...]
    """Of a folder: all that is in it, folders too, with paths from there. Else the one file."""


class BuildContext:
    """The build context as a tree. A link that is named itself is followed, one inside a copied folder is kept."""

    def __init__(self, entries: tuple[Entry, ...]) -> None:
        self._entries = {entry.path: entry for entry in entries}
        for path in list(self._entries):
            for parent in _parents(path):
                self._entries.setdefault(parent, Entry(parent, self._entries[path].source, folder=True))

    def find(self, pattern: str) -> list[CopySource]:
        """Return what one source of a `COPY` names. Raises `MissingError`, `NeedsEngineError`."""
        if go_match.has_wildcards(pattern):
            return self._matching(pattern)
        if "\\" in pattern:
            raise NeedsEngineError(f"{pattern} has a backslash in it")
        return [self._source(_inside(pattern))]

    def entry(self, path: str) -> Entry | None:
        """Return the file at a path, links followed; None when there is none."""
        try:
            entry = self._entries.get(self._resolve(path))
        except MissingError:
            return None
        return entry if entry and not entry.folder else None

    def _matching(self, pattern: str) -> list[CopySource]:
        clean = _inside(pattern)
        try:
            matches = go_match.compiled(clean).fullmatch
        except go_match.BadPatternError as error:
            raise NeedsEngineError(f"{error}; a list in JSON needs double quotes") from None
        sources = [self._source(path) for path in sorted(self._entries, key=_walked) if matches(path)]
        if not sources:
            raise MissingError(pattern)
        return sources

    def _source(self, path: str) -> CopySource:
        name = posixpath.basename(path)
        real = self._resolve(path)
        entry = self._entries.get(real)
        if real and not entry:
            raise MissingError(path)
        if entry and not entry.folder:
            return CopySource(name, folder=False, entries=(entry,))
        return CopySource(name, folder=True, entries=tuple(self._below(real)))

    def _below(self, folder: str) -> Iterator[Entry]:
        start = f"{folder}/" if folder else ""
        for path in sorted(self._entries):
            if path.startswith(start):
                entry = self._entries[path]
                yield Entry(path[len(start) :], entry.source, entry.executable, entry.link, entry.folder)

    def _resolve(self, path: str) -> str:
        parts, done = [part for part in path.split("/") if part not in ("", ".")], list[str]()
        for _ in range(400):
            if not parts:
                return "/".join(done)
            part = parts.pop(0)
            if part == "..":
                done = done[:-1]
                continue
            entry = self._entries.get("/".join([*done, part]))
            if entry and entry.link:
                parts = [piece for piece in entry.link.split("/") if piece not in ("", ".")] + parts
            else:
                done.append(part)
        raise MissingError(path)


def _inside(path: str) -> str:
    """Return a source as a path from the context's root. Raises `NeedsEngineError` for one that leaves it."""
    clean = posixpath.normpath(path.lstrip("/") or ".")
    if clean == ".." or clean.startswith("../"):
        raise NeedsEngineError(f"{path} is outside the build context")
    return "" if clean == "." else clean


def _walked(path: str) -> list[str]:
    """Order as Go's filepath.Walk does: a folder's content before the next name."""
    return path.split("/")


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
