"""Which builder makes the image: the one that the settings name, or the first that can build here."""

from __future__ import annotations

from stepladder.core.ci import in_ci
from stepladder.core.errors import RefusedError
from stepladder.images.builder import Builder, BuildJob, named
from stepladder.settings import builders
from stepladder.settings.load import Settings


def builder(job: BuildJob) -> Builder:
    """Return the job's builder. Raises `NotReadyError` when the one that the settings name can't build here."""
    chosen = job.settings.image.builder
    if chosen != builders.AUTO:
        chosen_builder = named(chosen)
        if job.begun is None:  # else it is at work
            chosen_builder.require(job)
        return chosen_builder
    *others, last = builders.REGISTERED
    return named(next((name for name in others if named(name).accepts(job)), last))


def refuse_latest_in_ci(settings: Settings) -> None:
    """Raise `RefusedError` when CI would build on whatever `latest` is today: no commit says what that was."""
    if not in_ci():
        return
    from stepladder.images.base.registry import Reference
    from stepladder.images.dockerfile import read
    from stepladder.images.key import build_arguments

    path = settings.root / settings.image.context / "Dockerfile"
    for name in read.outline(path, build_arguments(settings)).bases:
        if name != "scratch" and Reference.parse(name).reference == "latest":
            raise RefusedError(
                f"the image would stand on {name}, which is latest today and something else tomorrow",
                kind="unpinned-base",
                hint="name a version, or better a digest, in `stepladder.image.base` (or in the `Dockerfile`'s FROM)",
            )
