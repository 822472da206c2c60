"""Images of layers, unpacked for the process launcher: what a save didn't change is taken from the image before.

Only the last layer, the code, differs between two builds as a rule. The files below it are unpacked once, and each
image gets links to them. What Python compiled of them is kept too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
from pathlib import Path

from localcloud.launchers import unpack
from stepladder.images.model import LocalImage

_KEPT = 3
"""Images that stay: a request that is under way may import more of the one that it began with."""
_CACHE = "__pycache__"


class UnpackedImages:
    """The images below a folder, where the launcher expects them: `images/<digest>`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[Path] = []

    def root(self, image: LocalImage) -> Path:
        """Return where an image is."""
        return self._folder / "images" / image.digest.replace(":", "-")

    def make(self, image: LocalImage) -> None:
        """Unpack an image, and remove those that nothing runs any more. The launcher reports what can't be unpacked."""
        if len(image.layers) < 2:  # noqa: PLR2004 - nothing to share
            return
        with contextlib.suppress(unpack.UnpackError, OSError):
            lower = unpack.once(self._lower(image), lambda fresh: unpack.layers(_paths(image, 0, -1), fresh))

            def apply(fresh: Path) -> None:
                shutil.copytree(lower, fresh, symlinks=True, dirs_exist_ok=True, copy_function=os.link)
                unpack.layers(_paths(image, -1, None), fresh)

            root = unpack.once(self.root(image), apply)
            self._made = [*(path for path in self._made if path != root), root]
            for old in self._made[:-_KEPT]:
                shutil.rmtree(old, ignore_errors=True)
            del self._made[:-_KEPT]

    def keep_compiled(self, image: LocalImage) -> None:
        """Keep what Python compiled below the code, for the next image.

        Files of an image all bear one time, so that Python can't distinguish two of one size: what was compiled beside
        the code is left out.
        """
        lower, root = self._lower(image), self.root(image)
        for cache in root.rglob(_CACHE) if lower.is_dir() else ():
            source, target = cache.parent, lower / cache.relative_to(root)
            if not target.parent.is_dir() or _differ(source, target.parent):
                continue
            with contextlib.suppress(OSError):
                target.mkdir(exist_ok=True)
                for file in cache.iterdir():
                    if file.suffix == ".pyc" and not (target / file.name).exists():
                        os.link(file, target / file.name)

    def _lower(self, image: LocalImage) -> Path:
        names = "".join(blob.digest for blob in image.layers[:-1])
        return self._folder / "lower" / hashlib.sha256(names.encode()).hexdigest()


def _paths(image: LocalImage, first: int, end: int | None) -> list[Path]:
    """Return the files of some layers. Layers that lie in memory are none of this machine's builds."""
    return [path for blob in image.layers[first:end] if isinstance(path := blob.local(), Path)]


def _differ(folder: Path, other: Path) -> bool:
    """Say whether a folder's sources aren't links to the other's: the code has put its own there."""
    for source in folder.glob("*.py"):
        below = other / source.name
        if not below.is_file() or not source.samefile(below):
            return True
    return False
