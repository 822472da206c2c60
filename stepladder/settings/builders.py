"""The builders that `stepladder.image.builder` may name, and the module of each.

A new builder is one folder below `stepladder/images/`, with the interface of `stepladder/images/builder.py`, and one
line here. `auto` takes the first one, in this order, that can build on this machine, so the last one has to need
nothing.
"""

from __future__ import annotations

AUTO = "auto"

REGISTERED: dict[str, str] = {
    "docker": "stepladder.images.docker.builder",
    "layers": "stepladder.images.layers.builder",
}
"""Name -> module with a `BUILDER` (`stepladder.images.builder.Builder`). A module is imported when it is needed."""


_WITH_ENGINE = frozenset({"docker"})
"""Those that build in a container engine, which a pipeline has to give them."""


def needs_engine(name: str) -> bool:
    """Say whether the setting names a builder that needs a container engine; `auto` does without one."""
    return name in _WITH_ENGINE


def choices() -> tuple[str, ...]:
    """Return every value of the setting."""
    return (AUTO, *REGISTERED)
