"""What refers to an image: its SBOM, provenance and signatures, each a manifest whose `subject` is the image.

The image itself stays one manifest, which Lambda can run. A registry that has no referrers API keeps an index of them
under a tag, as the specification says. ECR has the API, and immutable tags, where such an index could not grow.
https://github.com/opencontainers/distribution-spec/blob/main/spec.md#listing-referrers
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from stepladder.core.image_facts import MANIFESTS, OCI_INDEX, OCI_MANIFEST
from stepladder.core.retry import RegistryError
from stepladder.images.model import Blob, canonical, digest_of
from stepladder.images.registry.client import CREATED, NOT_FOUND, OK, RegistryClient
from stepladder.images.registry.upload import push_blobs

_EMPTY = b"{}"
_EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
_NO_API = (NOT_FOUND, 405)
_LARGEST = 64 << 20  # bytes of an artifact that is read into memory
_PAGES = 100
"""Pages of a list that are read: a registry's next page may be the same one again."""
_DEPTH = 5
"""How deep referrers are followed: a signature may refer to an SBOM."""


@dataclass(frozen=True)
class Referrer:
    """A manifest that refers to another one, as the registry lists it. `size` is that of the manifest, in bytes."""

    digest: str
    size: int
    artifact_type: str
    media_type: str = OCI_MANIFEST
    annotations: Mapping[str, str] = field(default_factory=dict)

    def descriptor(self) -> dict[str, Any]:
        """Return the entry of an index."""
        entry = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            "artifactType": self.artifact_type,
        }
        return {**entry, "annotations": dict(self.annotations)} if self.annotations else entry


@dataclass(frozen=True)
class ReferrerSubject:
    """The manifest that is referred to. `size` in bytes."""

    digest: str
    size: int
    media_type: str

    @classmethod
    def of(cls, media_type: str, manifest: bytes) -> ReferrerSubject:
        """Return the subject that a manifest is."""
        return cls(digest_of(manifest), len(manifest), media_type)


@dataclass(frozen=True)
class Artifact:
    """What is to refer to an image: a document and its type. The same document makes the same manifest."""

    artifact_type: str
    data: bytes
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def blobs(self) -> tuple[Blob, Blob]:
        """The document, and the configuration that the manifest has to have."""
        return (
            Blob(digest_of(self.data), len(self.data), self.artifact_type, data=self.data),
            Blob(digest_of(_EMPTY), len(_EMPTY), _EMPTY_TYPE, data=_EMPTY),
        )

    def manifest(self, subject: ReferrerSubject) -> bytes:
        """Return the manifest that refers to a subject. It holds no time, so that attaching again changes nothing."""
        document, config = self.blobs
        fields: dict[str, Any] = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "artifactType": self.artifact_type,
            "config": config.descriptor(),
            "layers": [document.descriptor()],
            "subject": {"mediaType": subject.media_type, "digest": subject.digest, "size": subject.size},
        }
        return canonical(fields | ({"annotations": dict(self.annotations)} if self.annotations else {}))


def listed(registry: RegistryClient, repository: str, digest: str, artifact_type: str = "") -> tuple[Referrer, ...]:
    """Return what refers to a digest, of one type if one is given; nothing for an image that isn't there."""
    entries = _by_api(registry, repository, digest, artifact_type)
    if entries is None:
        entries = _by_tag(registry, repository, digest)
    return tuple(each for each in entries if artifact_type in {"", each.artifact_type})


def attach(
    registry: RegistryClient, repository: str, subject: ReferrerSubject, *artifacts: Artifact
) -> tuple[str, ...]:
    """Have documents refer to an image, and return the digests of their manifests.

    What is there already is not sent again. Raises `RegistryError` when the registry doesn't take one.
    """
    push_blobs(registry, repository, [blob for each in artifacts for blob in each.blobs], lambda _count: None)
    manifests = {digest_of(data): (each, data) for each in artifacts for data in [each.manifest(subject)]}
    new = [
        Referrer(digest, len(data), each.artifact_type, annotations=each.annotations)
        for digest, (each, data) in manifests.items()
    ]
    for referrer in new:
        _put(registry, repository, referrer, manifests[referrer.digest][1])
    _make_known(registry, repository, subject.digest, new)
    return tuple(manifests)


def read(registry: RegistryClient, repository: str, referrer: Referrer, subject: str) -> bytes:
    """Return the document of a referrer. Raises `RegistryError` when it doesn't refer to `subject`, or is no document.

    The bytes have the digests that manifest and list give them.
    """
    manifest = _manifest(registry, repository, referrer)
    parts = manifest.get("layers")
    named = manifest.get("subject")
    if not isinstance(named, dict) or named.get("digest") != subject:
        raise _malformed(referrer, f"does not refer to {subject[:19]}")
    part = parts[0] if isinstance(parts, list) and len(parts) == 1 else None
    if not isinstance(part, dict) or not isinstance(part.get("digest"), str) or not _is_small(part):
        raise _malformed(referrer, "holds no document, or too large a one")
    return registry.blob(repository, part["digest"])


def copy(
    source: RegistryClient, source_name: str, target: RegistryClient, target_name: str, digest: str, depth: int = 0
) -> int:
    """Copy what refers to a digest to another registry, and what refers to that; return how many manifests went.

    The subject has to be there. Bytes and digests stay the same.
    """
    attached = listed(source, source_name, digest)
    held = {each.digest for each in listed(target, target_name, digest)} if attached else set()
    new = [each for each in attached if each.digest not in held]
    for referrer in new:
        _copy_one(source, source_name, target, target_name, referrer)
    _make_known(target, target_name, digest, new)
    deeper = attached if depth < _DEPTH else ()
    return len(new) + sum(copy(source, source_name, target, target_name, each.digest, depth + 1) for each in deeper)


def _copy_one(
    source: RegistryClient, source_name: str, target: RegistryClient, target_name: str, referrer: Referrer
) -> None:
    answer = source.manifest(source_name, referrer.digest)
    if answer is None:
        return  # deleted since it was listed
    manifest = _object(answer[1]) or {}
    layers = manifest.get("layers")
    parts = [*(layers if isinstance(layers, list) else ()), manifest.get("config")]
    blobs = []
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("digest"), str) or not _is_small(part):
            raise _malformed(referrer, "names no blobs, or too large ones")
        data = source.blob(source_name, part["digest"])
        blobs.append(Blob(part["digest"], len(data), str(part.get("mediaType", "")), data=data))
    push_blobs(target, target_name, blobs, lambda _count: None)
    _put(target, target_name, referrer, answer[1])


def _put(registry: RegistryClient, repository: str, referrer: Referrer, manifest: bytes) -> None:
    """Store a manifest by its digest."""
    answer = registry.put_manifest(repository, referrer.digest, referrer.media_type, manifest)
    if answer.status not in {OK, CREATED}:
        raise _refused(registry, answer.code(), answer.message(), answer.status)


def _make_known(registry: RegistryClient, repository: str, subject: str, new: Sequence[Referrer]) -> None:
    """Name new referrers in the subject's index, where the registry doesn't list them itself."""
    if not new or _by_api(registry, repository, subject) is not None:
        return
    entries = {each.digest: each for each in (*_by_tag(registry, repository, subject), *new)}
    index = canonical(
        {
            "schemaVersion": 2,
            "mediaType": OCI_INDEX,
            "manifests": [each.descriptor() for _, each in sorted(entries.items())],
        }
    )
    answer = registry.put_manifest(repository, _tag(subject), OCI_INDEX, index)
    if answer.status not in {OK, CREATED}:
        raise _refused(registry, answer.code(), answer.message(), answer.status)


def _by_api(
    registry: RegistryClient, repository: str, digest: str, artifact_type: str = ""
) -> tuple[Referrer, ...] | None:
    """Return what the referrers API lists, all pages; None when the registry has no such API.

    A header says whether it has it, and is wrong on some registries, so that it is asked (sigstore-js#1183).
    """
    entries: list[Referrer] = []
    query = f"?{urlencode({'artifactType': artifact_type})}" if artifact_type else ""
    path = f"/v2/{repository}/referrers/{digest}{query}"
    for _ in range(_PAGES):
        answer = registry.request("GET", path, {"Accept": OCI_INDEX}, expect=(OK, *_NO_API))
        document = _object(answer.data)
        if answer.status in _NO_API or document is None or not isinstance(document.get("manifests"), list):
            return None
        entries += _entries(document)
        path = _next_page(answer.headers.get("link", ""))
        if not path:
            return tuple(entries)
    raise RegistryError(f"{registry.host} lists what refers to {digest[:19]} without end")


def _by_tag(registry: RegistryClient, repository: str, digest: str) -> tuple[Referrer, ...]:
    """Return what the index under the subject's tag lists.

    Some registries answer with the subject itself, since the tag is its digest in another spelling (oras-go#1396).
    """
    answer = registry.manifest(repository, _tag(digest))
    if answer is None or digest_of(answer[1]) == digest or answer[0] != OCI_INDEX:
        return ()
    return tuple(_entries(_object(answer[1]) or {}))


def _entries(document: Mapping[str, Any]) -> Iterable[Referrer]:
    manifests = document.get("manifests")
    for entry in manifests if isinstance(manifests, list) else ():
        if not isinstance(entry, dict) or not isinstance(entry.get("digest"), str):
            continue
        size, notes = entry.get("size"), entry.get("annotations")
        yield Referrer(
            entry["digest"],
            size if isinstance(size, int) else 0,
            str(entry.get("artifactType") or ""),
            str(entry.get("mediaType") or OCI_MANIFEST),
            {str(key): str(value) for key, value in notes.items()} if isinstance(notes, dict) else {},
        )


def _manifest(registry: RegistryClient, repository: str, referrer: Referrer) -> dict[str, Any]:
    answer = registry.manifest(repository, referrer.digest)
    if answer is None:
        raise _malformed(referrer, "is not in the repository any more")
    manifest = _object(answer[1])
    if manifest is None or answer[0] not in MANIFESTS:
        raise _malformed(referrer, "is no manifest")
    return manifest


def _is_small(part: Mapping[str, Any]) -> bool:
    size = part.get("size")
    return isinstance(size, int) and 0 <= size <= _LARGEST


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _next_page(link: str) -> str:
    target, _, relation = link.partition(">")
    return target.strip().removeprefix("<") if 'rel="next"' in relation else ""


def _tag(digest: str) -> str:
    return digest.replace(":", "-")


def _malformed(referrer: Referrer, why: str) -> RegistryError:
    return RegistryError(f"{referrer.artifact_type or 'the referrer'} {referrer.digest[:19]} {why}")


def _refused(registry: RegistryClient, code: str, message: str, status: int) -> RegistryError:
    return RegistryError(
        f"{registry.host} doesn't take what refers to an image: {code} {message}".rstrip(), status=status, code=code
    )
