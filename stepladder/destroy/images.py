"""The images of an environment: those that it released, and that no other environment needs."""

from __future__ import annotations

from collections.abc import Sequence

from stepladder.core.aws import error_code
from stepladder.core.display import megabytes
from stepladder.core.errors import NotReadyError
from stepladder.destroy.report import Asset
from stepladder.images import prune
from stepladder.images.prune import HeldImage
from stepladder.promotion import needed_images
from stepladder.releases import retention
from stepladder.releases.rung import Rung

_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


def split(rung: Rung, targets: Sequence[Rung]) -> tuple[list[HeldImage], list[Asset]]:
    """Return the images that nobody else needs, and a line on those that stay.

    What another environment needs is read as `inv image.prune` reads it. When that can't be read, every image stays.
    """
    released = {
        release.digest for target in targets for release in rung.ledger.releases(target.target) if release.digest
    }
    if not released:
        return [], []
    try:
        keep = rung.settings.image.kept_releases(0)
        by_function = retention.kept_by_function(rung.settings, 0)
        needed = needed_images.needed(rung, keep, by_function, without=rung.environment)
        held = [image for image in prune.listed(rung.aws, rung.names) if image.digest in released]
    except NotReadyError:
        return [], []  # there is no repository any more
    except Exception as error:
        if error_code(error) not in _DENIED:
            raise
        return [], [
            Asset(
                "images",
                rung.names.repository,
                f"who needs them can't be read; later: `inv image.prune --env {rung.settings.lowest}`",
            )
        ]
    own = [image for image in held if image.digest not in needed and image.is_project_image]
    others = len(held) - len(own)
    kept = [Asset("images", rung.names.repository, f"{others} that other environments need")] if others else []
    return own, kept


def part(rung: Rung, images: Sequence[HeldImage]) -> Asset:
    """Return the images that go as one row."""
    size = megabytes(sum(image.size for image in images))
    return Asset("images", rung.names.repository, f"{len(images)} that only {rung.environment} has, {size}")
