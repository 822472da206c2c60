"""Copy an image from one ECR to another, another account's or region's: same bytes, so same digest.

Only what the target lacks is fetched and sent. ECR's own replication would need rules in the registry of each account,
and doesn't say when it is done (https://docs.aws.amazon.com/AmazonECR/latest/userguide/replication.html).
"""

from __future__ import annotations

import functools
import json
import tempfile
from pathlib import Path
from typing import Any

from stepladder.core.aws import Aws
from stepladder.core.errors import RefusedError
from stepladder.core.image_facts import MANIFESTS
from stepladder.core.names import Names
from stepladder.core.retry import RegistryError
from stepladder.images.model import Blob
from stepladder.images.registry import ecr, referrers
from stepladder.images.registry.client import CREATED, OK
from stepladder.images.registry.upload import push_blobs


def copy(
    source: tuple[Aws, Names], target: tuple[Aws, Names], digest: str, scratch: Path, *, referrers_too: bool = False
) -> bool:
    """Copy by digest with what refers to it, through a folder under `scratch`; False when the target has the image.

    Its referrers are copied with it, and with `referrers_too` also to a target that has the image already. Raises
    `RefusedError` when the source hasn't got it, or it is no single image; `NotReadyError` when the target has no
    repository.
    """
    if ecr.holds(*target, digest):
        return referrers_too and bool(_copy_referrers(ecr.connect(*source), ecr.connect(*target), digest))
    give, take = ecr.connect(*source), ecr.connect(*target)
    manifest_answer = give.registry.manifest(give.name, digest)
    if manifest_answer is None:
        raise RefusedError(
            f"{digest[:19]} is not in the repository {give.name} of {source[1].account}, {source[1].region}",
            kind="image-missing",
            hint="promote an image that the lowest rung runs, or ran; `inv status` shows it",
        )
    media_type, manifest = manifest_answer
    if media_type not in MANIFESTS:
        raise RefusedError(
            f"{digest[:19]} is a {media_type}, no single image",
            kind="image-not-taken",
            hint="Lambda runs a single image only; promote one that `inv image.push` made",
        )
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="copy-") as folder:
        fetch = functools.partial(give.registry.download, give.name, into=Path(folder))
        push_blobs(take.registry, take.name, _blobs(json.loads(manifest), fetch), lambda _count: None)
    answer = take.registry.put_manifest(take.name, digest, media_type, manifest)
    if answer.status not in {OK, CREATED} and not ecr.holds(*target, digest):
        raise RegistryError(
            f"{take.registry.host} doesn't take the manifest: {answer.code()} {answer.message()}".rstrip(),
            status=answer.status,
            code=answer.code(),
        )
    _copy_referrers(give, take, digest)
    return True


def _copy_referrers(give: ecr.Repository, take: ecr.Repository, digest: str) -> int:
    return referrers.copy(give.registry, give.name, take.registry, take.name, digest)


def _blobs(manifest: dict[str, Any], fetch: Any) -> list[Blob]:
    """Return the blobs that a manifest names, each fetched only when the other registry lacks it."""
    return [
        Blob(part["digest"], part["size"], part["mediaType"], fetch=functools.partial(fetch, part["digest"]))
        for part in (*manifest["layers"], manifest["config"])
    ]
