"""Unpack an image's layers, or a zip, into a folder: safely, once per digest.

Layers are applied as the OCI image specification says (https://github.com/opencontainers/image-spec/blob/main/layer.md):
in order, with whiteouts. What they hold is not trusted: nothing is written outside the folder, also not through a
symbolic link that an earlier entry made, and devices are left out.
"""

from __future__ import annotations

import contextlib
import lzma
import os
import shutil
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from uuid import uuid4

LIMIT = 10 * 1024**3  # bytes unpacked: Lambda's own limit of an image
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_LINKS = 40  # symbolic links followed on one path, as in Linux
BROKEN = (  # RuntimeError: an encrypted zip, a compression that isn't known; ValueError: a null byte in a name
    *(tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError),
    *(OSError, EOFError, ValueError, OverflowError, RuntimeError),
)
"""What reading a broken archive, and writing what it holds, can end with."""
_locks: dict[Path, threading.Lock] = {}
_locks_guard = threading.Lock()


class UnpackError(Exception):
    """The archive is broken, too big, or tries to leave the folder."""


def once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Make `folder`, at most once: `make` fills a fresh sibling, which takes its place when whole."""
    with _locks_guard:
        lock = _locks.setdefault(folder, threading.Lock())
    with lock:
        if folder.is_dir():
            return folder
        fresh = folder.with_name(f".{folder.name}.{uuid4().hex}")
        fresh.mkdir(parents=True)
        try:
            make(fresh)
            with contextlib.suppress(FileExistsError, OSError):
                fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        if not folder.is_dir():
            raise UnpackError(f"can't make {folder}")
        return folder


def layers(blobs: Iterable[Path], root: Path) -> None:
    """Apply layer blobs (tar, plain or gzip) in order to `root`."""
    left = LIMIT
    for blob in blobs:
        try:
            with tarfile.open(blob, mode="r:*") as archive:
                left = _apply(archive, root, left)
        except BROKEN as error:
            raise UnpackError(f"layer {blob.name} can't be unpacked: {error or type(error).__name__}") from None


def zip_file(source: Path, root: Path) -> None:
    """Unpack a deployment package with its permission bits."""
    left = LIMIT
    try:
        with zipfile.ZipFile(source) as archive:
            for entry in archive.infolist():
                if not entry.filename:
                    raise UnpackError("a file of the package has no name")
                target = _inside(root, entry.filename)
                left -= entry.file_size
                if left < 0:
                    raise UnpackError("the package is too big")
                mode = entry.external_attr >> 16
                if target == root and not entry.is_dir():
                    raise UnpackError(f"{entry.filename} names the folder itself")
                if entry.is_dir():
                    target.mkdir(parents=True, exist_ok=True)
                elif stat.S_ISLNK(mode):
                    _link(archive.read(entry).decode(), target)
                else:
                    _remove(target)  # a link of the same name would be written through, to wherever it leads
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with archive.open(entry) as content, target.open("wb") as out:
                        shutil.copyfileobj(content, out)
                    target.chmod(0o644 | (mode & 0o111))
    except BROKEN as error:
        raise UnpackError(f"the package can't be unpacked: {error or type(error).__name__}") from None


def _apply(archive: tarfile.TarFile, root: Path, left: int) -> int:
    written: set[Path] = set()  # an opaque marker hides lower layers only, wherever it stands in its own
    for member in archive:
        target = _inside(root, member.name)
        name = PurePosixPath(member.name).name
        if name == _OPAQUE:
            _clear(target.parent, keep=written)
        elif name.startswith(_WHITEOUT):
            hidden = name.removeprefix(_WHITEOUT)
            if hidden in ("", ".", ".."):
                raise UnpackError(f"{member.name} hides no file")
            _remove(_inside(root, str(PurePosixPath(member.name).with_name(hidden))))
        elif target != root:
            left -= member.size
            if left < 0:
                raise UnpackError("the image is too big: more than 10 GB unpacked")
            _extract(archive, member, target, root)
            written.add(target)
    return left


def _extract(archive: tarfile.TarFile, member: tarfile.TarInfo, target: Path, root: Path) -> None:
    if member.isdir():
        if not target.is_dir() or target.is_symlink():
            _remove(target)
            target.mkdir(parents=True)
        target.chmod(0o755)
        return
    if not (member.isreg() or member.issym() or member.islnk()):
        return  # devices, sockets, pipes
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    if member.issym():
        _link(member.linkname, target)
    elif member.islnk():
        source = _inside(root, member.linkname)
        if source.is_symlink() or not source.is_file():
            raise UnpackError(f"{member.name} links to {member.linkname}, which is no file of the image")
        os.link(source, target)
    else:
        content = archive.extractfile(member)
        assert content is not None  # noqa: S101 - a regular file has content
        with content, target.open("wb") as out:
            shutil.copyfileobj(content, out, 1024 * 1024)
        target.chmod(0o644 | (member.mode & 0o111))
        os.utime(target, (member.mtime, member.mtime))


def _link(destination: str, target: Path) -> None:
    _remove(target)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.symlink_to(destination)


def _inside(root: Path, name: str) -> Path:
    """Return where an entry goes: its folder's links are followed as if `root` were `/`. The last part's aren't."""
    if "\0" in name:
        raise UnpackError("a name holds a null byte")
    waiting = [p for p in reversed(PurePosixPath(name).parts) if p not in ("/", ".")]
    if ".." in waiting:
        raise UnpackError(f"{name} would leave the folder")
    at, followed = root, 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            at = at.parent if at != root else root
            continue
        step = at / part
        if not waiting or not step.is_symlink():
            at = step
            continue
        followed += 1
        if followed > _LINKS:
            raise UnpackError(f"{name}: too many symbolic links")
        destination = PurePosixPath(step.readlink())
        if destination.is_absolute():
            at = root
        waiting.extend(p for p in reversed(destination.parts) if p not in ("/", "."))
    return at


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _clear(folder: Path, keep: set[Path]) -> None:
    if not folder.is_dir() or folder.is_symlink():
        return
    for path in folder.iterdir():
        if path in keep or any(path in kept.parents for kept in keep):
            if path.is_dir() and not path.is_symlink():
                _clear(path, keep)
        else:
            _remove(path)
