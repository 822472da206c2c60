"""Push by content: only what is missing goes over the wire, and the tag is set last."""

from __future__ import annotations

from stepladder.core.errors import RefusedError
from stepladder.core.image_facts import OCI_MANIFEST
from stepladder.core.retry import RegistryError
from stepladder.images.model import LocalImage, digest_of
from stepladder.images.registry.client import CREATED, OK, Progress, RegistryClient
from stepladder.images.registry.upload import push_blobs

_UNKNOWN_BLOB = "MANIFEST_BLOB_UNKNOWN"


def push(registry: RegistryClient, repository: str, tag: str, image: LocalImage, progress: Progress) -> int:
    """Send the blobs that are missing, then the manifest by its tag; return how many blobs went.

    A tag that exists with the same digest is success; with another one, `RefusedError`. A push that broke is
    continued by pushing again: blobs are named by their content and the tag moves only with the manifest.
    """
    sent = push_blobs(registry, repository, image.blobs, progress)
    answer = registry.put_manifest(repository, tag, OCI_MANIFEST, image.manifest)
    if answer.status in {OK, CREATED}:
        return sent
    existing = registry.manifest(repository, tag)
    if existing and digest_of(existing[1]) == image.digest:
        return sent
    if existing:
        raise tag_exists(repository, tag, digest_of(existing[1]))
    raise RegistryError(
        f"{registry.host} doesn't take the manifest: {answer.code()} {answer.message()}".rstrip(),
        hint="run the same command again" if answer.code() == _UNKNOWN_BLOB else "",
        status=answer.status,
        code=answer.code(),
    )


def tag_exists(repository: str, tag: str, digest: str) -> RefusedError:
    """Return the error for a tag that holds something else; tags are immutable."""
    return RefusedError(
        f"the tag {repository}:{tag} exists with other content ({digest[:19]}...)",
        kind="tag-taken",
        hint="the same commit was built from other inputs (settings, base image or stepladder's version): commit what "
        "differs (`git commit`), then run the same command again",
    )
