"""Plan without keeping the plan: what a root would change, now."""

from __future__ import annotations

from collections.abc import Mapping

from stepladder.core.aws import Aws
from stepladder.core.step import Step
from stepladder.settings.load import Settings
from stepladder.terraform import events, losses, planning, review, roots
from stepladder.terraform.allowed import Allowed
from stepladder.terraform.events import Counts, ResourceChange
from stepladder.terraform.review import RootReview
from stepladder.terraform.runner import opened


def preview(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
    allow_destroy: Allowed = False,
) -> tuple[Counts, tuple[str, ...]]:
    """Return what `changes` would do, in numbers, and notes. Raises as `ensure`, also when that would refuse."""
    planned, notes = changes(settings, env, root, aws=aws, step=step, image_uri=image_uri, images=images)
    losses.check(roots.root(settings, env, root), planned, image_uri, images, allow_destroy=allow_destroy)
    return events.count(planned), notes


def reviewed(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
) -> RootReview:
    """Plan as `changes` does, and return the review of it: what would change, with attributes. It holds no secret."""
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step, images=images) as runner:
        out = at.work_dir / "review.tfplan"
        try:
            planning.draft(runner, aws, None, images=images, out=out, acting=False, import_existing=True, lock=False)
            document = planning.shown(runner, out)
        finally:
            out.unlink(missing_ok=True)
        return review.review(root, "", document, tuple(runner.notes))


def changes(
    settings: Settings,
    env: str,
    root: str,
    *,
    aws: Aws,
    step: Step | None = None,
    image_uri: str | None = None,
    images: Mapping[str, str] = roots.NO_IMAGES,
) -> tuple[tuple[ResourceChange, ...], tuple[str, ...]]:
    """Plan into a file that is thrown away, without the state lock; return what would change, and notes.

    A saved plan stays what it is: it was reviewed, this wasn't. Raises as `ensure`.
    """
    at = roots.root(settings, env, root)
    with opened(at, aws=aws, step=step, image_uri=image_uri, images=images) as runner:
        out = at.work_dir / "preview.tfplan"
        try:
            made = planning.draft(
                runner, aws, image_uri, images=images, out=out, acting=False, import_existing=True, lock=False
            )
        finally:
            out.unlink(missing_ok=True)
        return made.changes, tuple(runner.notes)
