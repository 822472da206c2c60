"""The builder `docker`: the project's Dockerfile, built and pushed by a Docker engine."""

from __future__ import annotations

import contextlib
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from stepladder.core.errors import NotReadyError, StepladderError
from stepladder.images import key as keys
from stepladder.images.docker.ahead import BuildAhead

if TYPE_CHECKING:
    from stepladder.images.base.engine import BaseSource
    from stepladder.images.builder import BuildJob
    from stepladder.images.check import RegistryImage
    from stepladder.images.model import Built, EngineImage
    from stepladder.settings.load import Settings


class DockerBuilder:
    """Builds in the engine that answers here. See `stepladder.images.builder.Builder`."""

    builds_from_source = True
    builds_apart = True

    def input_key(self, settings: Settings) -> str:
        """Return the hash of files and settings: the engine adds nothing to them."""
        return keys.input_key(settings)

    def require(self, job: BuildJob) -> None:
        """Raise `NotReadyError` without an engine, or when it doesn't reach the local cloud."""
        from stepladder.core import container_engine
        from stepladder.images.base import usable

        with ThreadPoolExecutor(1, thread_name_prefix="engine") as pool:
            description = pool.submit(container_engine.find)
            import docker  # noqa: F401 - while an engine describes itself: 30 ms and 10

            engine = description.result()
        if engine is None or (job.local_cloud and not engine.is_local):
            reason = usable.why_not(engine, job.settings, local_cloud=job.local_cloud)
            raise NotReadyError(
                f"stepladder.image.builder is docker, and {reason}",
                kind="engine-down",
                hint="start Docker here, or set `stepladder.image.builder` to layers",
            )

    def accepts(self, job: BuildJob) -> bool:
        """Whether an engine of the function's architecture answers; for a local cloud it has to have the base too."""
        from stepladder.core import container_engine
        from stepladder.images.base import usable
        from stepladder.images.docker import build

        reason = usable.why_not(container_engine.find(), job.settings, local_cloud=job.local_cloud)
        if reason:
            if job.settings.image.base or not job.local_cloud:  # else the choice of the base says it
                job.note("builder")(f"{reason}: the image is built without one, from layers")
            return False
        if not job.local_cloud:
            return True
        source = _source(job)  # it may go over the network, so it comes last
        return source.label != source.name or build.has_base(job.settings, source.reference)

    def begin(self, job: BuildJob) -> BuildAhead:
        """Begin to build into the engine."""
        ahead = BuildAhead(job, _source(job))
        ahead.wait_sent()
        return ahead

    def build(self, job: BuildJob) -> EngineImage:
        """Build into the engine."""
        from stepladder.images.docker import build

        source = _source(job)
        if isinstance(job.begun, BuildAhead) and (image := job.begun.result(source, job.step.progress)):
            return image
        return build.build(
            job.settings,
            source,
            key=job.key,
            commit=job.revision.commit,
            pull=job.pull,
            progress=job.step.progress,
        )

    def again(self, job: BuildJob, image: RegistryImage) -> EngineImage | None:
        """Return it where the engine still has it: another build of the same inputs is another image."""
        from stepladder.images.docker import build

        return build.kept(job.settings, str(image.manifest["config"]["digest"]))

    def publish(self, job: BuildJob, built: Built, tag: str) -> bool:
        """Have the engine push. A tag that somebody pushed faster is fine when it has the same inputs."""
        from stepladder.images import check
        from stepladder.images.docker import push
        from stepladder.images.model import EngineImage
        from stepladder.images.registry.push import tag_exists

        if not isinstance(built, EngineImage):
            raise TypeError("the docker builder publishes what it built")
        repository = job.target
        target = f"{repository.registry.host}/{repository.name}"
        try:
            push.push(built, target, tag, repository.login, job.step.progress, known=repository.credentials())
        except push.TagExistsError:
            image = check.read(repository.registry, repository.name, tag)
            if image is None or image.key != job.key:
                raise tag_exists(repository.name, tag, image.digest if image else "") from None
            return False
        return True


def _source(job: BuildJob) -> BaseSource:
    """Say where the engine finds the base: by digest when its registry can be asked, at the address that it has here.

    A registry that wants credentials of its own doesn't say so; the engine's user may be logged in to it.
    """
    from stepladder.images.base.engine import BaseSource

    name, bases, repository = keys.base_reference(job.settings), job.bases(), job.repository
    label = name
    with contextlib.suppress(StepladderError):
        label = bases.pinned(pull=job.pull) or name
    if repository is None or bases.reference.host not in repository.own_hosts:
        return BaseSource(name, label, label)
    return BaseSource(name, label, label.replace(bases.reference.host, repository.registry.host, 1), repository.login)


BUILDER = DockerBuilder()
