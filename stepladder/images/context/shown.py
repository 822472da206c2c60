"""The name of a build context as a person reads it: as `invoke.yaml` has it, since a project may have several."""

from __future__ import annotations

from pathlib import Path

_SETTINGS = "invoke.yaml"


def name(folder: Path) -> str:
    """Return a folder's path in its project, as text with slashes; its own name where no `invoke.yaml` is above it."""
    for parent in folder.parents:
        if (parent / _SETTINGS).is_file():
            return folder.relative_to(parent).as_posix()
    return folder.name
