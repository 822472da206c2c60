"""See whether the files of a folder have changed, by their times and sizes: on any file system, with no watcher."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

_LEFT_OUT = frozenset({".git", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".venv", "__pycache__", "node_modules"})

Signature = frozenset[tuple[str, int, int]]
"""Path, time of the last change and size of each file."""


def signature(*paths: Path) -> Signature:
    """Return what distinguishes the files of folders, or single files, from what they were before."""
    return frozenset(entry for path in paths for entry in _entries(path))


def _entries(path: Path) -> Iterator[tuple[str, int, int]]:
    if not path.is_dir():
        with contextlib.suppress(OSError):  # not there
            yield _entry(path)
        return
    for folder, folders, names in os.walk(path, followlinks=True):
        folders[:] = [name for name in folders if name not in _LEFT_OUT]
        for name in names:
            if not name.endswith((".pyc", ".swp", "~")):
                with contextlib.suppress(OSError):  # deleted meanwhile, or a link to nothing
                    yield _entry(Path(folder, name))


def _entry(path: Path) -> tuple[str, int, int]:
    status = path.stat()
    return str(path), status.st_mtime_ns, status.st_size
