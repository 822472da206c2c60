"""Find a Python interpreter of a given version on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

from localcloud.launchers.interface import LaunchError
from stepladder.core import interpreters


def find(version: str) -> Path:
    """Return an interpreter of `version` ("3.13"), the one for which the image was built.

    Raises `LaunchError` with what to do.
    """
    interpreter = interpreters.find(version)
    if interpreter is None:
        raise LaunchError("Runtime.InvalidEntrypoint", lacks(version))
    return interpreter


def lacks(version: str) -> str:
    """Say what to do when no interpreter of `version` is on this machine, or an empty string when one is."""
    if interpreters.find(version):
        return ""
    return (
        f"this image runs on the machine's own Python {version}, and the local cloud finds none: install it "
        f"(`uv python install {version}`) and start the cloud again, or have a Docker engine build and run the image"
    )


def nearest(version: str) -> str:
    """Return `version` when such an interpreter is on this machine, else the version of the one that runs the cloud.

    For deployment packages of pure Python: the promotion's own functions must run wherever the cloud does.
    """
    return version if interpreters.find(version) else f"{sys.version_info.major}.{sys.version_info.minor}"
