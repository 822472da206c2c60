"""The forges that stepladder knows, in the order in which they are asked.

A new forge is one file beside this one, with the interface of `stepladder/forge/interface.py`, and one line here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from stepladder.forge import codebuild, github, gitlab, local
from stepladder.forge.interface import Forge

if TYPE_CHECKING:
    from stepladder.core.process_identity import Process

REGISTERED: tuple[Forge, ...] = (
    github.FORGE,
    gitlab.FORGE,
    codebuild.FORGE,
    local.FORGE,  # the last: it is detected everywhere
)


def current() -> Forge:
    """Return the forge that runs this process."""
    return next(forge for forge in REGISTERED if forge.detect())


def is_detected() -> bool:
    """Say whether this process is a job of a forge."""
    return current() is not local.FORGE


def identity() -> str:
    """Return the account that started this job; empty where no forge names one.

    Every forge is asked, detected or not: a container may get the variable of the account and none of the others.
    """
    return next(filter(None, (forge.identity() for forge in REGISTERED)), "")


def run() -> str:
    """Return the name of this pipeline's run; empty where no forge gives it one."""
    return next((f"{forge.name} {forge.run()}" for forge in REGISTERED if forge.run()), "")


def this_process() -> Process:
    """Describe the running process, under the account that started its job, or else its user."""
    from stepladder.core import process_identity

    return process_identity.this_process(identity())
