"""What this machine needs: Terraform, uv, git, a container engine where the builder wants one, Python."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from stepladder.core import container_engine, git
from stepladder.core.errors import NotReadyError
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding
from stepladder.settings import builders, functions
from stepladder.settings.load import Settings
from stepladder.terraform import cli
from stepladder.terraform.distributions import TERRAFORM, of

_OLDEST = (3, 11)


def terraform(context: DoctorContext) -> Iterator[Finding]:
    """Yield that there is no Terraform that will do, or that variables change what its commands mean."""
    loaded = context.loaded
    distribution = of(loaded.terraform_distribution) if isinstance(loaded, Settings) else TERRAFORM
    try:
        cli.find(context.root, distribution)
    except NotReadyError as error:
        yield Finding(ERROR, distribution.name, error.message, error.hint)
    for name in cli.meddling():
        text = f"{name} is set, and taken away from every Terraform that stepladder starts"
        yield Finding(NOTE, distribution.name, text, f"`unset {name}`")


def programs(context: DoctorContext) -> Iterator[Finding]:
    """Yield which programs are missing: uv locks packages, git names the commit of a release."""
    if sys.version_info[:2] < _OLDEST:
        text = f"Python {sys.version_info[0]}.{sys.version_info[1]} is too old"
        yield Finding(ERROR, "python", text, "make the environment again: `uv sync --python 3.13`")
    own_tools = str(Path(sys.executable).parent)
    if not shutil.which("uv", path=os.pathsep.join((own_tools, os.environ.get("PATH", "")))):
        text = "there is no uv, which installs and locks the function's packages"
        yield Finding(ERROR, "uv", text, "install it: `pip install uv`")
    if not shutil.which("git"):
        yield Finding(WARNING, "git", "there is no git, so releases name no commit", "install it: `apt install git`")
    elif git.ask(context.root, "rev-parse", "HEAD") is None:
        text = "the project has no commit, so releases name none and can't be told apart by it"
        yield Finding(WARNING, "git", text, 'begin: `git init -b main && git add -A && git commit -m "Begin"`')


def engine(context: DoctorContext) -> Iterator[Finding]:
    """Yield that no container engine answers, where a function's builder needs one."""
    views = functions.views(context.settings).values()
    wanted = sorted({view.image.builder for view in views if builders.needs_engine(view.image.builder)})
    if wanted and not container_engine.answers():
        text = f"no container engine answers at {container_engine.address()}, and the builder {wanted[0]} needs one"
        fix = "start it (`docker info` says whether it runs), or set `stepladder.image.builder` to auto"
        yield Finding(ERROR, "docker", text, fix)
