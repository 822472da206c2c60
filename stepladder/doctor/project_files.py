"""What stands in the project: its settings, its lock files, the library that it pins, its Python version's support."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from stepladder import __version__
from stepladder.core import git
from stepladder.core.errors import StepladderError
from stepladder.doctor.context import DoctorContext
from stepladder.doctor.finding import ERROR, NOTE, WARNING, Finding
from stepladder.terraform.roots import LOCK_FILE

DEPRECATED = {
    "3.10": date(2026, 10, 31),
    "3.11": date(2027, 6, 30),
    "3.12": date(2028, 10, 31),
    "3.13": date(2029, 6, 30),
    "3.14": date(2029, 6, 30),
}
"""When AWS stops updating its base images of a Python version.

As of 2026-11-26: https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtimes.html#runtimes-supported
"""
_PROVIDER = r'(?m)^provider "([^"]+)" \{\s+version\s+= "([^"]+)"'
_SOON = 180
_SHORT = 12


def settings(context: DoctorContext) -> Iterator[Finding]:
    """Yield what is wrong with the settings; without them nothing that they name is checked."""
    error = context.loaded
    if isinstance(error, StepladderError):
        for problem in error.problems or (error.message,):
            yield Finding(ERROR, "invoke.yaml", problem, error.hint or "`inv check`")


def library(context: DoctorContext) -> Iterator[Finding]:
    """Yield that another stepladder runs than the project's uv.lock pins."""
    file = context.root / "uv.lock"
    if not file.is_file():
        if (context.root / "pyproject.toml").is_file():
            yield Finding(WARNING, "uv.lock", "the project's tools are not locked", "lock and install them: `uv sync`")
        return
    pinned, running = _pinned(file), _running()
    if pinned and running and pinned != running:
        text = f"stepladder {running} runs, and uv.lock pins {pinned}"
        yield Finding(WARNING, "stepladder", text, "install what is pinned: `uv sync`")


def _pinned(file: Path) -> str:
    """Return the commit or version that uv.lock pins; empty for a folder, and for a file that can't be read."""
    try:
        packages = tomllib.loads(file.read_text("utf-8")).get("package", [])
    except (OSError, ValueError):
        return ""
    own: dict[str, Any] = next((each for each in packages if each.get("name") == "stepladder"), {})
    source = own.get("source", {})
    if "git" in source:
        return str(source["git"]).rpartition("#")[2][:_SHORT]
    return str(own.get("version", "")) if "registry" in source else ""


def _running() -> str:
    """Return the commit or version of the stepladder that runs; empty for a folder."""
    try:
        origin = json.loads(metadata.distribution("stepladder").read_text("direct_url.json") or "{}")
    except (metadata.PackageNotFoundError, ValueError):
        return ""
    if "vcs_info" in origin:
        return str(origin["vcs_info"].get("commit_id", ""))[:_SHORT]
    return "" if origin else __version__


def providers(context: DoctorContext) -> Iterator[Finding]:
    """Yield which roots have no lock file of providers, or one that git doesn't know."""
    roots = sorted(each.parent for each in (context.root / "terraform").glob("*/versions.tf"))
    for root in roots:
        if root.parent.name != "terraform" or root.name == "modules":
            continue
        path = f"terraform/{root.name}/{LOCK_FILE}"
        if not (context.root / path).is_file():
            if context.environments:
                text = "no lock file of providers: each machine takes the newest ones"
                fix = f"`inv tf.init --env {context.environments[0]} --root {root.name}`"
                yield Finding(NOTE, f"terraform/{root.name}", text, fix)
        elif _untracked(context.root, path):
            text = "git doesn't know it, so each CI job chooses its providers by itself"
            yield Finding(WARNING, path, text, f"`git add {path}`, then commit")


def provider_versions(context: DoctorContext) -> Iterator[Finding]:
    """Yield which provider the roots' lock files have in different versions, so that their plans differ in kind."""
    locked: dict[str, dict[str, list[str]]] = {}
    for file in sorted((context.root / "terraform").glob(f"*/{LOCK_FILE}")):
        for name, version in re.findall(_PROVIDER, file.read_text("utf-8", "replace")):
            locked.setdefault(name, {}).setdefault(version, []).append(file.parent.name)
    for name, versions in locked.items():
        if len(versions) > 1:
            text = "; ".join(f"{version} in {', '.join(roots)}" for version, roots in versions.items())
            yield Finding(
                WARNING, name, f"the roots lock different versions: {text}", "lock the same: `inv tf.upgrade`"
            )


def _untracked(root: Path, path: str) -> bool:
    return git.ask(root, "rev-parse", "HEAD") is not None and git.ask(root, "ls-files", "--error-unmatch", path) is None


def python_support(context: DoctorContext) -> Iterator[Finding]:
    """Yield that AWS updates the base image of the function's Python version no more, or not for long."""
    version = context.settings.python
    ends = DEPRECATED.get(version)
    today = datetime.fromtimestamp(context.clock.now(), UTC).date()
    left = (ends - today).days if ends else _SOON
    if ends and left < _SOON:
        text = (
            f"AWS updates Python {version} until {ends}"
            if left > 0
            else f"AWS updates Python {version} no more, since {ends}"
        )
        fix = "set a newer one under `stepladder.python`, and the Dockerfile's base image"
        yield Finding(WARNING, f"python {version}", text, fix)
