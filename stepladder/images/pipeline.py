"""From settings to an image in the registry, doing only what isn't done yet. The builder is any."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from stepladder.core import aws as aws_module
from stepladder.core.aws import Aws
from stepladder.core.display import megabytes
from stepladder.core.errors import StepladderError
from stepladder.core.names import Names
from stepladder.core.retry import RegistryError
from stepladder.core.step import Step
from stepladder.images import build_cache, check, choose, configured_handlers, preflight, revision, shared, verified
from stepladder.images.attest import attach
from stepladder.images.builder import Builder, BuildJob, Say, input_key
from stepladder.images.check import RegistryImage
from stepladder.images.context import files, shown
from stepladder.images.dockerfile import read
from stepladder.images.key import build_arguments
from stepladder.images.model import Built, BuiltImage
from stepladder.images.registry import ecr
from stepladder.images.registry.client import NAME_UNKNOWN
from stepladder.images.registry.push import tag_exists
from stepladder.images.requirements import lock
from stepladder.settings.load import Settings

Later = Callable[[Callable[[], None]], None]
"""Takes work that another thread may do, beside other work. It is called at most once."""


@dataclass(frozen=True)
class Background:
    """What of an image is done in the background.

    `later` takes what is to be attached to it, unless a release fails without it. `begun` is what
    `stepladder.images.ahead` returned.
    """

    later: Later | None = None
    begun: BuildJob | None = None


_NONE = Background()


@dataclass(frozen=True)
class _Published:
    """An image in the registry, and what is yet to be attached to it. `built` is what this machine has of it."""

    image: BuiltImage
    source: RegistryImage
    built: Built | None = None
    lacking: tuple[str, ...] = ()

    def attach(self, job: BuildJob) -> None:
        if self.built and self.lacking:
            attach.attach(job, self.source, self.built.distributions, self.lacking)


def _silent(_text: str) -> None:
    pass


def prepare(
    settings: Settings,
    aws: Aws,
    step: Step,
    environment: str,
    *,
    say: Say = _silent,
    pull: bool = False,
    allow_dirty: bool = False,
    background: Background = _NONE,
) -> BuiltImage:
    """Make sure that the registry of `environment` holds the image of the present inputs, and return it.

    Builds and pushes only what is missing. `step` gets the progress, `say` what a person should know besides;
    `pull` looks the base image up again; `allow_dirty` lets CI release uncommitted files.

    Raises `RefusedError` for an image that mustn't be released, `BadInputError` for inputs that can't be built,
    `RegistryError` when the registry fails for good.
    """
    names = settings.names(environment)
    lock.check(settings)
    key = input_key(settings)
    if not pull and (noted := known(settings, aws, names, key)):
        check_handlers(settings, aws, step, environment, say=say)
        step.skip(f"digest {noted.digest[7:19]}, tag {noted.tag[:20]}: the registry has it")
        return noted
    with ThreadPoolExecutor(1, thread_name_prefix="registry") as pool:  # beside git
        connecting = pool.submit(ecr.connect, aws, names)
        if background.begun and background.begun.key == key and not pull:
            job = replace(background.begun, step=step, say=say, allow_dirty=allow_dirty)
        else:
            job = BuildJob(settings, names, key, revision.read(settings), step, say, pull, allow_dirty=allow_dirty)
        if not allow_dirty:
            revision.refuse_dirty_in_ci(job.revision)
        choose.refuse_latest_in_ci(settings)
    job.repository = connecting.result()
    try:
        published = _tagged(job) or _publish(job)
    except RegistryError as error:
        if error.code == NAME_UNKNOWN:
            raise ecr.missing(names) from None
        raise
    image = published.image
    check.check_deployable(image, aws_module.endpoint())

    def complete(job: BuildJob) -> None:
        published.attach(job)
        build_cache.save(settings, names, image)  # without it, the next run attaches what is lacking

    if background.later and published.lacking and not attach.is_required(settings, published.lacking):
        background.later(lambda: complete(replace(job, step=Step(step.name))))
    else:
        complete(job)
    done = f"digest {image.digest[7:19]}, tag {image.tag[:20]}, {megabytes(image.size)} on {image.base.split('@')[0]}"
    (step.done if image.pushed else step.skip)(done)
    return image


def build_only(
    settings: Settings, step: Step, *, say: Say = _silent, pull: bool = False, to_run: bool = False
) -> Built:
    """Build the image without a registry: into the engine, or as blobs under `.stepladder/cache`.

    `to_run`: on this machine, and nowhere else; what the layers builder makes then needs no container.
    """
    lock.check(settings)
    names = settings.names(next(iter(settings.environments)))
    job = BuildJob(settings, names, input_key(settings), revision.read(settings), step, say, pull)
    preflight.check(settings, say, take_pointers=True)
    if to_run:
        job.local_cloud = job.to_run = True
    return _build(job, choose.builder(job))


def build_early(settings: Settings, step: Step, environment: str, *, say: Say = _silent) -> str:
    """Build the image that `prepare` will publish, before there is a repository; return its digest.

    It is empty for a builder whose images have none before they are pushed. What is built here, `prepare` finds in the
    caches. Raises what `build_only` raises.
    """
    lock.check(settings)
    job = BuildJob(settings, settings.names(environment), input_key(settings), revision.read(settings), step, say)
    return _build(job, choose.builder(job)).digest


def check_handlers(settings: Settings, aws: Aws, step: Step, environment: str, *, say: Say = _silent) -> None:
    """Raise `BadInputError` when the image of the present files lacks a handler that the settings name.

    The image may be built long since, since a handler is no input of it. It is built here once more, and not
    published, when nothing on this machine knows. Without such a handler, nothing is read. `aws` opens the registry of
    `environment`, which may hold the base.
    """
    if not shared.configured(settings):
        return
    key = input_key(settings)
    if not _unverified(settings, key):
        return
    job = BuildJob(settings, settings.names(environment), key, revision.read(settings), step, say, allow_dirty=True)
    job.repository = ecr.connect(aws, job.names)
    _build(job, choose.builder(job))


def _unverified(settings: Settings, key: str) -> bool:
    """Say whether the image has to be built to know that it holds each handler that the settings name.

    Raises `BadInputError` for one that the files alone show to be missing.
    """
    configured = shared.configured(settings)
    if not configured:
        return False
    context = settings.root / settings.image.context
    command = read.outline(context / "Dockerfile", build_arguments(settings)).handler
    configured_handlers.check(settings, files.collect(context), command, configured)
    return not {each.name for each in configured} <= {command, *verified.handlers(settings, key)}


def known(settings: Settings, aws: Aws, names: Names, key: str) -> BuiltImage | None:
    """Return the noted image when it is of these inputs and the registry still holds it (one call)."""
    noted = build_cache.load(settings, names)
    if noted is None or noted.input_key != key or not ecr.holds(aws, names, noted.digest):
        return None
    check.check_deployable(noted, aws_module.endpoint())
    return noted


def _tagged(job: BuildJob) -> _Published | None:
    """Return the image that the tag names already, when it was built from the same inputs (by CI, by a colleague)."""
    repository = job.target
    tag = job.revision.tag(job.key)
    image = check.read(repository.registry, repository.name, tag)
    if image is None:
        return None
    if image.key != job.key:
        raise tag_exists(repository.name, tag, image.digest)
    if job.pull:
        return None
    lacking, unverified = attach.lacking(job, image), _unverified(job.settings, job.key)
    builder = choose.builder(job) if lacking or unverified else None
    built = _build(job, builder) if builder and unverified else None
    if builder and lacking and not (built and built.digest == image.digest):
        built = builder.again(job, image)
    if lacking and not built:
        attach.unattached(job, image, lacking)
    check.check_layers(image)
    check.check_architecture(image.architecture, job.settings.architecture, image.base)
    named = image.built(registry=repository.host, repository=repository.name, tag=tag, pushed=False)
    return _Published(named, image, built, lacking if built else ())


def _publish(job: BuildJob) -> _Published:
    """Build, push, and read back what the registry holds then."""
    preflight.check(job.settings, job.say, take_pointers=job.allow_dirty)
    builder, repository = choose.builder(job), job.target
    built = _build(job, builder)
    if input_key(job.settings) != job.key:  # their tag, which is immutable, would name other inputs
        raise StepladderError(
            f"files of {shown.name(job.settings.root / job.settings.image.context)}/ changed while the image was built",
            kind="build-context",
            hint="run the same command again once nothing writes to them",
        )
    tag = job.revision.tag(job.key)
    if job.pull:  # the base may have moved, and the tag of these inputs with it
        tag = f"{tag}-{built.fingerprint}"
    pushed = builder.publish(job, built, tag)
    image = check.read_back(
        repository.registry,
        repository.name,
        tag,
        architecture=job.settings.architecture,
        digest=built.digest,
        key=job.key,
    )
    named = image.built(registry=repository.host, repository=repository.name, tag=tag, pushed=pushed)
    return _Published(named, image, built, attach.attachable(job.settings) if pushed else ())


def _build(job: BuildJob, builder: Builder) -> Built:
    job.step.progress("building")
    _warn_of_secrets(job)
    built = builder.build(job)
    verified.note(job.settings, job.key, [each.name for each in shared.configured(job.settings)])
    return built


def _warn_of_secrets(job: BuildJob) -> None:
    """Name what no builder sees although no line of `.dockerignore` says so."""
    folder = job.settings.root / job.settings.image.context
    if left_out := files.secrets(folder) if folder.is_dir() else ():
        more = f" and {len(left_out) - 5} more" if len(left_out) > 5 else ""  # noqa: PLR2004 - a line is enough
        job.say(
            f"left out of the image as secrets: {', '.join(left_out[:5])}{more}; a line `!{left_out[0]}` in "
            f"{shown.name(folder)}/.dockerignore takes that in"
        )
