"""What a builder of images is: its interface, the job that it gets, and how one is found by name.

`stepladder/settings/builders.py` registers the builders. Nothing else names one.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from stepladder.core import endpoints, notes
from stepladder.images import key as keys
from stepladder.settings import builders

if TYPE_CHECKING:
    from stepladder.core.names import Names
    from stepladder.core.step import Step
    from stepladder.images.base.registry import Bases
    from stepladder.images.check import RegistryImage
    from stepladder.images.model import Built
    from stepladder.images.registry.ecr import Repository
    from stepladder.images.revision import SourceRevision
    from stepladder.settings.load import Settings

Say = Callable[[str], None]
"""Takes one sentence that a person should know."""


def _silent(_text: str) -> None:
    pass


@dataclass(eq=False, repr=False)
class BuildJob:
    """One image to be made: from which inputs, under which tag, and where it goes.

    `key` is the input key (64 hexadecimal digits) and `revision` the commit of the files. `pull` reads the base image
    anew. `to_run`: the image runs on this machine and is not published. `allow_dirty` accepts pointers of Git LFS and,
    in CI, uncommitted files. `repository` is None for an image that is built only. `local_cloud`: the AWS endpoint in
    force is a local cloud's. `begun` is what the builder's `begin` returned for these inputs.
    """

    settings: Settings
    names: Names
    key: str
    revision: SourceRevision
    step: Step
    say: Say = _silent
    pull: bool = False
    to_run: bool = False
    allow_dirty: bool = False
    repository: Repository | None = None
    begun: object = None
    local_cloud: bool = field(default_factory=lambda: endpoints.is_local_cloud(endpoints.endpoint()))

    def note(self, topic: str) -> Say:
        """Return what says something about this machine, which is the same at every build, once."""
        return notes.once(self.settings.build_dir, topic, self.say)

    @property
    def target(self) -> Repository:
        """The repository that the image goes to; `ValueError` for a job that only builds."""
        if self.repository is None:
            raise ValueError("the job has no repository")
        return self.repository

    def bases(self) -> Bases:
        """Return the finder of the base image, which uses the repository's own registry where the base is in it."""
        from stepladder.images.base.registry import Bases

        repository = self.repository
        return Bases(
            self.settings,
            target=repository.registry if repository else None,
            own_hosts=repository.own_hosts if repository else (),
            say=self.note("base image"),
        )


class Builder(Protocol):
    """Makes an image from a project's files and publishes it.

    `stepladder.images.pipeline` does the rest, the same for every builder: the input key is compared before anything
    is built, files are checked, and what was published is read back and checked (`stepladder.images.check`).
    """

    @property
    def builds_from_source(self) -> bool:
        """Whether a dependency without a wheel is the Dockerfile's own business, so that a lock may hold one."""
        ...

    @property
    def builds_apart(self) -> bool:
        """Whether another program builds, so that `begin` may gain time."""
        ...

    def input_key(self, settings: Settings) -> str:
        """Return 64 hexadecimal digits that change whenever the image would; offline, in a few milliseconds.

        `stepladder.images.key.input_key` hashes the files and settings. A builder with inputs of its own adds them.
        """
        ...

    def require(self, job: BuildJob) -> None:
        """Raise `NotReadyError` when the settings name this builder and it can't build here."""
        ...

    def accepts(self, job: BuildJob) -> bool:
        """Whether `auto` may take this builder for the job. One that can't build says why by `job.note`."""
        ...

    def begin(self, job: BuildJob) -> object:
        """Begin to build beside other work, without a repository; return what `build` finds as `job.begun`.

        Publish nothing and pull no base. What nobody takes may end unseen. Raises `StepladderError`.
        """
        ...

    def build(self, job: BuildJob) -> Built:
        """Build the image on this machine, and publish nothing. `job.step` gets the progress.

        The image has the labels of `stepladder.images.model` (builder, base, input key, commit). Raises
        `BadInputError` for files that can't be built, `NotReadyError` when a tool or the base image is out of reach.
        """
        ...

    def again(self, job: BuildJob, image: RegistryImage) -> Built | None:
        """Return an image of this job that is in the registry, as `build` returned it; None where this machine can't.

        What is in it can be attached to it then. Raises what `build` raises.
        """
        ...

    def publish(self, job: BuildJob, built: Built, tag: str) -> bool:
        """Push what `build` returned to `job.target` under `tag`, one manifest of one architecture.

        Return False when the registry has an image of the same inputs under the tag already, and True otherwise.
        Raises `RefusedError` for a tag that holds something else, `RegistryError` when the registry fails for good.
        """
        ...


def named(name: str) -> Builder:
    """Return a registered builder. `name` is no `auto`."""
    builder: Builder = importlib.import_module(builders.REGISTERED[name]).BUILDER
    return builder


def input_key(settings: Settings) -> str:
    """Return the input key of a project's image: 64 hexadecimal digits, offline, in a few milliseconds.

    Builders behind `auto` share one key, so that the key doesn't depend on whether an engine answers.
    """
    chosen = settings.image.builder
    return keys.input_key(settings) if chosen == builders.AUTO else named(chosen).input_key(settings)


def builds_from_source(settings: Settings) -> bool:
    """Whether the project's builder takes dependencies without a wheel; `auto` may end without an engine."""
    chosen = settings.image.builder
    return chosen != builders.AUTO and named(chosen).builds_from_source
