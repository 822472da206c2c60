"""Git LFS: a file of the context that is a pointer, because nobody fetched what it points to.

The format: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
"""

from __future__ import annotations

import os
from collections.abc import Iterable

from stepladder.core.errors import RefusedError
from stepladder.images.context.files import Entry

_BEGINS = b"version https://git-lfs.github.com/spec/"
_AT_MOST = 1024  # bytes, says the specification


def pointers(entries: Iterable[Entry]) -> list[str]:
    """Return the paths of the files that are pointers."""
    return [entry.path for entry in entries if not entry.link and _is_pointer(entry)]


def _is_pointer(entry: Entry) -> bool:
    with entry.source.open("rb") as file:
        if os.fstat(file.fileno()).st_size >= _AT_MOST:
            return False
        text = file.read(_AT_MOST)
    return text.startswith(_BEGINS) and b"\noid sha256:" in text


def refused(pointers: list[str], environment: str) -> RefusedError:
    """Return the error for an image that would hold pointers in place of what they point to."""
    more = f" and {len(pointers) - 5} more" if len(pointers) > 5 else ""  # noqa: PLR2004 - as many as fit a line
    return RefusedError(
        f"the image would hold Git LFS pointers in place of the files: {', '.join(pointers[:5])}{more}",
        kind="build-context",
        hint="`git lfs pull` fetches the files; if a pointer is meant, `inv image.push --allow-dirty` or "
        f"`inv deploy --env {environment} --allow-dirty` takes it, and `.dockerignore` leaves it out",
    )
