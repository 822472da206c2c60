"""An image that is in a registry already: checked, and brought from another place of the project when it is there."""

from __future__ import annotations

from stepladder.core import aws as aws_module
from stepladder.core.errors import RefusedError
from stepladder.core.release_facts import short
from stepladder.ledger.words import NO_COMMIT
from stepladder.releases.interfaces import ReleaseImage
from stepladder.releases.rung import Rung


def read(rung: Rung, digest: str, origin: Rung | None = None) -> ReleaseImage:
    """Return an image of a rung's repository with its commit and its input key.

    `origin` is the rung that serves it: from another account or region it is copied, digest and all. Raises
    `RefusedError` when no repository has it, or the function can't run it.
    """
    from stepladder import images
    from stepladder.core.image_facts import LABEL_REVISION
    from stepladder.images import check
    from stepladder.images.registry import ecr

    own = rung.names
    if origin and (origin.names.account, origin.names.region) != (own.account, own.region):
        images.copy((origin.aws, origin.names), (rung.aws, own), digest, rung.settings.build_dir)
    repository = ecr.connect(rung.aws, own)
    image = check.read(repository.registry, repository.name, digest)
    if image is None:
        raise RefusedError(
            f"image {short(digest)} is not in repository {repository.name}",
            kind="image-missing",
            hint="push it: `inv image.push`",
        )
    check.check_layers(image)
    check.check_architecture(image.architecture, rung.settings.architecture, image.base)
    built = image.built(registry=repository.host, repository=repository.name, tag="", pushed=False)
    check.check_deployable(built, aws_module.endpoint())
    return ReleaseImage(digest, built.reference, image.labels.get(LABEL_REVISION, "") or NO_COMMIT, image.key)
