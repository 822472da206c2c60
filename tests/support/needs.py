"""What a test needs of the machine. Without it the test is skipped on a laptop, and fails in CI."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest

from stepladder.core.ci import in_ci

PYTHONS = ("3.13", "3.12", "3.11", "3.14")
_CI = "STEPLADDER_TESTS_IN_CI"
"""Says so to xdist's workers, and to each test that starts pytest: `CI` itself is taken out (tests/conftest.py)."""


def remember_ci() -> None:
    """Note whether this is a CI job, before the environment is cleaned."""
    if in_ci():
        os.environ[_CI] = "1"


def missing(what: str) -> NoReturn:
    """End a test for which something is missing here."""
    if os.environ.get(_CI):
        pytest.fail(f"a CI job must have what its tests need: {what}", pytrace=False)
    pytest.skip(what)


def tool(name: str, path: str | None = None) -> str:
    """Return the path of a program, or end the test."""
    return shutil.which(name, path=path) or missing(f"no {name} on PATH")


def another_python() -> tuple[str, str]:
    """Return version and path of a Python besides the one that runs the tests, or end the test.

    Any of Lambda's will do. CI has one: Ubuntu's own beside the one of setup-python, Debian's beside that of the image.
    """
    from stepladder.core import interpreters

    for version in PYTHONS:
        if version != interpreters.running() and (path := interpreters.find(version)):
            return version, str(path)
    missing(f"there is one Python only; any other of {', '.join(PYTHONS)} will do")
