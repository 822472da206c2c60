"""The builder `layers`: the image as blobs on this machine, made without an engine and pushed by content."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from stepladder.core.display import megabytes
from stepladder.images import key as keys

if TYPE_CHECKING:
    from stepladder.core.step import Step
    from stepladder.images.builder import BuildJob
    from stepladder.images.check import RegistryImage
    from stepladder.images.model import Built, LocalImage
    from stepladder.settings.load import Settings


class LayersBuilder:
    """Builds anywhere. See `stepladder.images.builder.Builder`."""

    builds_from_source = False
    builds_apart = False

    def input_key(self, settings: Settings) -> str:
        """Return the hash of files and settings: this machine adds nothing to them."""
        return keys.input_key(settings)

    def require(self, job: BuildJob) -> None:
        """Need nothing."""

    def accepts(self, job: BuildJob) -> bool:  # noqa: ARG002 - any job
        """Need nothing."""
        return True

    def begin(self, job: BuildJob) -> None:
        """Begin nothing: it would be work of this process, which is busy."""

    def build(self, job: BuildJob) -> LocalImage:
        """Build into `.stepladder/cache`."""
        from stepladder.images.layers import base_choice, build

        return build.build(job.settings, base_choice.base(job), key=job.key, commit=job.revision.commit)

    def again(self, job: BuildJob, image: RegistryImage) -> LocalImage | None:
        """Build it again: the same inputs give the same digest, on any machine."""
        built = self.build(job)
        return built if built.digest == image.digest else None

    def publish(self, job: BuildJob, built: Built, tag: str) -> bool:
        """Send the blobs that the registry lacks, then the manifest."""
        from stepladder.images.model import LocalImage
        from stepladder.images.registry.push import push

        if not isinstance(built, LocalImage):
            raise TypeError("the layers builder publishes what it built")
        repository = job.target
        push(repository.registry, repository.name, tag, built, _meter(job.step, built.size))
        return True


def _meter(step: Step, total: int) -> Callable[[int], None]:
    """Show how much has gone out, counted over all threads."""
    lock, sent = threading.Lock(), [0]

    def progress(count: int) -> None:
        with lock:
            sent[0] += count
            step.progress(f"sent {megabytes(sent[0])} of at most {megabytes(total)}")

    return progress


BUILDER = LayersBuilder()
