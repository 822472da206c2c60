"""The build context as an engine gets it, with the Dockerfile that ends with our labels.

It is written by the same rules as the layers builder's and with fixed times, so that what git or an editor does to a
file's time doesn't spoil the engine's cache.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import re
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO

from stepladder.core import text
from stepladder.images.context.archive import add_file
from stepladder.images.context.files import Entry, collect

DOCKERFILE = "Dockerfile"
_LABELLED = ".stepladder.Dockerfile"
_MTIME = 315532800  # 1980-01-01, as in the layers
_ESCAPE = rb"(?im)^#\s*escape\s*="


@contextlib.contextmanager
def written(root: Path, scratch: Path, labels: Mapping[str, str]) -> Iterator[tuple[IO[bytes], str]]:
    """Write the build context as a tar: what `.dockerignore` lets in, sorted, with fixed times, owners and modes.

    Yields it with the name of the Dockerfile in it. One of our name ends with the labels: given to the engine apart,
    each would be a step of the build, which makes a container and commits it.

    Folders are written too: an engine that has to invent them uses its own umask, and Lambda runs the code as a user
    that owns nothing. The tar lies in a file below `scratch`, since it may be larger than memory.
    """
    files = {entry.path: entry for entry in collect(root)}
    folders = {str(parent) for path in files for parent in Path(path).parents} - {"."}
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=scratch) as buffer:
        with tarfile.open(fileobj=buffer, mode="w") as tar:
            for path in sorted(folders):
                _add(tar, path, tarfile.DIRTYPE, 0o755)
            recoded = _recoded(root / DOCKERFILE)
            for path, entry in sorted(files.items()):
                if path != DOCKERFILE or not recoded:
                    _add_entry(tar, path, entry)
            data = recoded or (root / DOCKERFILE).read_bytes()
            is_ours = ".dockerignore" not in files and _LABELLED not in files and _takes_a_line(data)
            hidden = [name for name in (DOCKERFILE, ".dockerignore") if name not in files]
            if (recoded and DOCKERFILE in files) or (DOCKERFILE in hidden and not is_ours):
                _add(tar, DOCKERFILE, tarfile.REGTYPE, 0o644, data)
            if is_ours:
                _add(tar, _LABELLED, tarfile.REGTYPE, 0o644, data + _label_line(labels))
                hidden.append(_LABELLED)
            if ".dockerignore" in hidden:  # makes the engine keep to itself what it gets for the build only
                _add(tar, ".dockerignore", tarfile.REGTYPE, 0o644, "\n".join(hidden).encode())
        buffer.seek(0)
        yield buffer, _LABELLED if is_ours else DOCKERFILE


def _takes_a_line(dockerfile: bytes) -> bool:
    """Say whether a line behind a Dockerfile is an instruction of its own, with backslashes that escape."""
    return not dockerfile.rstrip().endswith(b"\\") and not re.search(_ESCAPE, dockerfile)


def _label_line(labels: Mapping[str, str]) -> bytes:
    """Return the instruction that gives an image its labels."""
    pairs = [f"{name}={json.dumps(value, ensure_ascii=False)}".replace("$", "\\$") for name, value in labels.items()]
    return f"\nLABEL {' '.join(pairs)}\n".encode()


def _recoded(path: Path) -> bytes:
    """Return a Dockerfile in UTF-8 that is written in UTF-16, which the engine doesn't read; empty for any other."""
    data = path.read_bytes()
    return text.read(path).encode() if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else b""


def _add_entry(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    if entry.link:
        _add(tar, path, tarfile.SYMTYPE, 0o777, link=entry.link)
        return
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = tarfile.REGTYPE, 0o755 if entry.executable else 0o644, _MTIME
    add_file(tar, info, entry)


def _add(tar: tarfile.TarFile, path: str, kind: bytes, mode: int, data: bytes = b"", *, link: str = "") -> None:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime, info.size, info.linkname = kind, mode, _MTIME, len(data), link
    tar.addfile(info, io.BytesIO(data) if data else None)
