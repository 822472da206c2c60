"""Which builder makes the image, and whether its containers can run here: `auto` decides, and says why."""

from __future__ import annotations

from collections.abc import Callable

from stepladder.core import container_engine
from stepladder.core.ci import in_ci
from stepladder.core.container_engine import Engine
from stepladder.core.errors import NotReadyError, RefusedError
from stepladder.images.base.registry import Reference
from stepladder.images.dockerfile import read
from stepladder.images.key import base_reference
from stepladder.images.layers import build
from stepladder.settings.load import Settings


def engine_builds(
    settings: Settings, *, local_cloud: bool, has_base: Callable[[], bool], say: Callable[[str], None]
) -> bool:
    """Choose the builder; `has_base` is asked last, since it may go over the network.

    Raises `NotReadyError` when an engine is asked for and none can do it.
    """
    chosen = settings.image.builder
    if chosen == build.NAME:
        return False
    found = container_engine.find()
    unsupported = why_not(found, settings, local_cloud=local_cloud)
    if chosen == container_engine.NAME:
        if found is None or (local_cloud and not found.here):
            raise NotReadyError(
                f"stepladder.image.builder is docker, and {unsupported}",
                hint="start Docker here, or set stepladder.image.builder to layers",
            )
        return True
    if unsupported:
        if settings.image.base or not local_cloud:  # else the choice of the base says it
            say(f"{unsupported}: the image is built without one, from layers")
        return False
    return not local_cloud or has_base()


def why_not(found: Engine | None, settings: Settings, *, local_cloud: bool) -> str:
    """Say why the engine is of no use for this function, or return an empty string."""
    if found is None:
        return "no container engine answers"
    if local_cloud and not found.here:
        return "the container engine is on another machine, or in a virtual one, and doesn't reach the local cloud"
    if found.architecture != settings.architecture:
        return f"the container engine is {found.architecture} and the function {settings.architecture}"
    return ""


def refuse_latest_in_ci(settings: Settings) -> None:
    """Raise `RefusedError` when CI would build on whatever `latest` is today: no commit says what that was."""
    if not in_ci():
        return
    path = settings.root / settings.image.context / "Dockerfile"
    arguments = {"BASE_IMAGE": base_reference(settings), "PYTHON_VERSION": settings.python}
    for name in read.outline(path, arguments).bases:
        if name != "scratch" and Reference.parse(name).reference == "latest":
            raise RefusedError(
                f"the image would stand on {name}, which is latest today and something else tomorrow",
                hint="name a version, or better a digest, in stepladder.image.base (or in the Dockerfile's FROM)",
            )
