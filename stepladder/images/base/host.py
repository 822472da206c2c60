"""The base "host Python": what a local cloud runs when there is no base image to be had.

It holds AWS's runtime client and nothing else; the interpreter is this machine's, so its images are of this machine's
architecture whatever the settings say, and `check_deployable` keeps them off AWS.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stepladder.core import interpreters
from stepladder.core.image_facts import HOST_BASE
from stepladder.images.context.files import Entry
from stepladder.images.requirements import dependencies
from stepladder.images.requirements.dependencies import Dependencies, WheelTarget

REQUIREMENTS = Path(__file__).with_name("awslambdaric.txt")
_ENTRYPOINT = """#!/bin/sh
# Same contract as AWS's base images: the first argument is the handler.
export PYTHONPATH="${LAMBDA_TASK_ROOT:-/var/task}:${LAMBDA_RUNTIME_DIR:-/var/runtime}${PYTHONPATH:+:$PYTHONPATH}"
exec python3 -m awslambdaric "$@"
"""
ENVIRONMENT = (
    "LANG=en_US.UTF-8",
    "TZ=:/etc/localtime",
    "PATH=/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LD_LIBRARY_PATH=/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
    "LAMBDA_TASK_ROOT=/var/task",
    "LAMBDA_RUNTIME_DIR=/var/runtime",
)
"""What AWS's Python base images set."""


@dataclass(frozen=True)
class HostPython:
    """An interpreter of this machine; `wanted` is false when the project asked for another version."""

    version: str
    interpreter: str
    wanted: bool

    @property
    def label(self) -> str:
        """The base's name in the image's label."""
        return f"{HOST_BASE}{self.version}"


def find(python: str) -> HostPython:
    """Return this machine's interpreter of the version `python` (X.Y), else the one that runs now."""
    interpreter = interpreters.find(python)
    if interpreter:
        return HostPython(python, str(interpreter), wanted=True)
    return HostPython(interpreters.running(), sys.executable, wanted=False)


def layer(host: HostPython, cache: Path) -> Dependencies:
    """Return the base's one layer: awslambdaric in /var/runtime and the entry point."""
    target = WheelTarget(host.version, interpreter=host.interpreter)
    with tempfile.TemporaryDirectory() as scratch:
        script = Path(scratch) / "lambda-entrypoint.sh"
        script.write_text(_ENTRYPOINT)
        extra = [Entry(script.name, script, executable=True)]
        made = dependencies.build(REQUIREMENTS, target, cache, prefix="var/runtime", extra=extra)
    if made is None:  # the requirements ship with the package
        raise FileNotFoundError(REQUIREMENTS)
    return made
