"""What must hold of an image before a function gets it; one place for every builder.

Lambda takes one manifest of one architecture with gzip layers, at most 10 GB
(https://docs.aws.amazon.com/lambda/latest/dg/images-create.html). Engines push indexes with attestations without being
asked (docker/buildx#1533), so the truth is what the registry holds after the push.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from stepladder.core import endpoints
from stepladder.core.errors import RefusedError
from stepladder.core.image_facts import (
    ARCHITECTURE,
    HOST_BASE,
    INDEXES,
    LABEL_BASE,
    LABEL_BUILDER,
    LABEL_KEY,
    LAYERS,
    MANIFESTS,
)
from stepladder.core.retry import RegistryError
from stepladder.images.model import BuiltImage, digest_of
from stepladder.images.registry.client import RegistryClient

LIMIT = 10 * 1000**3  # bytes, uncompressed; the compressed sum is a lower bound of it


@dataclass(frozen=True)
class RegistryImage:
    """An image as the registry holds it."""

    digest: str
    media_type: str
    manifest: Mapping[str, Any]
    config: Mapping[str, Any]
    manifest_size: int = 0
    """Bytes of the manifest itself."""

    @property
    def builder(self) -> str:
        """The builder's label."""
        return self.labels.get(LABEL_BUILDER, "")

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the config."""
        return (self.config.get("config") or {}).get("Labels") or {}

    @property
    def key(self) -> str:
        """The input key that the image was built from, empty when it isn't ours."""
        return self.labels.get(LABEL_KEY, "")

    @property
    def base(self) -> str:
        """The base's label."""
        return self.labels.get(LABEL_BASE, "")

    @property
    def architecture(self) -> str:
        """The architecture in Lambda's words."""
        named = str(self.config.get("architecture", ""))
        return ARCHITECTURE.get(named, named)

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(part["size"] for part in (*self.manifest["layers"], self.manifest["config"]))

    def built(self, *, registry: str, repository: str, tag: str, pushed: bool) -> BuiltImage:
        """Return it as the result of a builder; `registry` is the host that Lambda shall pull from."""
        return BuiltImage(
            digest=self.digest,
            reference=f"{registry}/{repository}@{self.digest}",
            tag=tag,
            input_key=self.key,
            architecture=self.architecture,
            builder=self.builder,
            base=self.base,
            size=self.size,
            pushed=pushed,
        )


def read(registry: RegistryClient, repository: str, reference: str) -> RegistryImage | None:
    """Read an image by tag or digest; None when there is none.

    Raises `RefusedError`, with the fix, when it is not one manifest.
    """
    answer = registry.manifest(repository, reference)
    if answer is None:
        return None
    media_type, data = answer
    _single(media_type, reference)
    manifest = _manifest(data, reference)
    config = _json_object(registry.blob(repository, manifest["config"]["digest"]), f"the config of {reference}")
    inner = config.get("config") or {}
    if not isinstance(inner, dict) or not isinstance(inner.get("Labels") or {}, dict):
        raise _malformed(f"the config of {reference}")
    return RegistryImage(digest_of(data), media_type, manifest, config, len(data))


def _manifest(data: bytes, reference: str) -> dict[str, Any]:
    """Read a manifest as far as anything is read of it."""
    what = f"the manifest of {reference}"
    manifest = _json_object(data, what)
    layers = manifest.get("layers")
    parts = [manifest.get("config"), *(layers if isinstance(layers, list) else [None])]
    for part in parts:
        if not isinstance(part, dict) or isinstance(part.get("size"), bool) or not isinstance(part.get("size"), int):
            raise _malformed(what)
        if not isinstance(part.get("digest"), str) or not isinstance(part.get("mediaType"), str):
            raise _malformed(what)
    return manifest


def _json_object(data: bytes, what: str) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise _malformed(what)
    return value


def _malformed(what: str) -> RefusedError:
    return RefusedError(f"{what} is malformed", kind="image-not-taken", hint="push the image again: `inv image.push`")


def read_back(
    registry: RegistryClient, repository: str, reference: str, *, architecture: str, digest: str = "", key: str = ""
) -> RegistryImage:
    """Read a pushed image and check all that would fail later and worse.

    `architecture` is the function's, `digest` and `key` what was meant to be pushed (empty: not known beforehand).
    Raises `RefusedError`; nothing has been released by then.
    """
    image = read(registry, repository, reference)
    if image is None:
        raise RegistryError(f"{registry.host} took the image but doesn't know {repository}:{reference}")
    if digest and image.digest != digest:
        raise RefusedError(
            f"{repository}:{reference} holds {image.digest}, not the image that was built ({digest})",
            kind="tag-taken",
            hint="somebody else pushed the same tag: run the same command again",
        )
    if key and image.key != key:
        raise RefusedError(
            f"{repository}:{reference} was built from other inputs",
            kind="tag-taken",
            hint="commit the change (`git commit`), so that the image gets a tag of its own",
        )
    check_layers(image)
    check_architecture(image.architecture, architecture, image.base)
    return image


def _single(media_type: str, reference: str) -> None:
    if media_type in INDEXES:
        raise RefusedError(
            f"{reference} is an image index ({media_type}), and Lambda takes a single image manifest only",
            kind="image-not-taken",
            hint="build for one platform and without attestations: `docker buildx build --platform linux/<arch> "
            "--provenance=false --sbom=false` (or `BUILDX_NO_DEFAULT_ATTESTATIONS=1`)",
        )
    if media_type not in MANIFESTS:
        raise RefusedError(f"{reference} is no image manifest but {media_type or 'of no type'}", kind="image-not-taken")


def check_layers(image: RegistryImage) -> None:
    """Refuse what Lambda can't unpack or won't hold."""
    odd = sorted({layer["mediaType"] for layer in image.manifest["layers"]} - set(LAYERS))
    if odd:
        raise RefusedError(
            f"the image has layers of type {', '.join(odd)}, which Lambda doesn't take",
            kind="image-not-taken",
            hint="compress layers with gzip (`docker buildx build "
            "--output type=registry,compression=gzip,force-compression=true`)",
        )
    if image.size > LIMIT:
        raise RefusedError(
            f"the image has {image.size / 1000**3:.1f} GB, and Lambda takes at most 10 GB uncompressed",
            kind="image-not-taken",
            hint="leave out what the function doesn't import: `.dockerignore`, `requirements.in`",
        )


def check_architecture(made_for: str, wanted: str, base: str = "") -> None:
    """Refuse an image of another architecture than the function's.

    An image on the host's Python is of this machine's architecture on purpose: it never leaves it.
    """
    if made_for != wanted and not base.startswith(HOST_BASE):
        platform = {"x86_64": "linux/amd64"}.get(wanted, f"linux/{wanted}")
        raise RefusedError(
            f"the image is made for {made_for}, the function's architecture is {wanted}",
            kind="wrong-architecture",
            hint=f"build it for {platform} (`docker build --platform {platform}`), or set `stepladder.architecture` to "
            f"{made_for} and apply",
        )


def check_deployable(image: BuiltImage, endpoint: str) -> None:
    """Refuse an image on this machine's own Python for anything but a local cloud.

    `endpoint` is the AWS endpoint in force, empty for AWS itself (`aws.endpoint()`).
    """
    if image.on_host_python and not endpoints.is_local_cloud(endpoint):
        raise RefusedError(
            f"the image relies on this machine's Python ({image.base}) and can't run on AWS",
            kind="host-python",
            hint="build it again where the base image can be reached: `inv image.push --pull`",
        )
