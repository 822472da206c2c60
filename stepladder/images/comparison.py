"""How two images in registries differ: by their layers, and by the Python packages in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stepladder.core.release_facts import short
from stepladder.images import contents
from stepladder.images.contents import ImageLayer
from stepladder.images.registry.ecr import Repository


@dataclass(frozen=True)
class PackageChange:
    """One Python package. `before` is empty for one that is added, `after` for one that is removed."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class ContentsDiff:
    """Two images by digest, with the layers and packages in which they differ; `unknown` says why one isn't known.

    Sizes are those of all layers, in bytes.
    """

    before: str
    after: str
    size_before: int = 0
    size_after: int = 0
    added: tuple[ImageLayer, ...] = ()
    removed: tuple[ImageLayer, ...] = ()
    layers_unknown: str = ""
    packages: tuple[PackageChange, ...] = ()
    packages_unknown: str = ""


def compared(own: Repository, before: str, other: Repository, after: str, cache: Path) -> ContentsDiff:
    """Compare an image in a repository with one in `other`. What layers hold is kept under `cache`.

    Raises `RegistryError`.
    """
    old, new = contents.of(own, before), contents.of(other, after)
    if old is None or new is None:
        gone = [short(digest) for digest, read in ((before, old), (after, new)) if read is None]
        why = f"{' and '.join(gone)} is not in the registry any more"
        return ContentsDiff(before, after, layers_unknown=why, packages_unknown=why)
    added, removed = without(new.layers, old.layers), without(old.layers, new.layers)
    packages: tuple[PackageChange, ...] = ()
    unknown = ""
    if old.packages is not None and new.packages is not None:
        packages = changes(old.packages, new.packages)
    else:
        gone_with, came_with = (
            contents.packages_of(own, removed, cache),
            contents.packages_of(other, added, cache),
        )
        if isinstance(gone_with, str) or isinstance(came_with, str):
            unknown = gone_with if isinstance(gone_with, str) else str(came_with)
        else:
            packages = changes(gone_with, came_with)
    return ContentsDiff(
        before,
        after,
        sum(layer.size for layer in old.layers),
        sum(layer.size for layer in new.layers),
        added,
        removed,
        packages=packages,
        packages_unknown=unknown,
    )


def changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[PackageChange, ...]:
    """Return the packages that differ, by name."""
    differ = [name for name in sorted({*before, *after}) if before.get(name) != after.get(name)]
    return tuple(PackageChange(name, before.get(name, ""), after.get(name, "")) for name in differ)


def without(layers: Sequence[ImageLayer], others: Sequence[ImageLayer]) -> tuple[ImageLayer, ...]:
    """Return the layers that aren't among others."""
    known = {layer.digest for layer in others}
    return tuple(layer for layer in layers if layer.digest not in known)
