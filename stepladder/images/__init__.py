"""Images: input key, builders, registry client, and the checks of what was pushed.

What the rest of stepladder calls; the modules behind are imported at the first call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from stepladder.core.aws import Aws
    from stepladder.core.names import Names
    from stepladder.core.step import Step
    from stepladder.images.attest.verify import AttachedDocument
    from stepladder.images.builder import BuildJob
    from stepladder.images.model import BuiltImage
    from stepladder.images.pipeline import Background
    from stepladder.settings.load import Settings


def input_key(settings: Settings) -> str:
    """Return the hash of everything that decides the image; offline, a few milliseconds."""
    from stepladder.images import builder

    return builder.input_key(settings)


def check_lock(settings: Settings) -> None:
    """Refuse a `requirements.txt` that lacks what `requirements.in` asks for; offline, under a millisecond."""
    from stepladder.images.requirements import lock

    lock.check(settings)


def check_files(settings: Settings, *, take_pointers: bool) -> None:
    """Refuse files that no image can be made of; see `stepladder.images.preflight.check`."""
    from stepladder.images import preflight

    preflight.check(settings, lambda _warning: None, take_pointers=take_pointers)


def build(settings: Settings, step: Step, environment: str, *, say: Callable[[str], None]) -> str:
    """Build the image, and publish nothing; `stepladder.images.pipeline.build_early` says more."""
    from stepladder.images import pipeline

    return pipeline.build_early(settings, step, environment, say=say)


def begin(settings: Settings, environment: str, *, say: Callable[[str], None]) -> BuildJob | None:
    """Begin to build the image, and publish nothing; `stepladder.images.ahead` says more."""
    from stepladder.images import ahead

    return ahead.begin(settings, environment, say=say)


def prepare(
    settings: Settings,
    aws: Aws,
    step: Step,
    environment: str,
    *,
    say: Callable[[str], None] = lambda _text: None,
    pull: bool = False,
    allow_dirty: bool = False,
    background: Background | None = None,
) -> BuiltImage:
    """Build and push unless the registry has the image; `stepladder.images.pipeline.prepare` says more."""
    from stepladder.images import pipeline

    background = background or pipeline.Background()
    return pipeline.prepare(
        settings, aws, step, environment, say=say, pull=pull, allow_dirty=allow_dirty, background=background
    )


def input_keys(views: Mapping[str, Settings]) -> dict[str, str]:
    """Return the input key of each function's image; offline, each distinct image hashed once."""
    from stepladder.images import many

    return many.input_keys(views)


def check_all(views: Mapping[str, Settings], *, take_pointers: bool) -> None:
    """Refuse files that no image can be made of, of each distinct image; offline."""
    from stepladder.images import many

    many.check_all(views, lambda _warning: None, take_pointers=take_pointers)


def check_handlers(
    views: Mapping[str, Settings], aws: Aws, step: Step, environment: str, *, say: Callable[[str], None]
) -> None:
    """Refuse a `function.handler` that its image lacks; `stepladder.images.pipeline.check_handlers` says more."""
    from stepladder.images import many

    many.check_handlers(views, aws, step, environment, say=say)


def prepare_all(
    views: Mapping[str, Settings],
    aws: Aws,
    step: Step,
    environment: str,
    *,
    say: Callable[[str], None] = lambda _text: None,
    pull: bool = False,
    allow_dirty: bool = False,
) -> dict[str, BuiltImage]:
    """Build and push what the registry lacks; return each function's image; `stepladder.images.many` says more."""
    from stepladder.images import many

    return many.prepare_all(views, aws, step, environment, say=say, pull=pull, allow_dirty=allow_dirty)


def copy(
    source: tuple[Aws, Names], target: tuple[Aws, Names], digest: str, scratch: Path, *, referrers_too: bool = False
) -> bool:
    """Copy an image and what refers to it by digest; `stepladder.images.registry.copying` says more."""
    from stepladder.images.registry import copying

    return copying.copy(source, target, digest, scratch, referrers_too=referrers_too)


def check_deployable(image: BuiltImage, endpoint: str) -> None:
    """Refuse an image on this machine's own Python for anything but a local cloud."""
    from stepladder.images import check

    check.check_deployable(image, endpoint)


def attest_of(aws: Aws, names: Names, digest: str, settings: Settings) -> tuple[AttachedDocument, ...]:
    """Return what refers to an image in the repository of an environment; `stepladder.images.attest.verify` says more.

    Raises `RefusedError` when the repository hasn't got the image.
    """
    from stepladder.core.errors import RefusedError
    from stepladder.images.attest import verify
    from stepladder.images.registry import ecr

    if not ecr.holds(aws, names, digest):
        raise RefusedError(
            f"{digest[:19]} is not in the repository {names.repository} of {names.account}, {names.region}",
            kind="image-missing",
            hint="`inv status` shows the images that are released",
        )
    repository = ecr.connect(aws, names)
    return verify.verify(repository.registry, repository.name, digest, settings)
