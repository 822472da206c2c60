"""The files of the build context: what `function/` offers to the image once `.dockerignore` has spoken."""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from stepladder.core import text
from stepladder.core.errors import BadInputError, StepladderError
from stepladder.images.context import ignore as ignore_rules
from stepladder.images.context import shown
from stepladder.images.context.ignore import Ignore

PIECE = 1 << 20
"""Bytes that are read at once."""
_STILL = "run the same command again once nothing writes to the files"


@dataclass(frozen=True)
class Entry:
    """One file, symbolic link or folder of the context or of a layer; `path` is relative and uses `/`."""

    path: str
    source: Path
    executable: bool = False
    link: str = ""
    folder: bool = False
    mode: int | None = None
    """None: 0755 for a folder and what is executable, else 0644."""
    owner: tuple[int, int] = (0, 0)

    def read(self) -> bytes:
        """Return the file's bytes; for a small one, `opened` is for any."""
        with self.opened() as content:
            return content.read(content.size)

    def sha256(self) -> bytes:
        """Return the hash of the file's bytes."""
        total = hashlib.sha256()
        with self.opened() as content:
            while piece := content.read(PIECE):
                total.update(piece)
        return total.digest()

    def opened(self) -> Content:
        """Return the file's content, to be read piece by piece in a `with` statement."""
        return Content(self)


class Content:
    """A file of the context while it is read: a model of gigabytes never lies in memory.

    Raises `StepladderError` when somebody changes or removes the file meanwhile.
    """

    def __init__(self, entry: Entry) -> None:
        self._path = entry.path
        try:
            self._file = entry.source.open("rb")
        except OSError as error:
            raise StepladderError(
                f"{entry.path} can't be read: {error.strerror}", kind="build-context", hint=_STILL
            ) from None
        self.size = self._left = os.fstat(self._file.fileno()).st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._file:
            if kind is None and (self._left or self._file.read(1)):
                raise self._changed()

    def read(self, size: int) -> bytes:
        """Return the next bytes, never beyond the size that the file had when it was opened."""
        wanted = min(size, self._left)
        data = self._file.read(wanted)
        self._left -= len(data)
        if len(data) < wanted:
            raise self._changed()
        return data

    def _changed(self) -> StepladderError:
        return StepladderError(f"{self._path} changed while it was read", kind="build-context", hint=_STILL)


def collect(folder: Path) -> tuple[Entry, ...]:
    """Return every file that may enter the image, sorted by path.

    Raises `BadInputError` for a link that leads out of the context and for a file that is neither file nor link.
    """
    if not folder.is_dir():
        raise BadInputError(
            f"there is no folder {shown.name(folder)}/ to build the image from",
            kind="build-context",
            hint="`stepladder.image.context` names it, relative to `invoke.yaml`",
        )
    paths: list[Entry] = []
    _walk(folder, "", rules(folder), paths)
    return tuple(sorted(paths, key=lambda entry: entry.path))


def rules(folder: Path) -> Ignore:
    """Read the context's `.dockerignore`."""
    return ignore_rules.of(folder)


def secrets(folder: Path) -> tuple[str, ...]:
    """Return what stays out of the context as a secret although no line of `.dockerignore` says so, sorted."""
    ignore, paths = ignore_rules.of(folder), list[str]()

    def walk(below: str) -> None:
        with os.scandir(folder / below) as scan:
            for item in scan:
                path = f"{below}/{item.name}" if below else item.name
                if ignore.rule(path) and not ignore.has_exceptions:
                    continue
                if ignore.secret(path) and not ignore.rule(path):
                    paths.append(path)
                elif item.is_dir(follow_symlinks=False) and (ignore.rule(path) or not ignore.excludes(path)):
                    walk(path)

    walk("")
    return tuple(sorted(paths))


def _walk(root: Path, below: str, ignore: Ignore, paths: list[Entry]) -> None:
    with os.scandir(root / below) as scan:
        for item in scan:
            path = f"{below}/{item.name}" if below else item.name
            out = ignore.excludes(path)
            if item.is_dir(follow_symlinks=False):
                # An excluded folder is still searched when a `!` line may take something in it back.
                if not out or ignore.has_exceptions:
                    _walk(root, path, ignore, paths)
            elif not out:
                text.check_name(f"{root.name}/{path}")
                paths.append(_entry(root, path, item))


def _entry(root: Path, path: str, item: os.DirEntry[str]) -> Entry:
    source = Path(item.path)
    if item.is_symlink():
        target = str(source.readlink())
        text.check_name(target, f"what the link {shown.name(root)}/{path} points to")
        inside = os.path.normpath(os.path.join(os.path.dirname(path), target))  # noqa: PTH118, PTH120 - text, not files
        if os.path.isabs(target) or inside.startswith(".."):  # noqa: PTH117 - as above
            raise BadInputError(
                f"{shown.name(root)}/{path} is a link that leads out of the build context",
                kind="build-context",
                hint="copy the file in, or name the link in `.dockerignore`",
            )
        return Entry(path, source, link=target)
    mode = item.stat(follow_symlinks=False).st_mode
    if not stat.S_ISREG(mode):
        raise BadInputError(
            f"{shown.name(root)}/{path} is neither a file nor a link",
            kind="build-context",
            hint="name it in `.dockerignore`",
        )
    return Entry(path, source, executable=bool(mode & stat.S_IXUSR))
