"""Find a Python interpreter of a given version on this machine."""

from __future__ import annotations

from pathlib import Path

from stepladder.images import interpreters
from stepladder.local.launchers import LaunchError


def find(version: str) -> Path:
    """Return an interpreter of `version` ("3.13"), the one for which the image was built.

    Raises `LaunchError` with what to do.
    """
    found = interpreters.find(version)
    if found is None:
        raise LaunchError(
            "Runtime.InvalidEntrypoint",
            f"the process launcher needs Python {version} on this machine and found none: "
            f"install it (`uv python install {version}`), or use the container launcher",
        )
    return found
