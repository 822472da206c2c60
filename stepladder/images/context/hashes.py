"""Hashes of large files that were read before and didn't change since, by what the file system shows.

A model of two gigabytes would be read at every command. As git's index does, a hash is kept with the file's size, times
and inode, and counts while they stay. The time of the last change of an inode can't be set by a program, unlike the
file's own: a file put back with its old time is read again. A file that was changed within two seconds before it was
read isn't kept, since a second change might have left its times as they are; git calls such a file racy
(https://github.com/git/git/blob/master/Documentation/technical/racy-git.adoc). As with git, a program that still writes
to a file on tmpfs through a memory map isn't noticed: its later writes leave the times as they are.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import Any

from stepladder.core import files
from stepladder.images.context.files import Entry

LARGE = 1 << 20
"""Bytes from which on a hash is kept: a thousand smaller files are read in less than a tenth of a second."""
_GRAIN = 2_000_000_000  # nanoseconds: the coarsest time stamps of a file system (FAT's)
_DIGEST = 64


class ContentHashes:
    """SHA-256 of files, kept in the file `note`; without one, or where it can't be written, each is read."""

    def __init__(self, note: Path) -> None:
        self._note = note
        self._kept: dict[str, Any] | None = None
        self._begun: int | None = None
        self._new: dict[str, list[object]] = {}

    def of(self, entry: Entry) -> bytes:
        """Return the hash of a file's bytes."""
        try:
            state = entry.source.stat()
        except OSError:
            return entry.sha256()  # which says why it can't be read
        if state.st_size < LARGE:
            return entry.sha256()
        if self._kept is None:
            self._kept = files.read_json(self._note)
        facts = _facts(state)
        path = str(entry.source)
        known = self._kept.get(path)
        if isinstance(known, list) and known[:-1] == facts and _is_digest(known[-1]):
            self._new[path] = known
            return bytes.fromhex(known[-1])
        before = self._clock()
        digest = entry.sha256()
        if max(state.st_mtime_ns, state.st_ctime_ns) < before - _GRAIN and _facts(entry.source.stat()) == facts:
            self._new[path] = [*facts, digest.hex()]
        return digest

    def save(self) -> None:
        """Keep the hashes of the files that were asked for, and no others."""
        if (self._new or self._kept) and self._new != self._kept:
            with contextlib.suppress(OSError):
                files.write_json(self._note, self._new)

    def _clock(self) -> int:
        """Return the file system's own time, in nanoseconds, from before the first file was read; 0 when unknown."""
        if self._begun is None:
            self._begun = 0
            with contextlib.suppress(OSError):
                self._note.parent.mkdir(parents=True, exist_ok=True)
                with tempfile.TemporaryFile(dir=self._note.parent) as file:
                    file.write(b"now")
                    file.flush()
                    self._begun = os.fstat(file.fileno()).st_mtime_ns
        return self._begun


def _facts(state: os.stat_result) -> list[object]:
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev]


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and len(value) == _DIGEST and set(value) <= set("0123456789abcdef")
