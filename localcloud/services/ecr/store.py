"""What the local ECR holds: blobs by digest, and for each repository its blobs, manifests and tags. One store for all.

On disk below the cloud's data folder, so that it lives as long as the state does. Every write is a rename.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote
from weakref import WeakKeyDictionary

from localcloud.cloud import Cloud

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
"""Of an artifact: ECR takes no parameters in it (aws/containers-roadmap#2306)."""


@dataclass(frozen=True)
class RepositoryKey:
    """A repository: account, region and name."""

    account: str
    region: str
    name: str


@dataclass
class StoredImage:
    """A manifest in a repository. `pushed_at` in epoch seconds. `subject` is what the manifest refers to (OCI 1.1)."""

    media_type: str
    size: int
    pushed_at: float
    artifact_type: str = ""
    subject: str = ""
    scanned_at: float = 0.0


@dataclass
class RepositoryIndex:
    """What one repository holds."""

    blobs: dict[str, int] = field(default_factory=dict)
    images: dict[str, StoredImage] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def tags_of(self, digest: str) -> list[str]:
        """Return the tags of an image, sorted."""
        return sorted(tag for tag, tagged in self.tags.items() if tagged == digest)


class StoreError(Exception):
    """The store refuses. `code` is the distribution API's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class ImageStore:
    """The store. Safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._indexes: dict[RepositoryKey, RepositoryIndex] = {}
        self._lock = threading.RLock()
        self.received = 0  # bytes of blobs that came from clients, also those of uploads that weren't finished
        self._blobs, self._uploads = folder / "blobs", folder / "uploads"
        shutil.rmtree(self._uploads, ignore_errors=True)
        for path in (self._blobs, self._uploads):
            path.mkdir(parents=True, exist_ok=True)
        self._sweep()

    # What launchers read: content is named by its digest, so neither account nor region matters.

    def manifest(self, repository: str, digest: str) -> dict[str, Any]:
        """Return a manifest, parsed. Raises `KeyError` when there is none."""
        return dict(json.loads(self.blob(repository, digest).read_bytes()))

    def blob(self, _repository: str, digest: str) -> Path:
        """Return the file that holds a blob or a manifest. Raises `KeyError` when there is none."""
        path = self.path(digest)
        if not path.is_file():
            raise KeyError(digest)
        return path

    def where(self, repository: str, digest: str) -> RepositoryKey:
        """Return a repository of this name, in whatever account and region, that holds an image. Raises `KeyError`."""
        for path in (self._folder / "repositories").glob(f"*/*/{quote(repository, safe='')}.json"):
            key = RepositoryKey(path.parent.parent.name, path.parent.name, repository)
            if digest in self.index(key).images:
                return key
        raise KeyError(digest)

    def resolve(
        self, account: str, region: str, repository: str, reference: str
    ) -> tuple[dict[str, Any], dict[str, Any], list[Path]]:
        """Return manifest, config and the layers' files of an image by tag or digest. Raises `KeyError`."""
        index = self.index(RepositoryKey(account, region, repository))
        digest = index.tags.get(reference, reference)
        if digest not in index.images:
            raise KeyError(reference)
        manifest = self.manifest(repository, digest)
        config = json.loads(self.blob(repository, manifest["config"]["digest"]).read_bytes())
        return manifest, config, [self.blob(repository, layer["digest"]) for layer in manifest["layers"]]

    # Repositories

    def index(self, key: RepositoryKey) -> RepositoryIndex:
        """Return what a repository holds."""
        with self._lock:
            if key not in self._indexes:
                self._indexes[key] = _load(self._file(key))
            return self._indexes[key]

    @contextmanager
    def change(self, key: RepositoryKey) -> Iterator[RepositoryIndex]:
        """Change a repository, alone. Kept on disk at the end."""
        with self._lock:
            index = self.index(key)
            yield index
            path = self._file(key)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".new")
            partial.write_text(json.dumps(asdict(index)))
            partial.replace(path)

    def clear(self, key: RepositoryKey) -> None:
        """Forget all that a repository holds."""
        with self._lock:
            self._indexes.pop(key, None)
            self._file(key).unlink(missing_ok=True)

    # Blobs

    def path(self, digest: str) -> Path:
        """Return where a blob lies or would lie."""
        algorithm, _, value = digest.partition(":")
        if algorithm != "sha256" or len(value) != 64 or not all(c in "0123456789abcdef" for c in value):  # noqa: PLR2004
            raise StoreError("DIGEST_INVALID", f"{digest!r} is not a sha256 digest")
        return self._blobs / value

    def begin(self) -> str:
        """Open an upload and return its id."""
        upload = str(uuid.uuid4())
        (self._uploads / upload).touch()
        return upload

    def uploaded(self, upload: str) -> int:
        """Return how many bytes of an upload have arrived."""
        path = self._upload(upload)
        return path.stat().st_size

    def append(self, upload: str, body: BinaryIO) -> int:
        """Add to an upload and return its size. What arrived before a cut stays."""
        with self._upload(upload).open("ab", buffering=0) as file:
            while chunk := body.read(1 << 20):
                file.write(chunk)
                with self._lock:
                    self.received += len(chunk)
            return file.tell()

    def cancel(self, upload: str) -> None:
        """Drop an upload."""
        self._upload(upload).unlink()

    def finish(self, key: RepositoryKey, upload: str, digest: str) -> str:
        """Turn an upload into a blob of the repository. Its bytes must have the digest, when one is given."""
        path = self._upload(upload)
        with path.open("rb") as file:
            actual = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
        if digest and actual != digest:
            path.unlink()
            raise StoreError("DIGEST_INVALID", f"the uploaded bytes have the digest {actual}, not {digest}")
        size = path.stat().st_size
        path.replace(self.path(actual))
        with self.change(key) as index:
            index.blobs[actual] = size
        return actual

    def mount(self, key: RepositoryKey, source: RepositoryKey, digest: str) -> bool:
        """Share a blob of another repository, or False when that one hasn't got it."""
        size = self.index(source).blobs.get(digest)
        if size is None:
            return False
        with self.change(key) as index:
            index.blobs[digest] = size
        return True

    # Manifests

    def put(
        self, key: RepositoryKey, data: bytes, media_type: str, tag: str, *, immutable: Callable[[str], bool]
    ) -> tuple[str, bool]:
        """Store a manifest, under a tag if one is given. Return its digest and whether anything changed.

        Raises `StoreError`: MANIFEST_INVALID, MANIFEST_BLOB_UNKNOWN, TAG_IMMUTABLE.
        """
        try:
            document = json.loads(data)
            media_type = media_type or document.get("mediaType", "")
            parts = [document["config"], *document["layers"]] if "config" in document else []
            children = [entry["digest"] for entry in document.get("manifests", [])]
            digests = [part["digest"] for part in parts if not part.get("urls")]
            size = sum(_size(part["size"]) for part in parts)
            artifact = document.get("artifactType") or document.get("config", {}).get("mediaType", "")
            subject = (document.get("subject") or {}).get("digest", "")
            texts = (media_type, artifact, subject, *digests, *children)
            if not all(isinstance(text, str) for text in texts):
                raise TypeError  # noqa: TRY301 - as any other of these
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise StoreError("MANIFEST_INVALID", "the manifest is not one of an image or an index") from None
        if document.get("artifactType") and not _MEDIA_TYPE.fullmatch(artifact):
            raise StoreError(
                "UNSUPPORTED",
                "Invalid parameter at 'ImageManifest' failed to satisfy constraint: 'Invalid JSON syntax'",
            )
        if not parts and "manifests" not in document:
            raise StoreError("MANIFEST_INVALID", "the manifest names neither config nor manifests")
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        with self.change(key) as index:
            missing = [d for d in digests if d not in index.blobs] + [d for d in children if d not in index.images]
            if missing:
                raise StoreError("MANIFEST_BLOB_UNKNOWN", f"the repository does not hold {', '.join(missing)}")
            before = index.tags.get(tag)
            if tag and before and immutable(tag):
                raise StoreError("TAG_IMMUTABLE", before)
            changed = digest not in index.images or bool(tag and before != digest)
            if digest not in index.images:
                partial = self._uploads / digest[7:]
                partial.write_bytes(data)
                partial.replace(self.path(digest))
                index.images[digest] = StoredImage(
                    media_type=media_type,
                    size=size or len(data),
                    pushed_at=time.time(),
                    artifact_type=artifact,
                    subject=subject,
                )
            if tag:
                index.tags[tag] = digest
        return digest, changed

    def _upload(self, upload: str) -> Path:
        path = self._uploads / upload
        if "/" in upload or not path.is_file():
            raise StoreError("BLOB_UPLOAD_UNKNOWN", f"there is no upload {upload}")
        return path

    def _file(self, key: RepositoryKey) -> Path:
        return self._folder / "repositories" / key.account / key.region / f"{quote(key.name, safe='')}.json"

    def _sweep(self) -> None:
        """Remove the blobs that no repository holds."""
        held: set[str] = set()
        for path in (self._folder / "repositories").glob("*/*/*.json"):
            index = _load(path)
            held |= {digest[7:] for digest in (*index.blobs, *index.images)}
        for path in self._blobs.iterdir():
            if path.name not in held:
                path.unlink()


def _size(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise TypeError("a size is a whole number")
    return value


def _load(path: Path) -> RepositoryIndex:
    try:
        saved = json.loads(path.read_text())
    except FileNotFoundError:
        return RepositoryIndex()
    images = {digest: StoredImage(**image) for digest, image in saved["images"].items()}
    return RepositoryIndex(saved["blobs"], images, saved["tags"])


_STORES: WeakKeyDictionary[Cloud, ImageStore] = WeakKeyDictionary()


def store_of(cloud: Cloud) -> ImageStore:
    """Return the image store of a cloud. The Lambda service and the launchers read it."""
    if cloud not in _STORES:
        _STORES[cloud] = ImageStore(cloud.data_dir / "ecr")
    return _STORES[cloud]
