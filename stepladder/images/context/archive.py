"""Layers as bytes that depend on their content and on nothing else.

Tar: sorted, one fixed time, owner 0, modes 0644/0755, no extended attributes. Gzip: see `compressed`.
"""

from __future__ import annotations

import io
import os
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from stepladder.images.context.compressed import PIECE, Gzip
from stepladder.images.context.files import Entry

MTIME = 315_532_800  # 1980-01-01: the earliest time that zip files, and so wheels, can carry


@dataclass(frozen=True)
class Layer:
    """A layer on disk: the compressed file, its digest and size, and the digest of the tar inside."""

    path: Path
    digest: str
    size: int
    diff_id: str

    def used(self) -> bool:
        """Say whether the file is here as it was written, and note that it was used today: see `layers.build.tidy`."""
        try:
            if self.path.stat().st_size != self.size:
                return False
            os.utime(self.path)
        except OSError:
            return False
        return True


def write_layer(entries: Iterable[Entry], prefix: str, into: Path) -> Layer:
    """Write a layer of `entries` below the folder `prefix` into the folder `into`, named by its digest."""
    into.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=into, prefix=".layer-", delete=False) as file:
        scratch = Path(file.name)
        try:
            packed = Gzip(file)  # type: ignore[arg-type]
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
    with tarfile.open(fileobj=out, mode="w|", bufsize=PIECE, format=tarfile.PAX_FORMAT) as tar:
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
