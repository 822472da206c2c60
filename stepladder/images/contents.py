"""What an image holds, as far as its registry says so: its layers, and the Python packages in them.

Packages are read from an SBOM that refers to the image, else from the layers in which two images differ: each package
has a folder `<name>-<version>.dist-info`. What would take a large download is left unknown, with the reason.
https://packaging.python.org/en/latest/specifications/recording-installed-packages/
"""

from __future__ import annotations

import contextlib
import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from stepladder.core import files
from stepladder.core.display import megabytes
from stepladder.core.image_facts import MANIFESTS
from stepladder.core.retry import RegistryError
from stepladder.images.registry import referrers
from stepladder.images.requirements.read import normal, read

if TYPE_CHECKING:
    from stepladder.images.registry.ecr import Repository
    from stepladder.settings.load import Settings

LARGEST = 64_000_000
"""Bytes of layers, as they are stored, that are read to learn which packages are in them."""
_SBOMS = ("application/vnd.cyclonedx+json", "application/spdx+json")
_INSTALLED = r"(?:.*/)?([^/]+)-([^/-]+)\.dist-info/(?:METADATA|RECORD|INSTALLER|WHEEL)"
_PURL = r"pkg:pypi/([^@?#]+)@([^?#]+)"
_OF_THE_BASE = frozenset({"pip", "setuptools", "wheel"})


@dataclass(frozen=True)
class ImageLayer:
    """One layer as the manifest names it; `made_by` is what the image's history says of it. `size` in bytes."""

    digest: str
    size: int
    made_by: str = ""


@dataclass(frozen=True)
class ImageContents:
    """An image in a registry. `packages` are those of an SBOM, None where there is none."""

    digest: str
    layers: tuple[ImageLayer, ...]
    packages: Mapping[str, str] | None = None


def of(repository: Repository, digest: str) -> ImageContents | None:
    """Read an image's manifest, history and SBOM; None when the registry hasn't got it. Raises `RegistryError`."""
    answer = repository.registry.manifest(repository.name, digest)
    if answer is None:
        return None
    media_type, data = answer
    if media_type not in MANIFESTS:
        raise RegistryError(f"{digest[:19]} is a {media_type}, no single image")
    manifest = json.loads(data)
    config = json.loads(repository.registry.blob(repository.name, manifest["config"]["digest"]))
    return ImageContents(digest, layers_of(manifest, config), _of_sbom(repository, digest))


def layers_of(manifest: Mapping[str, Any], config: Mapping[str, Any]) -> tuple[ImageLayer, ...]:
    """Return the layers of a manifest, each with the step of the history that made it."""
    steps = [str(each.get("created_by", "")) for each in config.get("history") or () if not each.get("empty_layer")]
    parts = manifest["layers"]
    made = steps if len(steps) == len(parts) else [""] * len(parts)
    return tuple(ImageLayer(str(part["digest"]), int(part["size"]), why) for part, why in zip(parts, made, strict=True))


def locked(settings: Settings) -> dict[str, str] | None:
    """Return the packages that `requirements.txt` locks for Lambda, by name; None without such a file."""
    from stepladder.images.requirements.lock import applies_in_lambda

    folder = settings.root / settings.image.context
    path = folder / "requirements.txt"
    if not path.is_file():
        return None
    wanted = read(path, f"{settings.image.context}/requirements.txt").requirements
    return {each.key: each.version or each.url for each in wanted if each.key and applies_in_lambda(each, settings)}


def packages_of(repository: Repository, layers: Sequence[ImageLayer], cache: Path) -> dict[str, str] | str:
    """Return the packages that layers hold, by name; a text says why that is unknown.

    What was read is kept under `cache`, by the layer's digest.
    """
    notes = files.read_json(cache / "packages.json")
    unread = [layer for layer in layers if not isinstance(notes.get(layer.digest), dict)]
    size = sum(layer.size for layer in unread if not _file(cache, layer).is_file())
    if size > LARGEST:
        return f"their layers have {megabytes(size)}, which is more than is read for this"
    for layer in unread:
        try:
            path = repository.registry.download(repository.name, layer.digest, cache / "blobs")
            notes[layer.digest] = _in_layer(path)
        except RegistryError as error:
            return error.message
        except (tarfile.TarError, EOFError, OSError) as error:
            return f"layer {layer.digest[7:19]} can't be read: {error}"
    with contextlib.suppress(OSError):  # a note that saves the next run a download
        files.write_json(cache / "packages.json", notes)
    return {name: version for layer in layers for name, version in notes[layer.digest].items()}


def without_tools(packages: Mapping[str, str]) -> dict[str, str]:
    """Return packages without those that only install others, which a base image may bring."""
    return {name: version for name, version in packages.items() if name not in _OF_THE_BASE}


def _file(cache: Path, layer: ImageLayer) -> Path:
    return cache / "blobs" / layer.digest.replace(":", "-")


def _in_layer(path: Path) -> dict[str, str]:
    packages = dict[str, str]()
    with tarfile.open(path, mode="r|*") as archive:
        for member in archive:
            if match := re.fullmatch(_INSTALLED, member.name):
                packages[normal(match[1])] = match[2]
    return packages


def _of_sbom(repository: Repository, digest: str) -> dict[str, str] | None:
    """Return the Python packages of the image's SBOM; None where there is none that can be read."""
    try:
        for referrer in referrers.listed(repository.registry, repository.name, digest):
            if referrer.artifact_type in _SBOMS:
                return in_sbom(referrers.read(repository.registry, repository.name, referrer, digest))
    except (RegistryError, ValueError, RecursionError):
        return None
    return None


def in_sbom(data: bytes) -> dict[str, str]:
    """Return the Python packages of an SBOM in CycloneDX or SPDX, by name; raises `ValueError` for other bytes."""
    document = json.loads(data)
    if not isinstance(document, dict):
        raise ValueError("the SBOM is no JSON object")  # noqa: TRY004 - as for what is no JSON
    urls = [each.get("purl") for each in _objects(document.get("components"))]
    for package in _objects(document.get("packages")):
        urls += [each.get("referenceLocator") for each in _objects(package.get("externalRefs"))]
    matches = (re.match(_PURL, str(url)) for url in urls)
    return {normal(unquote(match[1])): unquote(match[2]) for match in matches if match}


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list that another tool wrote; nothing of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
