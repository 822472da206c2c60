"""Whether a container engine can build, and run, a function's image."""

from __future__ import annotations

from stepladder.core.container_engine import ContainerEngine
from stepladder.settings.load import Settings


def why_not(engine: ContainerEngine | None, settings: Settings, *, local_cloud: bool) -> str:
    """Say why the engine is of no use for this function, or return an empty string."""
    if engine is None:
        return "no container engine answers"
    if local_cloud and not engine.is_local:
        return "the container engine is on another machine, or in a virtual one, and doesn't reach the local cloud"
    if engine.architecture != settings.architecture:
        return f"the container engine is {engine.architecture} and the function {settings.architecture}"
    return ""
