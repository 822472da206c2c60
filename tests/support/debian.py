"""Programs of Debian that tests need: installed where that can be done, on a Debian machine as root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

_SECONDS = 300


class NotInstalledError(Exception):
    """A program is missing and can't be installed here."""


def search_path() -> str:
    """Return PATH with the folders of the administrator's programs."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def ensure(packages: tuple[str, ...], *programs: str) -> None:
    """Install the packages unless every program is on PATH. Raises `NotInstalledError`, which says why."""
    if all(shutil.which(program, path=search_path()) for program in programs):
        return
    if sys.platform != "linux" or os.geteuid() != 0 or not shutil.which("apt-get"):
        raise NotInstalledError(f"{' '.join(packages)} can be installed only on Debian as root")
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for argv in (("update", "-qq"), ("install", "-y", "-qq", "--no-install-recommends", *packages)):
        done = subprocess.run(
            ["apt-get", *argv], env=environment, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
        if done.returncode:
            raise NotInstalledError(f"{' '.join(packages)} could not be installed: {done.stderr[-500:]}")
