"""Where packages and other files of an image meet: pip leaves out, replaces or merges, so a meeting is refused."""

from __future__ import annotations

from collections.abc import Iterable

from stepladder.core.errors import BadInputError
from stepladder.images.dockerfile.tree import ImageTree, Install, Placed


def check(
    tree: ImageTree,
    install: Install,
    paths: tuple[str, ...],
    before: Iterable[tuple[Install, tuple[str, ...]]],
    folder: str,
) -> None:
    """Raise `BadInputError` where what pip installs meets the base, copied files, or what pip installed before.

    `pip install --target` skips a package whose folder exists, unless `--upgrade` replaces all of it; without
    `--target` it uninstalls what it finds. A later `COPY` only replaces single files.
    """
    tops = _tops(install.prefix, paths)
    others = [
        top
        for other, paths_before in before
        if other.prefix == install.prefix
        for top in tops & _tops(install.prefix, paths_before)
    ]
    for top in sorted(tops):
        if install.direct and tree.base.lstat(top, sure=True) is not None:
            raise _refused(install, f"the base image has /{top} already", folder)
    if others:
        raise _refused(install, f"an earlier pip install made /{others[0]} already", folder)
    for name, number in install.before:
        if f"{install.prefix}/{name}".lstrip("/") in tops:
            raise _refused(install, f"line {number} puts {name} into its folder", folder)
    files, folders = set(paths), {parent for path in paths for parent in _parents(path)}
    for path, placed in tree.placed.items():
        if _meets(path, placed, install, files, folders):
            raise _refused(install, f"line {placed.number} puts /{path} there", folder)


def _meets(path: str, placed: Placed, install: Install, files: set[str], folders: set[str]) -> bool:
    if (path in files and placed.entry.folder) or (path in folders and not placed.entry.folder):
        return True
    return placed.turn < install.turn and path in files


def _tops(prefix: str, paths: tuple[str, ...]) -> set[str]:
    """Return what pip looks at: the names right in the folder that it installs to; but for the commands."""
    start = f"{prefix}/" if prefix else ""
    tops = {start + path[len(start) :].partition("/")[0] for path in paths if path.startswith(start)}
    return tops - {f"{start}bin"}


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[:end]) for end in range(1, len(parts) + 1)]


def _refused(install: Install, why: str, folder: str) -> BadInputError:
    return BadInputError(
        f"{folder}/Dockerfile:{install.number}: pip install meets what is there already: {why}",
        kind="bad-dockerfile",
        hint="install packages before other files are copied, into a folder of their own, or set "
        "`stepladder.image.builder` to docker",
    )
