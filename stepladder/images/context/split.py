"""Divide what would be one large layer, so that a change sends what changed and not all that lies beside it.

Which layer a file goes to depends on its path and on the sizes of all, never on what was built before: the digest is
the same on every machine.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

from stepladder.images.context.files import Entry

LARGE = 8 << 20
"""Bytes of a file that has a layer of its own; and of the packages in one layer, about."""
PART = 2 << 20
"""Bytes of a project's own files in one layer, about: they change oftener than packages."""
_AT_MOST = 16
"""Layers of small files, and layers of large ones. A container engine mounts about 120 in all."""


def by_path(entry: Entry) -> str:
    """Return what keeps a file of the project in its layer: its path. The files of a folder change one by one."""
    return entry.path


def by_package(prefix: str) -> Callable[[Entry], str]:
    """Return what keeps a package's file in its layer: the package, which changes as a whole.

    `prefix` is the folder that packages are installed into. `numpy`, `numpy.libs` and `numpy-2.3.dist-info` are one.
    """

    def package(entry: Entry) -> str:
        top = entry.path.removeprefix(f"{prefix}/").partition("/")[0]
        return top.partition("-")[0].partition(".")[0].lower()

    return package


def split(entries: Iterable[Entry], unit: Callable[[Entry], str] = by_path, part: int = PART) -> list[list[Entry]]:
    """Return the entries of each layer; one list, unless the files have more than `part` bytes.

    A list also has the folders above its files that are among the entries: a layer gives each folder's mode.
    """
    entries = list(entries)
    sizes = {entry.path: _size(entry) for entry in entries if not entry.folder}
    if sum(sizes.values()) <= part:
        return [entries]
    large = [entry for entry in entries if sizes.get(entry.path, 0) >= LARGE]
    small = [entry for entry in entries if sizes.get(entry.path, LARGE) < LARGE]
    groups: dict[tuple[str, int], list[Entry]] = {}
    for number, entry in enumerate(sorted(large, key=by_path)):
        one = number if len(large) <= _AT_MOST else zlib.crc32(entry.path.encode()) % _AT_MOST
        groups.setdefault(("large", one), []).append(entry)
    parts = _parts(sum(sizes[entry.path] for entry in small), part)
    for entry in small:
        groups.setdefault(("small", zlib.crc32(unit(entry).encode()) % parts), []).append(entry)
    folders = {entry.path: entry for entry in entries if entry.folder}
    return [_with_folders(groups[key], folders) for key in sorted(groups)] if groups else [entries]


def _size(entry: Entry) -> int:
    return 0 if entry.link else entry.source.stat().st_size


def _parts(size: int, part: int) -> int:
    """Return a power of two, so that it seldom changes with the size."""
    parts = 1
    while parts < _AT_MOST and size > parts * part:
        parts *= 2
    return parts


def _with_folders(files: list[Entry], folders: dict[str, Entry]) -> list[Entry]:
    if not folders:
        return files
    above = {path[:end] for path in (entry.path for entry in files) for end in range(len(path)) if path[end] == "/"}
    return [*(folders[path] for path in sorted(above & folders.keys())), *files]
