"""Find a Python interpreter of a given version on this machine."""

from __future__ import annotations

import functools
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from stepladder.local.launchers import LaunchError

_ASK = "import sys; print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable), sep='\\n')"


@functools.cache
def find(version: str) -> Path:
    """Return an interpreter of `version` ("3.13"), outside any virtual environment.

    Tried: this one, PATH, pyenv's, uv's. Raises `LaunchError` with what to do.
    """
    for candidate in _candidates(version):
        found, _, base = _ask(candidate).partition("\n")
        if found == version:
            return Path(base)
    raise LaunchError(
        "Runtime.InvalidEntrypoint",
        f"the process launcher needs Python {version} on this machine and found none: "
        f"install it (`uv python install {version}`), or use the container launcher",
    )


def _candidates(version: str) -> Iterator[Path]:
    import shutil

    if f"{sys.version_info.major}.{sys.version_info.minor}" == version:
        yield Path(sys.executable)
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    yield from sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"), reverse=True)
    try:
        import uv

        argv = [uv.find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", version]
        answer = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
        if answer.returncode == 0:
            yield Path(answer.stdout.strip())
    except (ImportError, OSError, subprocess.TimeoutExpired):
        return


def _ask(python: Path) -> str:
    try:
        return subprocess.run(
            [str(python), "-I", "-c", _ASK], capture_output=True, text=True, timeout=20, check=False
        ).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""
