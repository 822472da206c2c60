"""From settings to an image in the registry, doing only what isn't done yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from stepladder.core import aws as aws_module
from stepladder.core import container_engine, endpoints, notes
from stepladder.core.aws import Aws
from stepladder.core.console import Step
from stepladder.core.errors import StepladderError
from stepladder.core.names import Names
from stepladder.core.retry import RegistryError
from stepladder.images import build_cache, check, choose, preflight, revision
from stepladder.images.base.registry import Base, Bases
from stepladder.images.context import files
from stepladder.images.key import base_reference, input_key
from stepladder.images.layers import build
from stepladder.images.model import BuiltImage, LocalImage
from stepladder.images.registry import ecr
from stepladder.images.registry.client import NAME_UNKNOWN
from stepladder.images.registry.push import push, taken
from stepladder.images.requirements import lock
from stepladder.settings.load import Settings

if TYPE_CHECKING:
    from stepladder.images.base.engine import Source
    from stepladder.images.docker.build import EngineImage

Say = Callable[[str], None]


def _silent(_text: str) -> None:
    pass


@dataclass
class Job:
    """One image to be made: for which inputs, under which tag, and where it goes."""

    settings: Settings
    names: Names
    key: str
    revision: revision.Revision
    step: Step
    say: Say = _silent
    pull: bool = False
    to_run: bool = False
    allow_dirty: bool = False
    repository: ecr.Repository | None = None
    local_cloud: bool = field(default_factory=lambda: endpoints.is_local_cloud(endpoints.endpoint()))

    def note(self, topic: str) -> Say:
        """Return what says something about this machine, which is the same at every build, once."""
        return notes.once(self.settings.build_dir, topic, self.say)


def prepare(
    settings: Settings,
    aws: Aws,
    step: Step,
    environment: str,
    *,
    say: Say = _silent,
    pull: bool = False,
    allow_dirty: bool = False,
) -> BuiltImage:
    """Make sure that the registry of `environment` holds the image of the present inputs, and return it.

    Builds and pushes only what is missing. `step` is told the progress, `say` what a person should know besides;
    `pull` looks the base image up anew; `allow_dirty` lets CI release uncommitted files. Raises `RefusedError` for an
    image that mustn't be released, `BadInputError` for inputs that can't be built, `RegistryError` when the registry
    fails for good.
    """
    names = settings.names(environment)
    lock.check(settings)
    key = input_key(settings)
    if not pull and (known := _known(settings, aws, names, key)):
        step.skip(f"digest {known.digest[7:19]}, tag {known.tag[:20]}: the registry has it")
        return known
    job = Job(settings, names, key, revision.read(settings), step, say, pull, allow_dirty=allow_dirty)
    if not allow_dirty:
        revision.refuse_dirty_in_ci(job.revision)
    choose.refuse_latest_in_ci(settings)
    job.repository = ecr.connect(aws, names)
    try:
        image = _tagged(job) or _publish(job)
    except RegistryError as error:
        if error.code == NAME_UNKNOWN:
            raise ecr.missing(names) from None
        raise
    check.check_deployable(image, aws_module.endpoint())
    build_cache.save(settings, names, image)
    done = f"digest {image.digest[7:19]}, tag {image.tag[:20]}, {_megabytes(image.size)} on {image.base.split('@')[0]}"
    (step.done if image.pushed else step.skip)(done)
    return image


def build_only(
    settings: Settings, step: Step, *, say: Say = _silent, pull: bool = False, to_run: bool = False
) -> LocalImage | EngineImage:
    """Build the image without a registry: into the engine, or as blobs under `.stepladder/cache`.

    `to_run`: on this machine, and nowhere else; what the layers builder makes then needs no container.
    """
    lock.check(settings)
    environment = next(iter(settings.environments))
    job = Job(settings, settings.names(environment), input_key(settings), revision.read(settings), step, say, pull)
    preflight.check(settings, say, take_pointers=True)
    if to_run:
        job.local_cloud = job.to_run = True
    return _build_in_engine(job) if _engine_builds(job) else _build(job)


def _known(settings: Settings, aws: Aws, names: Names, key: str) -> BuiltImage | None:
    """Return the noted image when it is of these inputs and the registry still holds it (one call)."""
    noted = build_cache.load(settings, names)
    if noted is None or noted.input_key != key or not ecr.holds(aws, names, noted.digest):
        return None
    check.check_deployable(noted, aws_module.endpoint())
    return noted


def _tagged(job: Job) -> BuiltImage | None:
    """Return the image that the tag names already, when it was built from the same inputs (by CI, by a colleague)."""
    repository = _repository(job)
    tag = job.revision.tag(job.key)
    found = check.read(repository.registry, repository.name, tag)
    if found is None:
        return None
    if found.key != job.key:
        raise taken(repository.name, tag, found.digest)
    if job.pull:
        return None
    check.check_layers(found)
    check.check_architecture(found.architecture, job.settings.architecture, found.base)
    return found.built(registry=repository.host, repository=repository.name, tag=tag, pushed=False)


def _publish(job: Job) -> BuiltImage:
    preflight.check(job.settings, job.say, take_pointers=job.allow_dirty)
    return _publish_from_engine(job) if _engine_builds(job) else _publish_layers(job)


def _engine_builds(job: Job) -> bool:
    def has_base() -> bool:
        from stepladder.images.docker import build as engine_build

        source = _source(job)
        return source.label != source.name or engine_build.has_base(job.settings, source.reference)

    return choose.engine_builds(job.settings, local_cloud=job.local_cloud, has_base=has_base, say=job.note("builder"))


def _source(job: Job) -> Source:
    """Say where the engine finds the base: by digest when its registry can be asked, at the address that it has here.

    A registry that wants credentials of its own doesn't tell us; the engine's user may be logged in to it.
    """
    from stepladder.images.base.engine import Source

    name, bases, repository = base_reference(job.settings), _bases(job), job.repository
    try:
        found = bases.real(pull=job.pull, patient=False)
    except StepladderError:
        found = None
    label = found.label if found else name
    if repository is None or bases.reference.host not in repository.own_hosts:
        return Source(name, label, label)
    return Source(name, label, label.replace(bases.reference.host, repository.registry.host, 1), repository.login)


def _build_in_engine(job: Job) -> EngineImage:
    from stepladder.images.docker import build as engine_build

    job.step.progress("building")
    _tell_secrets(job)
    return engine_build.build(
        job.settings,
        _source(job),
        key=job.key,
        commit=job.revision.commit,
        pull=job.pull,
        progress=job.step.progress,
    )


def _publish_from_engine(job: Job) -> BuiltImage:
    from stepladder.images.docker import push as engine_push

    repository = _repository(job)
    image = _build_in_engine(job)
    tag = job.revision.tag(job.key)
    if job.pull:
        tag = f"{tag}-{image.id.removeprefix('sha256:')[:8]}"
    target, pushed = f"{repository.registry.host}/{repository.name}", True
    try:
        engine_push.push(image, target, tag, repository.login, job.step.progress)
    except engine_push.TagTakenError:  # somebody was faster; the same inputs make the same image
        found = check.read(repository.registry, repository.name, tag)
        if found is None or found.key != job.key:
            raise taken(repository.name, tag, found.digest if found else "") from None
        pushed = False
    found = check.read_back(
        repository.registry, repository.name, tag, architecture=job.settings.architecture, key=job.key
    )
    return found.built(registry=repository.host, repository=repository.name, tag=tag, pushed=pushed)


def _publish_layers(job: Job) -> BuiltImage:
    repository = _repository(job)
    image = _build(job)
    tag = job.revision.tag(job.key)
    if job.pull:  # the base may have moved, and the tag of these inputs with it
        tag = f"{tag}-{image.digest[7:15]}"
    push(repository.registry, repository.name, tag, image, _meter(job.step, image.size))
    found = check.read_back(
        repository.registry,
        repository.name,
        tag,
        architecture=job.settings.architecture,
        digest=image.digest,
        key=job.key,
    )
    return found.built(registry=repository.host, repository=repository.name, tag=tag, pushed=True)


def _build(job: Job) -> LocalImage:
    job.step.progress("building")
    _tell_secrets(job)
    return build.build(job.settings, _base(job), key=job.key, commit=job.revision.commit)


def _tell_secrets(job: Job) -> None:
    """Name what neither builder sees although no line of `.dockerignore` says so."""
    folder = job.settings.root / job.settings.image.context
    if left_out := files.secrets(folder) if folder.is_dir() else ():
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""  # noqa: PLR2004 - a line is enough
        job.say(
            f"left out of the image as secrets: {', '.join(left_out[:5])}{more}; a line `!{left_out[0]}` in "
            f"{folder.name}/.dockerignore takes that in"
        )


def _base(job: Job) -> Base:
    """Choose the base. Only a local cloud may do without the real one.

    It has to where no engine can run it, since its functions then run as processes of this machine, and where the
    base's registry is out of reach.
    """
    bases = _bases(job)
    if job.to_run:
        job.note("image to run")("without a container engine to build it, the image runs on this machine's own Python")
        return bases.host()
    if job.local_cloud and not job.settings.image.base:
        unsupported = choose.why_not(container_engine.find(), job.settings, local_cloud=True)
        if unsupported:
            job.note("local image")(f"{unsupported}: in the local cloud the image runs on this machine's own Python")
            return bases.host()
    base = bases.real(pull=job.pull, patient=not job.local_cloud)
    if base is None and job.local_cloud:
        out_of_reach = f"{bases.reference.host} can't be reached"
        job.note("local image")(f"{out_of_reach}: the image for the local cloud runs on this machine's Python")
        return bases.host()
    if base is None:
        raise bases.missing()
    return base


def _bases(job: Job) -> Bases:
    repository = job.repository
    return Bases(
        job.settings,
        target=repository.registry if repository else None,
        own_hosts=repository.own_hosts if repository else (),
        say=job.note("base image"),
    )


def _repository(job: Job) -> ecr.Repository:
    if job.repository is None:
        raise ValueError("the job has no repository")
    return job.repository


def _meter(step: Step, total: int) -> Callable[[int], None]:
    """Show how much has gone out, counted over all threads."""
    lock, sent = threading.Lock(), [0]

    def progress(count: int) -> None:
        with lock:
            sent[0] += count
            step.progress(f"sent {_megabytes(sent[0])} of at most {_megabytes(total)}")

    return progress


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def summary(image: LocalImage | EngineImage) -> dict[str, object]:
    """Return what `inv image.build --json` prints. What an engine built gets its digest from the push."""
    known: dict[str, object] = {"architecture": image.architecture, "base": image.base, "size": image.size}
    if isinstance(image, LocalImage):
        parts = [blob.descriptor() for blob in image.layers]
        return {**known, "builder": image.builder, "digest": image.digest, "id": image.config.digest, "layers": parts}
    return {**known, "builder": container_engine.NAME, "digest": None, "id": image.id, "layers": None}
