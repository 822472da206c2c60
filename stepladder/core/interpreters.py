"""Find a Python interpreter of a given version on this machine, outside any virtual environment."""

from __future__ import annotations

import functools
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stepladder.core import process
from stepladder.core.errors import StepladderError

_ASK = "import sys; print('%d.%d' % sys.version_info[:2], getattr(sys, '_base_executable', sys.executable), sep='\\n')"
_TIMEOUT = 20.0
_NEUTRAL = Path("/")
"""Where candidates are started: the shims of pyenv, asdf and mise choose by a file of the folder that they run in, so
that a project would find a Python that the local cloud, which runs elsewhere, doesn't."""


@functools.cache
def find(version: str) -> Path | None:
    """Return an interpreter of `version` ("3.13"), or None. Tried: this one, PATH, pyenv's, uv's."""
    for candidate in _candidates(version):
        candidate_version, _, base = _output([str(candidate), "-I", "-c", _ASK]).partition("\n")
        if candidate_version == version:
            return Path(base)
    return None


def running() -> str:
    """Return the version of the interpreter that runs now, X.Y."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def _candidates(version: str) -> Iterator[Path]:
    if running() == version:
        yield Path(sys.executable)
    if on_path := shutil.which(f"python{version}"):
        yield Path(on_path)
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    yield from sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True)
    from uv import find_uv_bin

    uv_python = _output([find_uv_bin(), "python", "find", "--no-project", "--no-python-downloads", version])
    if uv_python:
        yield Path(uv_python)


def _output(argv: list[str]) -> str:
    try:
        done = process.run(argv, cwd=_NEUTRAL, timeout=_TIMEOUT)
    except (OSError, StepladderError):
        return ""
    return done.out.strip() if done.code == 0 else ""
