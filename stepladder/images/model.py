"""What an image is on its way: blobs, the image as built, the image as pushed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stepladder.core.image_facts import HOST_BASE


def digest_of(data: bytes) -> str:
    """Return the digest of some bytes, `sha256:<hex>`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def canonical(document: Any) -> bytes:
    """Return the one JSON text of a document: sorted keys, no blanks."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def distributions(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the `.dist-info` folders among the paths of an image's files, sorted."""
    end = ".dist-info/METADATA"
    return tuple(sorted({path.removesuffix("/METADATA") for path in paths if path.endswith(end)}))


@dataclass(frozen=True)
class Blob:
    """One blob of an image: bytes at hand, a file, or something that can be fetched when it is missing.

    `mount_from` names a repository of the same registry that may hold the blob already.
    """

    digest: str
    size: int
    media_type: str
    data: bytes | None = None
    path: Path | None = None
    fetch: Callable[[], Path] | None = None
    mount_from: str = ""

    def descriptor(self) -> dict[str, Any]:
        """Return what a manifest says of the blob."""
        return {"mediaType": self.media_type, "digest": self.digest, "size": self.size}

    def local(self) -> bytes | Path:
        """Return the bytes or a file that holds them; fetches the blob when it isn't on this machine yet."""
        if self.data is not None:
            return self.data
        if self.path is not None:
            return self.path
        if self.fetch is None:
            raise ValueError(f"nothing holds the blob {self.digest}")
        return self.fetch()


@dataclass(frozen=True)
class LocalImage:
    """An image that was built here and not pushed yet."""

    manifest: bytes
    config: Blob
    layers: tuple[Blob, ...]
    base: str
    architecture: str
    builder: str = "layers"
    distributions: tuple[str, ...] = ()
    """The `.dist-info` folders of the Python packages that it adds to its base."""

    @property
    def digest(self) -> str:
        """The digest that the registry will give it."""
        return digest_of(self.manifest)

    @property
    def blobs(self) -> tuple[Blob, ...]:
        """Every blob that the manifest names."""
        return (*self.layers, self.config)

    @property
    def size(self) -> int:
        """Bytes of all blobs."""
        return sum(blob.size for blob in self.blobs)

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that distinguish it from another image of the same inputs."""
        return self.digest[7:15]

    def summary(self) -> dict[str, object]:
        """Return what `inv image --json` prints."""
        parts = [blob.descriptor() for blob in self.layers]
        details = {"builder": self.builder, "digest": self.digest, "id": self.config.digest, "layers": parts}
        return {"architecture": self.architecture, "base": self.base, "size": self.size, **details}


@dataclass(frozen=True)
class EngineImage:
    """An image that lies in a container engine and not in a registry yet. `size`: bytes of the unpacked layers."""

    id: str
    base: str
    size: int
    architecture: str
    builder: str = "docker"
    listing: Callable[[], tuple[str, ...]] | None = None
    """Lists the packages in the image: a tenth of a second. None where nobody asks for them."""

    @property
    def distributions(self) -> tuple[str, ...]:
        """The `.dist-info` folders of the Python packages where Python searches for them, those of the base too.

        Raises `NotReadyError` when the engine went away.
        """
        return self.listing() if self.listing else ()

    @property
    def digest(self) -> str:
        """Empty: the registry's answer to the push has the digest."""
        return ""

    @property
    def fingerprint(self) -> str:
        """Eight hexadecimal digits that distinguish it from another image of the same inputs."""
        return self.id.removeprefix("sha256:")[:8]

    def summary(self) -> dict[str, object]:
        """Return what `inv image --json` prints. The digest comes with the push."""
        details = {"builder": self.builder, "digest": None, "id": self.id, "layers": None}
        return {"architecture": self.architecture, "base": self.base, "size": self.size, **details}


Built = LocalImage | EngineImage
"""What a builder makes: blobs on this machine, or an image in a container engine."""


@dataclass(frozen=True)
class BuiltImage:
    """An image in the registry, read back and found deployable. The one result of every builder."""

    digest: str
    reference: str
    tag: str
    input_key: str
    architecture: str
    builder: str
    base: str
    size: int
    pushed: bool = False
    """False when the registry had the image already and nothing was built or sent."""

    @property
    def on_host_python(self) -> bool:
        """Whether the image has no base image but relies on this machine's Python."""
        return self.base.startswith(HOST_BASE)

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> BuiltImage:
        """Read one from the JSON that `.stepladder/image.json` keeps; raises `TypeError` for anything else."""
        return cls(**{**record, "pushed": False})
