"""From settings to an image in the registry, doing only what isn't done yet."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from stepladder import aws as aws_module
from stepladder.aws import Aws
from stepladder.console import Step
from stepladder.errors import NotReadyError
from stepladder.images import check, ecr, engine, layers, records, revision
from stepladder.images.base import Base, Bases
from stepladder.images.key import input_key
from stepladder.images.model import BuiltImage, LocalImage
from stepladder.images.push import push, taken
from stepladder.images.registry import NAME_UNKNOWN
from stepladder.images.retry import RegistryError
from stepladder.names import Names
from stepladder.settings import Settings

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
    repository: ecr.Repository | None = None
    local_cloud: bool = field(default_factory=lambda: aws_module.is_loopback(aws_module.endpoint()))


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
    key = input_key(settings)
    if not pull and (known := _known(settings, aws, names, key)):
        step.skip(f"{known.tag[:20]} {known.digest[7:19]} is in the registry")
        return known
    job = Job(settings, names, key, revision.read(settings), step, say, pull)
    if not allow_dirty:
        revision.refuse_dirty_in_ci(job.revision)
    job.repository = ecr.connect(aws, names)
    try:
        image = _tagged(job) or _publish(job)
    except RegistryError as error:
        if error.code == NAME_UNKNOWN:
            raise ecr.missing(names) from None
        raise
    check.check_deployable(image, aws_module.endpoint())
    records.save(settings, names, image)
    done = f"{image.tag[:20]} {image.digest[7:19]}, {_megabytes(image.size)} on {image.base.split('@')[0]}"
    (step.done if image.pushed else step.skip)(done)
    return image


def build_only(settings: Settings, step: Step, *, say: Say = _silent, pull: bool = False) -> LocalImage:
    """Build the image without a registry; its blobs lie under `.stepladder/cache`."""
    environment = next(iter(settings.environments))
    job = Job(settings, settings.names(environment), input_key(settings), revision.read(settings), step, say, pull)
    return _build(job)


def _known(settings: Settings, aws: Aws, names: Names, key: str) -> BuiltImage | None:
    """Return the noted image when it is of these inputs and the registry still holds it (one call)."""
    noted = records.load(settings, names)
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
    return _publish_from_engine(job) if _engine_builds(job) else _publish_layers(job)


def _engine_builds(job: Job) -> bool:
    """Choose the builder. `auto` takes the engine when one answers and has, or can get, the base image."""
    chosen = job.settings.image.builder
    if chosen == layers.NAME:
        return False
    if not engine.answers():
        if chosen == engine.NAME:
            raise NotReadyError(
                "stepladder.image.builder is docker, and no container engine answers",
                hint="start Docker, or set stepladder.image.builder to layers",
            )
        return False
    from stepladder.images import engine_build

    return chosen == engine.NAME or engine_build.has_base(job.settings) or _bases(job).real(patient=False) is not None


def _publish_from_engine(job: Job) -> BuiltImage:
    from stepladder.images import engine_build, engine_push

    repository = _repository(job)
    job.step.progress("building")
    image = engine_build.build(
        job.settings, key=job.key, commit=job.revision.commit, pull=job.pull, progress=job.step.progress
    )
    tag = job.revision.tag(job.key)
    if job.pull:
        tag = f"{tag}-{image.id.removeprefix('sha256:')[:8]}"
    target = f"{repository.registry.host}/{repository.name}"
    engine_push.push(image, target, tag, repository.login, job.step.progress)
    found = check.read_back(
        repository.registry, repository.name, tag, architecture=job.settings.architecture, key=job.key
    )
    return found.built(registry=repository.host, repository=repository.name, tag=tag, pushed=True)


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
    return layers.build(job.settings, _base(job), key=job.key, commit=job.revision.commit)


def _base(job: Job) -> Base:
    """Choose the base. Only a local cloud may do without the real one.

    It has to where no engine answers, since its functions then run as processes of this machine, and where the base's
    registry is out of reach.
    """
    bases = _bases(job)
    if job.local_cloud and not job.settings.image.base and not engine.answers():
        job.say("no container engine answers: in the local cloud the image runs on this machine's own Python")
        return bases.host()
    base = bases.real(pull=job.pull, patient=not job.local_cloud)
    if base is None and job.local_cloud:
        job.say(f"{bases.reference.host} can't be reached: the image for the local cloud runs on this machine's Python")
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
        say=job.say,
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


def summary(image: LocalImage) -> dict[str, object]:
    """Return what `inv image.build --json` prints."""
    return {
        "architecture": image.architecture,
        "base": image.base,
        "builder": image.builder,
        "digest": image.digest,
        "layers": [blob.descriptor() for blob in image.layers],
        "size": image.size,
    }
