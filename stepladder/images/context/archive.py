"""Layers as bytes that depend on their content and on nothing else.

Tar: sorted, one fixed time, owner 0, modes 0644/0755, no extended attributes. Gzip: stored blocks, written here,
because deflate's output differs between zlib, zlib-ng and their versions (docs/decisions, reproducible layers).
"""

from __future__ import annotations

import hashlib
import io
import struct
import tarfile
import tempfile
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import IO, cast

from stepladder.core.lazy_dataclass import dataclass
from stepladder.images.context.files import Entry

MTIME = 315_532_800  # 1980-01-01: the earliest time that zip files, and so wheels, can carry
_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"  # deflate, no name, no time, unknown system
_BLOCK = 65_535


@dataclass(frozen=True)
class Layer:
    """A layer on disk: the compressed file, its digest and size, and the digest of the tar inside."""

    path: Path
    digest: str
    size: int
    diff_id: str


class _StoredGzip(io.RawIOBase):
    """Write gzip with stored blocks, counting and hashing both sides."""

    def __init__(self, out: io.BufferedIOBase) -> None:
        self._out, self._rest = out, b""
        self._crc, self._length = 0, 0
        self.outer, self.inner, self.size = hashlib.sha256(), hashlib.sha256(), 0
        self._emit(_HEADER)

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        chunk = bytes(data)  # type: ignore[call-overload]
        self.inner.update(chunk)
        self._crc = zlib.crc32(chunk, self._crc)
        self._length += len(chunk)
        pending = self._rest + chunk
        whole = len(pending) - len(pending) % _BLOCK
        for start in range(0, whole, _BLOCK):
            self._block(pending[start : start + _BLOCK], last=False)
        self._rest = pending[whole:]
        return len(chunk)

    def finish(self) -> None:
        """Write the last block and the trailer (RFC 1951 3.2.4, RFC 1952 2.3)."""
        self._block(self._rest, last=True)
        self._emit(struct.pack("<II", self._crc, self._length & 0xFFFFFFFF))

    def _block(self, data: bytes, *, last: bool) -> None:
        self._emit(struct.pack("<BHH", int(last), len(data), len(data) ^ 0xFFFF) + data)

    def _emit(self, data: bytes) -> None:
        self.outer.update(data)
        self.size += len(data)
        self._out.write(data)


def write_layer(entries: Iterable[Entry], prefix: str, into: Path) -> Layer:
    """Write a layer of `entries` below the folder `prefix` into the folder `into`, named by its digest."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=into, prefix=".layer-", delete=False) as file:
        scratch = Path(file.name)
        try:
            packed = _StoredGzip(file)  # type: ignore[arg-type]
            _write_tar(packed, entries, prefix.strip("/"))
            packed.finish()
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
    digest = packed.outer.hexdigest()
    path = into / f"sha256-{digest}"
    scratch.chmod(0o644)
    scratch.replace(path)
    return Layer(path, f"sha256:{digest}", packed.size, f"sha256:{packed.inner.hexdigest()}")


def _write_tar(out: io.RawIOBase, entries: Iterable[Entry], prefix: str) -> None:
    placed = sorted(((f"{prefix}/{e.path}" if prefix else e.path), e) for e in entries)
    folders = {parent for path, _ in placed for parent in _parents(path)}
    members: dict[str, Entry | None] = {**dict.fromkeys(folders), **dict(placed)}
    with tarfile.open(fileobj=out, mode="w|", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(members):
            _add(tar, path, members[path])


def _add(tar: tarfile.TarFile, path: str, entry: Entry | None) -> None:
    info = tarfile.TarInfo(path)
    info.mtime, info.mode = MTIME, 0o755
    if entry is not None:
        info.uid, info.gid = entry.owner
    if entry is None or entry.folder:
        info.type = tarfile.DIRTYPE
        info.mode = entry.mode if entry and entry.mode is not None else 0o755
        tar.addfile(info)
    elif entry.link:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
        tar.addfile(info)
    else:
        info.mode = entry.mode if entry.mode is not None else 0o755 if entry.executable else 0o644
        add_file(tar, info, entry)


def add_file(tar: tarfile.TarFile, info: tarfile.TarInfo, entry: Entry) -> None:
    """Add an entry's content under `info` without ever holding it whole."""
    with entry.opened() as content:
        info.size = content.size
        tar.addfile(info, cast("IO[bytes]", content))  # it reads, and nothing else is asked of it


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]
