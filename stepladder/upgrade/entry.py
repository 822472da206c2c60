"""What lies at a path of a project: a file's content, or what is there in place of a file."""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

State = Literal["absent", "file", "folder", "link", "other", "blocked", "unreadable"]
WORDS = {
    "folder": "a folder",
    "link": "a symbolic link",
    "other": "no regular file",
    "blocked": "below a file or a symbolic link",
    "unreadable": "a file that can't be read",
}


@dataclass(frozen=True)
class PathEntry:
    """A path's state; a file has its content and its permissions."""

    state: State
    content: bytes = b""
    mode: int = 0o644

    @property
    def is_text(self) -> bool:
        """Whether lines can be merged: git takes a zero byte for the sign of a binary file."""
        return b"\0" not in self.content

    @property
    def has_windows_lines(self) -> bool:
        """Whether most lines end as on Windows."""
        return self.content.count(b"\r\n") * 2 > self.content.count(b"\n")

    @property
    def unix(self) -> bytes:
        """The content with the line ends of Unix; a binary file as it is."""
        return self.content.replace(b"\r\n", b"\n") if self.is_text else self.content

    def as_lines_of(self, content: bytes) -> bytes:
        """Return a content with the line ends that this file has."""
        return (
            content.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
            if self.is_text and self.has_windows_lines
            else content
        )


def read(root: Path, name: str) -> PathEntry:
    """Read a path below a root, and follow no link on the way."""
    at = root
    parts = Path(name).parts
    for part in parts[:-1]:
        at /= part
        if at.is_symlink() or (at.exists() and not at.is_dir()):
            return PathEntry("blocked")
    path = root / name
    try:
        at_path = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return PathEntry("absent")
    mode = at_path.st_mode
    if not stat.S_ISREG(mode):
        return PathEntry("link" if stat.S_ISLNK(mode) else "folder" if stat.S_ISDIR(mode) else "other")
    try:
        return PathEntry("file", path.read_bytes(), stat.S_IMODE(mode))
    except PermissionError:
        return PathEntry("unreadable")


def tree(root: Path) -> dict[str, PathEntry]:
    """Read every file of a rendered project."""
    names = (path.relative_to(root).as_posix() for path in sorted(root.rglob("*")) if path.is_file())
    return {name: read(root, name) for name in names}
