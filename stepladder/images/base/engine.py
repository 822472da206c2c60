"""The base image in the engine: found or pulled before the build, and pinned by digest where it has one.

Pulling it in a step of its own separates a base that can't be had from a build that fails, without reading the
builder's mind, and lets the label say exactly what the image stands on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from stepladder.core.errors import NotReadyError, RefusedError, StepladderError
from stepladder.core.image_facts import ARCHITECTURE, PLATFORM
from stepladder.images.base.registry import Reference
from stepladder.images.progress import follow


@dataclass(frozen=True)
class BaseSource:
    """Where the base comes from.

    `name` is the project's own reference, `label` the same pinned by digest when its registry could be asked;
    `reference` is what the engine shall take (the same, but for a registry that has another address here), `login`
    user and password for it (None: what the engine's user is logged in with).
    """

    name: str
    label: str
    reference: str
    login: Callable[[], tuple[str, str]] | None = None


@dataclass(frozen=True)
class EngineBase:
    """A base that the engine holds: what `FROM` gets, and what the image's label says."""

    reference: str
    label: str


def holds(engine: Any, reference: str, architecture: str) -> bool:
    """Say whether the engine holds an image for this architecture."""
    image = _image(engine, reference)
    return image is not None and _architecture(image) == architecture


def _image(engine: Any, reference: str) -> Any:
    from docker.errors import ImageNotFound

    with contextlib.suppress(ImageNotFound):
        return engine.images.get(reference)
    return None


def ensure(
    engine: Any,
    source: BaseSource,
    architecture: str,
    *,
    pull: bool,
    may_pull: bool = True,
    progress: Callable[[str], None],
) -> EngineBase:
    """Make sure that the engine holds the base; return how to name it.

    `pull` reads it anew; without `may_pull` nothing is pulled.

    Raises `NotReadyError` when it can't be had, `RefusedError` when it is made for another architecture.
    """
    reference, error = source.reference, None
    image = None if pull else _image(engine, reference)
    if may_pull and (image is None or _architecture(image) != architecture):
        error = _pull(engine, source, architecture, progress)
        if error and not pull and holds(engine, source.name, architecture):
            # The digest is known but can't be fetched: what lies here under the plain name will do
            reference, error = source.name, None
        image = _image(engine, reference)
    if image is None or (error and _architecture(image) == architecture):
        raise error or missing(source.name, "it was pulled and is gone")
    if _architecture(image) != architecture:
        raise RefusedError(
            f"the base image {source.name} is made for {_architecture(image)}, the function's architecture is "
            f"{architecture}",
            kind="wrong-architecture",
            hint=f"name a base for linux/{PLATFORM[architecture]} in `stepladder.image.base`, or change "
            "`stepladder.architecture`; the layers builder (`stepladder.image.builder`) cross-builds without emulation",
        )
    if reference == source.reference and "@" in source.label:
        return EngineBase(reference, source.label)
    pinned = _pinned(source.name, image.attrs.get("RepoDigests") or ())
    return EngineBase(pinned or reference, pinned or source.name)


def _pull(
    engine: Any, source: BaseSource, architecture: str, progress: Callable[[str], None]
) -> StepladderError | None:
    """Pull the base; return why it can't be had."""
    from docker.errors import APIError

    repository, _, digest = source.reference.partition("@")
    tag = digest
    if not digest:
        repository, tag = _split(source.reference)
    native = ARCHITECTURE.get(engine.version()["Arch"]) == architecture
    options: dict[str, Any] = {} if native else {"platform": f"linux/{PLATFORM[architecture]}"}
    if source.login:
        user, password = source.login()
        options["auth_config"] = {"username": user, "password": password}
    progress(f"pulling {source.name}")
    try:
        events = engine.api.pull(repository, tag=tag, stream=True, decode=True, **options)
        message = follow(events, "pulled", progress)
    except APIError as error:
        message = str(error.explanation or error)
    if "no space left" in message.lower():
        raise no_room()
    return missing(source.name, message) if message else None


def _split(reference: str) -> tuple[str, str]:
    """Take the tag off a reference; a registry's port is none."""
    head, _, last = reference.rpartition("/")
    name, _, tag = last.partition(":")
    return (f"{head}/{name}" if head else name), tag or "latest"


def _pinned(name: str, digests: tuple[str, ...]) -> str:
    """Return `name` with the digest that the engine pulled it by; empty for an image that came another way."""
    wanted = Reference.parse(name)
    for known in sorted(digests):
        repository, _, digest = known.partition("@")
        reference = Reference.parse(repository)
        if (reference.host, reference.repository) == (wanted.host, wanted.repository):
            return f"{name.partition('@')[0]}@{digest}"
    return ""


def _architecture(image: Any) -> str:
    named = str(image.attrs["Architecture"])
    return ARCHITECTURE.get(named, named)


def missing(name: str, message: str) -> NotReadyError:
    """Return the error for a base that the engine can't get."""
    return NotReadyError(
        f"the base image {name} can't be had: {message.strip()}",
        kind="no-base-image",
        hint="name another under `stepladder.image.base`, log in to its registry (`docker login`), or pull it where "
        "the network lets you",
    )


def no_room() -> StepladderError:
    """Return the error for a full disk."""
    return NotReadyError(
        "the container engine has no room left on its disk", kind="engine-down", hint="make some: `docker system prune`"
    )
